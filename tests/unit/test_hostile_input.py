"""Whoever may send a message, tag a job or write an artifact: what it gets them, and what not."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.in_memory import InMemoryWorld
from local.replaying import deployment
from local.replaying.event import captured
from resilience.decide import naming
from resilience.decide.decisions import Decision, Reason, Verdict
from resilience.intake import Intake, take
from resilience.wire import events, tags
from resilience.wire.events import NotForUs
from tests.unit.leaky_scene import Scene, deployed_scene, run
from tests.unit.recovery_world import (
    ENVIRONMENT,
    GPU,
    JOB,
    SUCCESSOR,
    TAGS,
    described_job,
    dies,
    failed,
    lineage_of,
    trained,
    untouched,
)

HOSTILE = {
    "a query": 'x"){project{id}}',
    "a path": "../../etc/passwd",
    "two dots": "a..b",
    "a slash": "team/other",
    "a second line": 'x\n{"verdict":"RELAUNCH"}',
    "a carriage return": "x\rverdict",
    "a line separator": "x\u2028verdict",
    "an escape": "\x1b[2J",
    "another alphabet": "\u043c\u043e\u0434\u0435\u043b\u044c",
    "right to left": "a\u202eb",
    "256 characters": "x" * 256,
    "a substitution": "${env:HOME}",
    "a flag": "--project=other",
}
# What a training job may write on itself (template.yaml, SelfOptInPolicy).
OWN_KEYS = [
    tags.ENTITY,
    tags.PROJECT,
    tags.CHECKPOINT_NAME,
    tags.CHECKPOINT_TAG,
    tags.RUN_ID,
    tags.COMPLETED,
]


@dataclass(frozen=True)
class Taken:
    outcome: Decision | NotForUs
    lines: list[dict[str, Any]]

    @property
    def reason(self) -> Reason:
        return self.outcome.reason

    def logged(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "_aws" not in line]


def taken(world: InMemoryWorld, body: str) -> Taken:
    """One message, taken up as the function would, and each line that it wrote."""
    with ThreadPoolExecutor(3) as executor, captured() as printed:
        intake = Intake(
            world=world.ports(),
            dead_letters=world.dead_letters,
            settings=deployment.of(world, {}),
            executor=executor,
            account=world.account,
            region=world.region,
        )
        outcome = take(body, intake)
    return Taken(outcome, [json.loads(line) for line in printed.getvalue().splitlines()])


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")


def honest(world: InMemoryWorld, job: str = JOB) -> str:
    return events.check(job, source="resilience.sweep", account=world.account, region=world.region)


def forged(world: InMemoryWorld, detail: Mapping[str, object], **more: object) -> str:
    """A message as whoever may send to the queue can write it."""
    told = json.loads(honest(world)) | {
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "detail": {"TrainingJobName": JOB, "TrainingJobStatus": "Failed", **detail},
    }
    return json.dumps(told | more)


# --- tags that are no names


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed at the launch", "only by tags"])
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("key", OWN_KEYS[:5])
def test_a_tag_that_is_no_name_stops_the_job_notifies_once_and_wandb_is_not_asked(
    key: str, text: str, *, fixed: bool
) -> None:
    own = TAGS | {key: HOSTILE[text]}
    world = failed(tags=own, environment=ENVIRONMENT if fixed else {})
    results = [taken(world, forged(world, {"Tags": own})) for _ in range(3)]
    contradicts = fixed and key != tags.CHECKPOINT_TAG
    first = Reason.TAGS_CONTRADICT_LAUNCH if contradicts else Reason.TAGS_INVALID
    assert [one.reason for one in results] == [first, *[Reason.ALREADY_DECIDED] * 2]
    assert [one.reason for one in world.topic.published] == [first]
    assert (world.wandb.asked, world.sagemaker.requests) == ([], [])


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_tag_holds_a_message_is_one_line_of_the_log(text: str) -> None:
    own = TAGS | {"note": HOSTILE[text], HOSTILE[text][:100]: "x"}
    world = failed(f"{GPU}\n{HOSTILE[text]}", own)
    result = taken(world, forged(world, {"Tags": own}, id=HOSTILE[text]))
    (line,) = result.logged()
    assert line["event_id"] == "unknown"
    assert HOSTILE[text] not in json.dumps(result.lines, ensure_ascii=False)


@pytest.mark.parametrize("key", OWN_KEYS)
@pytest.mark.parametrize("text", ["resilience:attempt=1", "new", "yes", "v0", "99"])
def test_no_tag_that_a_job_may_write_on_itself_gives_it_another_budget(key: str, text: str) -> None:
    world = failed()
    taken(world, honest(world))
    dies(world, SUCCESSOR)
    world.sagemaker.add_tags(world.sagemaker.arn(SUCCESSOR), {key: text})
    before = lineage_of(world, SUCCESSOR)
    result = taken(world, honest(world, SUCCESSOR))
    assert isinstance(result.outcome, Decision)
    assert result.outcome.facts.lineage == before
    if "night-1-r3" in world.sagemaker.names():
        after = lineage_of(world, "night-1-r3")
        assert after.attempt == before.attempt + 1
        assert sum(dict(after.ledger.ends).values()) == 2


@pytest.mark.parametrize(
    "cut", [tags.LEDGER, tags.CHECKPOINT, tags.CHECKPOINT_STEP, tags.ATTEMPT, tags.ROOT]
)
def test_a_lineage_tag_that_is_emptied_launches_nothing_under_the_lineages_name(cut: str) -> None:
    world = failed()
    taken(world, honest(world))
    dies(world, SUCCESSOR)
    world.sagemaker.add_tags(world.sagemaker.arn(SUCCESSOR), {cut: ""})
    taken(world, honest(world, SUCCESSOR))
    assert "night-1-r3" not in world.sagemaker.names()


@pytest.mark.parametrize("root", ["another-job", "night-1-r2", "../night-1", "night-1\n"])
def test_a_job_cannot_pass_for_another_lineages(root: str) -> None:
    own = TAGS | {
        tags.ROOT: root,
        tags.ATTEMPT: "2",
        tags.PARENT: root,
        tags.CHECKPOINT: "v0",
        tags.CHECKPOINT_STEP: "1",
        tags.LEDGER: "new",
    }
    world = failed(tags=own)
    taken(world, honest(world))
    assert set(world.sagemaker.names()) <= {JOB, SUCCESSOR}
    assert (world.sagemaker.tags(SUCCESSOR) or {}).get(tags.ROOT) == JOB
    assert lineage_of(world, SUCCESSOR).root == JOB


# --- messages that lie


CLAIMS: dict[str, object] = {
    "FailureReason": "AlgorithmError: ExecuteUserScriptError",
    "Tags": TAGS | {tags.MODE: "act", "resilience:max-jobs": "99", tags.LEDGER: ""},
    "RoleArn": "arn:aws:iam::111122223333:role/admin",
    "AlgorithmSpecification": {"TrainingImage": "elsewhere/miner", "TrainingInputMode": "File"},
    "Environment": {"LD_PRELOAD": "/tmp/x.so"},  # noqa: S108 - a claim that is not believed
    "HyperParameters": {"epochs": "1000000"},
    "ResourceConfig": {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 64},
    "StoppingCondition": {"MaxRuntimeInSeconds": 432_000},
    "SecondaryStatusTransitions": [{"StatusMessage": "CapacityError"}],
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_message_claims_of_a_job_is_not_in_its_successor(claim: str) -> None:
    told_truly, told_a_lie = failed(), failed()
    taken(told_truly, honest(told_truly))
    taken(told_a_lie, forged(told_a_lie, {claim: CLAIMS[claim]}))
    assert told_a_lie.sagemaker.requests == told_truly.sagemaker.requests
    assert told_a_lie.sagemaker.tags(JOB) == told_truly.sagemaker.tags(JOB)


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Completed"])
def test_a_message_cannot_end_a_job_that_runs(status: str) -> None:
    world = trained()
    result = taken(world, forged(world, {"TrainingJobStatus": status, "Tags": TAGS}))
    assert result.reason is Reason.NOT_ENDED
    assert untouched(world)


def test_a_message_about_a_job_that_nobody_has_is_passed_by() -> None:
    world = failed()
    body = forged(world, {"TrainingJobName": "no-such-job", "Tags": TAGS})
    assert taken(world, body).reason is Reason.JOB_NOT_FOUND
    assert untouched(world)


def test_a_flood_of_one_message_launches_once_and_tells_once() -> None:
    world = failed()
    reasons = {taken(world, forged(world, {"n": number})).reason for number in range(50)}
    assert reasons == {Reason.RESUMED_FROM_CHECKPOINT, Reason.ALREADY_DECIDED}
    assert len(world.sagemaker.requests) == len(world.topic.published) == 1


WHERE = ["TrainingJobArn", "TrainingJobName", "TrainingJobStatus", "Tags", "other"]


@pytest.mark.parametrize("where", WHERE)
def test_no_depth_of_a_message_breaks_the_function(where: str) -> None:
    """Also just below the depth at which the parser gives up, where what comes after it could."""
    world = trained()
    for depth in (10, *range(850, 1000, 3), 5000, 200_000):
        nested = "[" * depth + "]" * depth
        body = forged(world, {where: "deep"}).replace('"deep"', nested)
        outcome = events.parse(body, account=world.account, region=world.region)
        assert isinstance(outcome, events.Hint | events.Malformed)


@pytest.mark.parametrize("size", [1 << 18, 1 << 20])
@pytest.mark.parametrize("where", ["Tags", "TrainingJobName", "id"])
def test_no_size_of_a_message_reaches_the_log(where: str, size: int) -> None:
    world = failed()
    huge = "x" * size
    value: object = {"owner": huge} if where == "Tags" else huge
    body = forged(world, {} if where == "id" else {where: value})
    if where == "id":
        body = json.dumps(json.loads(body) | {"id": huge})
    result = taken(world, body)
    assert len(json.dumps(result.lines)) < 16_384


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800"',
        "NaN",
        "1e999",
        "-0",
        "9" * 4000,
        '"\\u0000"',
        "true",
        '{"Key": {"Key": []}}',
        '[{"Key": ["a"], "Value": {"b": 1}}, [], null, {"Key": null}]',
    ],
)
@pytest.mark.parametrize("where", WHERE)
def test_strange_values_are_read_or_set_aside(where: str, text: str) -> None:
    world = failed()
    body = forged(world, {where: "strange"}).replace('"strange"', text)
    result = taken(world, body)
    assert result.reason in {Reason.RESUMED_FROM_CHECKPOINT, Reason.MESSAGE_MALFORMED}
    assert len(result.logged()) == 1


def test_a_field_that_is_told_twice_is_one_hint_and_no_more() -> None:
    world = failed()
    body = honest(world)[:-1] + f',"account":"{world.account}","detail":{{"TrainingJobName":"x"}}}}'
    assert taken(world, body).reason is Reason.JOB_NOT_FOUND


@given(
    st.dictionaries(
        st.sampled_from(
            [*TAGS, *tags.OF_EVERY_SUCCESSOR, *tags.OF_THE_DECIDED, tags.MODE, "owner"]
        ),
        st.text(max_size=40) | st.sampled_from(["1", "2", "v0", "WAIT", "RELAUNCH", "act", "yes"]),
    )
)
def test_whatever_the_tags_are_at_most_one_job_is_created_and_it_counts(
    own: dict[str, str],
) -> None:
    world = failed(tags=TAGS | own)
    taken(world, honest(world))
    created = world.sagemaker.requests
    assert len(created) <= 1
    for request in created:
        name, written = str(request["TrainingJobName"]), tags.read(request["Tags"]) or {}
        assert written[tags.PARENT] == JOB
        assert lineage_of(world, name).attempt > 1
        assert sum(dict(lineage_of(world, name).ledger.ends).values()) >= 1


# --- what may not be relaunched


ACCOUNT = "111122223333"
NOT_ALLOWED_IMAGES = {
    "another registry": "elsewhere.example/miner:1",
    "another account": "999988887777.dkr.ecr.us-east-1.amazonaws.com/training:1",
    "a registry that begins alike": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com.evil.example/a:1",
    "ours, in the path": f"elsewhere.example/{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/a:1",
    "a star over the slash": f"{ACCOUNT}.dkr.ecr.evil.example/x.amazonaws.com/a:1",
    "a line break": f"evil\n{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/a:1",
    "another case": f"{ACCOUNT}.DKR.ECR.us-east-1.amazonaws.com/a:1",
    "empty registry": f"/{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/a:1",
}


def ended_with(**members: object) -> InMemoryWorld:
    own = members.pop("tags", TAGS)
    assert isinstance(own, dict)
    world = trained()
    world.sagemaker.put(JOB, described_job(world) | members, own)
    world.sagemaker.end(JOB, "Failed", "Failed", GPU)
    return world


@pytest.mark.parametrize("image", NOT_ALLOWED_IMAGES)
def test_a_job_of_another_image_stops(image: str) -> None:
    algorithm = {"TrainingImage": NOT_ALLOWED_IMAGES[image], "TrainingInputMode": "File"}
    world = ended_with(AlgorithmSpecification=algorithm)
    assert taken(world, honest(world)).reason is Reason.IMAGE_NOT_ALLOWED
    assert (world.sagemaker.requests, world.wandb.asked) == ([], [])


@pytest.mark.parametrize("member", ["DebugRuleConfigurations", "ProfilerRuleConfigurations"])
def test_a_rule_that_is_kept_may_not_bring_another_image(member: str) -> None:
    rule = {"RuleConfigurationName": "r", "RuleEvaluatorImage": "elsewhere.example/miner:1"}
    keep = TAGS | {tags.DEBUG_RULES: "keep"}
    world = ended_with(tags=keep, **{member: [rule]})
    assert taken(world, honest(world)).reason is Reason.IMAGE_NOT_ALLOWED
    assert world.sagemaker.requests == []
    dropped = ended_with(**{member: [rule]})
    assert taken(dropped, honest(dropped)).reason is Reason.RESUMED_FROM_CHECKPOINT
    assert "miner" not in repr(dropped.sagemaker.requests)


def test_a_rule_of_an_image_that_is_allowed_is_kept() -> None:
    image = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/rules:1"
    rule = {"RuleConfigurationName": "r", "RuleEvaluatorImage": image}
    keep = TAGS | {tags.DEBUG_RULES: "keep"}
    world = ended_with(tags=keep, DebugRuleConfigurations=[rule])
    taken(world, honest(world))
    assert world.sagemaker.requests[0]["DebugRuleConfigurations"] == [rule]


@pytest.mark.parametrize(
    "role",
    [
        f"arn:aws:iam::{ACCOUNT}:role/admin",
        f"arn:aws:iam::{ACCOUNT}:role/TrainingRole2",
        f"arn:aws:iam::{ACCOUNT}:role/trainingrole",
        "arn:aws:iam::999988887777:role/TrainingRole",
        f" arn:aws:iam::{ACCOUNT}:role/TrainingRole",
    ],
)
def test_a_job_of_another_role_stops(role: str) -> None:
    world = ended_with(RoleArn=role)
    assert taken(world, honest(world)).reason is Reason.ROLE_NOT_ALLOWED
    assert (world.sagemaker.requests, world.wandb.asked) == ([], [])


@pytest.mark.parametrize(
    ("entity", "project"),
    [("other", "vision"), ("example-team2", "x"), ("Example-Team", "x"), ("xexample-team", "x")],
)
def test_of_a_project_that_is_not_allowed_wandb_is_asked_nothing(entity: str, project: str) -> None:
    own = TAGS | {tags.ENTITY: entity, tags.PROJECT: project}
    world = failed(tags=own, environment={})
    result = taken(world, forged(world, {"Tags": own}))
    assert result.reason is Reason.PROJECT_NOT_ALLOWED
    assert world.wandb.asked == []
    assert untouched(world)


def test_a_message_cannot_have_wandb_asked_of_a_project_that_is_not_allowed() -> None:
    world = failed()
    taken(world, forged(world, {"Tags": TAGS | {tags.ENTITY: "other"}}))
    assert {one.entity for one in world.wandb.asked} == {"example-team"}


# --- names of jobs


@pytest.mark.parametrize("name", ["a", "0", "a--b", "A" * 63, "x-r2", "x-r999999", "r-1"])
def test_a_job_of_any_name_that_sagemaker_takes_is_the_root_of_its_own_lineage(name: str) -> None:
    world = failed()
    world.sagemaker.put(name, described_job(world), TAGS)
    result = taken(world, honest(world, name))
    assert isinstance(result.outcome, Decision)
    assert result.outcome.verdict is Verdict.RELAUNCH
    (request,) = world.sagemaker.requests
    assert request["TrainingJobName"] == naming.successor_name(name, 2)
    assert (tags.read(request["Tags"]) or {})[tags.ROOT] == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a_b", "a/b", "..", "a b", "a\n", "A" * 64, "ä", "a\u0000", "night-1*"]
)
@pytest.mark.parametrize("of", ["TrainingJobName", "TrainingJobArn"])
def test_a_name_that_sagemaker_would_not_take_is_never_asked_for(name: str, of: str) -> None:
    world = failed()
    arn = f"arn:aws:sagemaker:{world.region}:{world.account}:training-job/{name}"
    detail = {"TrainingJobName": name, of: name if of == "TrainingJobName" else arn}
    assert taken(world, forged(world, detail)).reason is Reason.MESSAGE_MALFORMED
    assert untouched(world)


# --- artifacts


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with deployed_scene(monkeypatch) as made:
        made.end()
        yield made


VERSION: dict[str, object] = {"state": "COMMITTED", "digest": "d", "versionIndex": 9, "aliases": []}
OWN = {"createdBy": {"name": "night-1"}}
DEEP = "[" * 100_000
STRANGE: dict[str, dict[str, object]] = {
    "deep metadata": {**OWN, "metadata": '{"step": ' + DEEP},
    "metadata of another kind": {**OWN, "metadata": '["step"]'},
    "a step beyond all": {**OWN, "metadata": '{"step": 1e999}'},
    "no number": {**OWN, "metadata": '{"step": NaN}'},
    "a step below all": {**OWN, "metadata": '{"step": -1}'},
    "a step in words": {**OWN, "metadata": '{"step": "$(id)"}'},
    "4,000 digits": {**OWN, "metadata": '{"step": ' + "9" * 4000 + "}"},
    "more digits than Python reads": {**OWN, "metadata": '{"step": ' + "9" * 9000 + "}"},
    "another run": {"createdBy": {"name": "other"}, "metadata": '{"step": 900}'},
    "a run that is no name": {"createdBy": {"name": "night-1\n"}, "metadata": '{"step": 900}'},
    "no run": {"createdBy": None, "metadata": '{"step": 900}'},
    "a digest that is none": {**OWN, "metadata": '{"step": 900}', "digest": "d\nLD_PRELOAD=x"},
    "a digest without end": {**OWN, "metadata": '{"step": 900}', "digest": "d" * 600},
    "excluded": {**OWN, "metadata": '{"step": 900}', "aliases": [{"alias": "suspect"}]},
    "a number that is none": {**OWN, "metadata": '{"step": 900}', "versionIndex": "$(id)"},
    "no version number": {**OWN, "metadata": '{"step": 900}', "versionIndex": None},
    "aliases of another kind": {**OWN, "metadata": '{"step": 900}', "aliases": 7},
    "a store that nobody allows": {**OWN, "metadata": '{"step": 900, "store": "s3://evil/x/"}'},
    "a store by a way out": {
        **OWN,
        "metadata": '{"step": 900, "store": "s3://ours/x/../../evil/"}',
    },
    "a store of another kind": {**OWN, "metadata": '{"step": 900, "store": ["s3://ours/x/"]}'},
    "an empty store": {**OWN, "metadata": '{"step": 900, "store": ""}'},
    "a maker of another kind": {"metadata": '{"step": 900}', "createdBy": "night-1"},
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_version_is_not_resumed_from_and_hides_no_good_one(
    strange: str, scene: Scene
) -> None:
    scene.wire.more_versions = ({**VERSION, **STRANGE[strange]},)
    run(scene)
    assert scene.reason == "resumed_from_checkpoint"
    (request,) = scene.world.sagemaker.requests
    environment = request["Environment"]
    assert isinstance(environment, dict)
    assert environment["RESILIENCE_CHECKPOINT"] == "example-team/vision/model-night-1:v1"
    assert not [value for value in environment.values() if "LD_PRELOAD" in value]


def test_an_upload_that_has_not_ended_is_waited_for_and_never_resumed_from(scene: Scene) -> None:
    pending = {**VERSION, **OWN, "metadata": '{"step": 900}', "state": "PENDING"}
    scene.wire.more_versions = (pending,)
    run(scene)
    assert scene.reason == "upload_pending"
    assert scene.world.sagemaker.requests == []


@pytest.mark.parametrize(
    "key", ["ключ" * 10, "k" * 20 + "\n" + "k" * 20, '{"WANDB_API_KEY": "a b"}']
)
def test_a_key_that_was_stored_damaged_waits_and_notifies_instead_of_dead_lettering_all(
    key: str, scene: Scene
) -> None:
    scene.wire.wandb_key = key
    run(scene)
    assert scene.reason == "wandb_refused"
    assert scene.answer == {"batchItemFailures": []}
    assert scene.wire.bodies("wandb") == []
    assert len(scene.wire.bodies("Publish")) == 1
