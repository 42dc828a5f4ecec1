"""Deploys of a template with the product's shapes, and what a deploy finds out."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.deploy import Access, Deployed, DeployError, deploy
from local.deploy.package import parse_template
from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import eventually

STACK = Path(__file__).parent / "event_path_stack"


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(STACK / "template.yaml", tmp_path))


def deployed(aws: ServedAws, template: Path, name: str, **parameters: str) -> Deployed:
    return deploy(
        Access(aws.session, aws.endpoint),
        template=template,
        code=STACK / "functions",
        parameters=parameters,
        stack_name=name,
    )


def change(template: Path, old: str, new: str) -> None:
    text = template.read_text()
    assert old in text
    template.write_text(text.replace(old, new))


def test_a_failed_job_reaches_the_function_that_the_template_asks_for(
    aws: ServedAws, template: Path
) -> None:
    outputs = deployed(aws, template, "whole", Greeting="hello there").outputs
    aws.emit({"TrainingJobStatus": "Failed", "TrainingJobName": "a"})
    aws.emit({"TrainingJobStatus": "Completed", "TrainingJobName": "b"})
    seen = eventually(lambda: [e for e in effects(aws, outputs) if e["job"] == "a"])
    assert seen[0]["greeting"] == "hello there"
    assert [e for e in effects(aws, outputs) if e["job"] == "b"] == []


def effects(aws: ServedAws, outputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the function wrote under its own role: one history entry for each message."""
    history = aws.client("ssm").get_parameter_history(Name=outputs["Seen"])["Parameters"]
    return [json.loads(entry["Value"]) for entry in history[1:]]


def test_the_same_template_again_changes_nothing(aws: ServedAws, template: Path) -> None:
    first = deployed(aws, template, "again")
    second = deployed(aws, template, "again")
    assert (first.changed, second.changed) == (True, False)
    assert first.outputs == second.outputs


def test_a_new_parameter_reaches_the_function(aws: ServedAws, template: Path) -> None:
    deployed(aws, template, "changed", Greeting="before")
    outputs = deployed(aws, template, "changed", Greeting="after").outputs
    found = aws.client("lambda").get_function_configuration(FunctionName=outputs["Function"])
    assert found["Environment"]["Variables"]["GREETING"] == "after"


def test_a_property_that_is_dropped_on_the_way_is_named(aws: ServedAws, template: Path) -> None:
    queue = "{Type: SQS, TargetArn: !GetAtt UndeliveredQueue.Arn}"
    change(
        template, "      MemorySize: 256", f"      MemorySize: 256\n      DeadLetterQueue: {queue}"
    )
    with pytest.raises(DeployError, match=r"Witness\.DeadLetterConfig was dropped"):
        deployed(aws, template, "dropped")


@dataclass(frozen=True)
class Tampering:
    """A change made behind the template's back, and how the next deploy names it."""

    service: str
    operation: str
    arguments: Callable[[Mapping[str, str]], Mapping[str, Any]]
    named: str


TAMPERINGS = [
    Tampering(
        "lambda",
        "update_function_configuration",
        lambda found: {"FunctionName": found["Function"], "Timeout": 9},
        r"Witness\.Timeout is 9, asked for 3",
    ),
    Tampering(
        "sqs",
        "set_queue_attributes",
        lambda found: {"QueueUrl": found["QueueUrl"], "Attributes": {"VisibilityTimeout": "1"}},
        r'EndedQueue\.VisibilityTimeout is "1", asked for 18',
    ),
    Tampering(
        "logs",
        "delete_retention_policy",
        lambda found: {"logGroupName": found["LogGroup"]},
        r"WitnessLogs\.RetentionInDays was dropped",
    ),
    Tampering(
        "events",
        "put_targets",
        lambda found: {
            "Rule": found["RuleArn"].rsplit("/", 1)[-1],
            "Targets": [{"Id": "queue", "Arn": found["QueueArn"]}],
        },
        r"Ended\.Targets\[queue\]\.RetryPolicy was dropped.*DeadLetterConfig was dropped",
    ),
    Tampering(
        "iam",
        "delete_role_policy",
        lambda found: {"RoleName": found["Role"], "PolicyName": "witness"},
        r"WitnessRole\.Policies is \[\]",
    ),
    Tampering(
        "cloudwatch",
        "delete_alarms",
        lambda found: {"AlarmNames": [found["Alarm"]]},
        r"Alarm\.Namespace was dropped",
    ),
]


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.operation)
def test_what_differs_from_the_template_is_named(
    aws: ServedAws, template: Path, tampering: Tampering
) -> None:
    name = f"differs-{tampering.service}"
    outputs = deployed(aws, template, name).outputs
    change_live = getattr(aws.client(tampering.service), tampering.operation)
    change_live(**tampering.arguments(outputs))
    with pytest.raises(DeployError, match=tampering.named):
        deployed(aws, template, name)


def test_what_people_may_change_is_a_note(aws: ServedAws, template: Path) -> None:
    outputs = deployed(aws, template, "noted").outputs
    aws.client("ssm").put_parameter(Name=outputs["Seen"], Value="changed", Overwrite=True)
    notes = eventually(lambda: deployed(aws, template, "noted").notes)
    assert [note for note in notes if note.startswith("Seen.Value is ")]


def test_a_failure_names_the_resource_and_its_reason(aws: ServedAws, template: Path) -> None:
    change(template, "VisibilityTimeout: 18", "VisibilityTimeout: 2")
    with pytest.raises(DeployError, match=r"WitnessEnded .*visibility timeout: 2 seconds is less"):
        deployed(aws, template, "fails")
    change(template, "VisibilityTimeout: 2", "VisibilityTimeout: 18")
    assert deployed(aws, template, "fails").changed, "and the next deploy starts over"


def test_the_uploaded_template_differs_in_the_address_of_the_code_alone(
    aws: ServedAws, template: Path
) -> None:
    deployed(aws, template, "uploaded")
    got = aws.client("cloudformation").get_template(StackName="uploaded", TemplateStage="Original")
    body = got["TemplateBody"]
    sent = json.loads(body) if isinstance(body, str) else json.loads(json.dumps(body))
    address = sent["Resources"]["Witness"]["Properties"].pop("CodeUri")
    asked = json.loads(json.dumps(parse_template(template)))
    assert asked["Resources"]["Witness"]["Properties"].pop("CodeUri") == "functions/"
    assert sent == asked
    bucket, key = address.removeprefix("s3://").split("/")
    with aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"] as stored:
        members = zipfile.ZipFile(io.BytesIO(stored.read())).namelist()
    assert members == ["witness.py"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--code", "nowhere"], "deploy: nowhere is not a directory: build the functions first"),
        (["--template", "nowhere.yaml"], "deploy: cannot read the template"),
        (["--parameter", "Greeting"], "'Greeting' is not NAME=VALUE"),
    ],
)
def test_a_mistake_at_the_command_line_is_one_line(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "local.deploy", "--region", "eu-west-1"]
    ended = subprocess.run(
        [*command, "--template", str(STACK / "template.yaml"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ended.returncode != 0
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
