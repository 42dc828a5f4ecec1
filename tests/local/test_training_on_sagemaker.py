"""The launcher and the training against the local SageMaker, IAM enforced, and W&B."""

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launching.opt_in import COMPLETION
from launching.storage import Store, upload
from local.aws import LocalAws
from local.wandb_server import LocalWandb
from tests.local.training_process import own_environment

LAUNCH = Path(__file__).parents[2] / "training" / "launch.py"
PATIENCE = 240.0  # of a machine that does much else besides


@dataclass(frozen=True)
class Machine:
    aws: LocalAws
    wandb: LocalWandb
    folder: Path

    def launch(
        self, name: str, *options: str, errors: int = subprocess.STDOUT
    ) -> "subprocess.Popen[str]":
        environment = {
            **own_environment(),
            **self.aws.environment(),
            "WANDB_API_KEY": self.wandb.api_key,
            "WANDB_BASE_URL": self.wandb.url,
        }
        command = [sys.executable, str(LAUNCH), "--name", name, "--entity", "local", *options]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def launched(
        self, name: str, *options: str, errors: int = subprocess.STDOUT
    ) -> tuple[int, str]:
        with self.launch(name, *options, errors=errors) as process:
            output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.aws.client("sagemaker").describe_training_job(
            TrainingJobName=name
        )
        return found

    def tags(self, name: str) -> dict[str, str]:
        arn = self.describe(name)["TrainingJobArn"]
        found = self.aws.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def log(self, name: str) -> str:
        jobs = [job for job in self.aws.jobs()["jobs"] if job["name"] == name]
        folders = [Path(folder).parent for job in jobs for folder in job["directories"]]
        files = [folder / "log.txt" for folder in folders]
        return next((file.read_text() for file in files if file.is_file()), "")

    def until_said(self, name: str, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.log(name):
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.log(name)}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    with (
        LocalWandb.start(folder / "wandb") as wandb,
        LocalAws.start(folder / "aws") as aws,
    ):
        yield Machine(aws, wandb, folder)


@pytest.fixture(scope="module")
def trivial(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("source")
    (folder / "train.py").write_text("print('trained')\n")
    return str(folder)


@dataclass(frozen=True)
class Launch:
    """A job that several tests look at, and what its launch said."""

    name: str
    options: tuple[str, ...]
    dry: tuple[int, str]
    said: tuple[int, str]


@pytest.fixture(scope="module")
def once(machine: Machine, trivial: str) -> Launch:
    name, options = "once", ("--source", trivial, "--keep-alive", "60", "--tag", "team=vision")
    # The request alone is on standard output; what it means goes beside it.
    dry = machine.launched(name, *options, "--dry-run", errors=subprocess.PIPE)
    return Launch(name, options, dry, machine.launched(name, *options))


def test_a_training_whose_container_is_restarted_ends_completed_and_says_so(
    machine: Machine,
) -> None:
    """The whole contract on one job: secret, role, tags, resume inside the job, the true end."""
    slow = ["seconds-per-step=0.6", "epochs=2", "checkpoint-every-n-steps=7"]
    options = [part for value in slow for part in ("--hyperparameter", value)]
    with machine.launch("digits", "--wait", *options) as launcher:
        machine.until_said("digits", "of step 14 is committed")
        assert machine.tags("digits")["resilience:completed"] == "no"
        machine.aws.fault("repair", "digits")
        output, _ = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 0, output + machine.log("digits")
    # The container lives on until the repair comes: by then, v2 of step 21 may be there as well.
    assert re.search(r"resuming from v[1-9]\d* at step [1-9]\d+", machine.log("digits"))
    assert "tags could not be" not in machine.log("digits")
    assert machine.tags("digits") == {
        "WANDB_ENTITY": "local",
        "WANDB_PROJECT": "resilient-digits",
        "WANDB_CHECKPOINT_NAME": "model-digits",
        "WANDB_RUN_ID": "digits",
        "resilience:completed": proof_of(machine.describe("digits")),
    }
    assert machine.wandb.api_key not in str(machine.describe("digits")) + output


def proof_of(described: dict[str, Any]) -> str:
    """What only the job, and who may describe it, can write at its true end."""
    return hashlib.sha256(described["Environment"][COMPLETION].encode()).hexdigest()


LISTENER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("heard SIGTERM", flush=True) or 143))
print("listening step 3 train_loss=0.5", flush=True)
time.sleep(60)
"""


def test_a_stop_reaches_the_script_through_the_sdks_own_start_scripts(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(LISTENER)
    with machine.launch("stopped", "--source", str(tmp_path), "--wait") as launcher:
        machine.until_said("stopped", "\nlistening")
        machine.aws.client("sagemaker").stop_training_job(TrainingJobName="stopped")
        output, _ = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 1
    assert "heard SIGTERM" in machine.log("stopped")
    assert "Stopped Stopped step=3 train_loss=0.5" in output
    assert "see the job's tag resilience:verdict" in output


def test_what_a_dry_run_prints_is_what_is_sent(machine: Machine, once: Launch) -> None:
    assert (once.dry[0], once.said[0]) == (0, 0), once.said
    request, sent = json.loads(once.dry[1]), machine.describe(once.name)
    # The one thing that each launch draws anew: what was printed may be launched as it is, too.
    printed_token, token = (
        request["Environment"].pop(COMPLETION),
        sent["Environment"].pop(COMPLETION),
    )
    assert len(bytes.fromhex(printed_token)) == len(bytes.fromhex(token)) == 16
    assert printed_token != token
    assert machine.tags(once.name) == {one["Key"]: one["Value"] for one in request.pop("Tags")}
    assert {name: sent.get(name) for name in request} == request


def test_a_machine_that_grants_no_namespaces_runs_the_sdks_scripts_too(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(
        "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'weights').write_text('1')\n"
    )
    with (
        LocalAws.start(tmp_path / "aws", ["--no-namespaces"]) as aws,
        LocalWandb.start(tmp_path / "wandb") as wandb,
    ):
        plain = Machine(aws, wandb, tmp_path)
        code, output = plain.launched("plain", "--source", str(source), "--wait")
        log = plain.log("plain")
    assert code == 0, output + log
    assert "/opt/ml/model" not in log


def test_launching_the_same_job_again_is_no_second_job(machine: Machine, once: Launch) -> None:
    created = machine.describe(once.name)
    assert machine.launched(once.name, *once.options) == once.said
    assert machine.describe(once.name)["Environment"] == created["Environment"]
    assert machine.describe(once.name)["CreationTime"] == created["CreationTime"]


ATTACK = """
import os, urllib.parse, boto3
from botocore.exceptions import ClientError

place, victim = os.environ["PLACE"], os.environ["VICTIM"]
bucket, _, prefix = place.removeprefix("s3://").partition("/")
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
secrets = boto3.client("secretsmanager")

def tag(key):
    sagemaker.add_tags(ResourceArn=victim, Tags=[{"Key": key, "Value": "mine"}])

def put(key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"steal()")

attempts = {
    "write code": lambda: put(prefix + "train.py"),
    "write data": lambda: put(prefix.replace("/code/", "/data/") + "x"),
    "move its run": lambda: tag("WANDB_RUN_ID"),
    "move its project": lambda: tag("WANDB_PROJECT"),
    "raise its budget": lambda: tag("resilience:max-jobs"),
    "read its token": lambda: sagemaker.describe_training_job(
        TrainingJobName=victim.rpartition("/")[2]
    ),
    "read another key": lambda: secrets.get_secret_value(SecretId="resilience/wandb-api-key"),
    "read its own key": lambda: secrets.get_secret_value(
        SecretId=os.environ["WANDB_SECRET_NAME"]
    ),
    "write a checkpoint": lambda: put(prefix.partition("/code/")[0] + "/checkpoints/x"),
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(f"{name}: done")
    except ClientError as error:
        print(f"{name}: {error.response['Error']['Code']}")
"""


def test_a_training_reaches_neither_other_jobs_code_nor_what_they_are(
    machine: Machine, once: Launch, tmp_path: Path
) -> None:
    victim = machine.describe(once.name)
    channels = {one["ChannelName"]: one["DataSource"] for one in victim["InputDataConfig"]}
    code = channels["code"]["S3DataSource"]["S3Uri"]
    machine.aws.client("secretsmanager").create_secret(
        Name="resilience/wandb-api-key", SecretString="the controller's"
    )
    settled = f"import os\nos.environ.update(PLACE={code!r}, VICTIM={victim['TrainingJobArn']!r})\n"
    (tmp_path / "train.py").write_text(settled + ATTACK)
    result, output = machine.launched("attacker", "--source", str(tmp_path), "--wait")
    assert result == 0, output + machine.log("attacker")
    said = re.findall(
        r"^(\w[\w ]+): (done|AccessDenied\w*)$", machine.log("attacker"), re.MULTILINE
    )
    assert {name for name, outcome in said if outcome == "done"} == {
        "read its own key",
        "write a checkpoint",
    }
    assert len(said) == 9
    assert machine.launched(once.name, *once.options) == once.said


def test_a_launch_does_not_use_code_that_somebody_has_changed(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("print('mine')\n")
    assert machine.launched("first", "--source", str(tmp_path))[0] == 0
    inputs = machine.describe("first")["InputDataConfig"]
    places = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in inputs}
    bucket, _, prefix = places["code"].removeprefix("s3://").partition("/")
    machine.aws.client("s3").put_object(Bucket=bucket, Key=f"{prefix}train.py", Body=b"print('!!')")
    code, output = machine.launched("second", "--source", str(tmp_path))
    assert code == 2
    assert f"s3://{bucket}/{prefix}train.py is not what was uploaded" in output


def test_the_local_s3_keeps_the_checksums_that_the_launcher_compares(
    machine: Machine, tmp_path: Path
) -> None:
    s3 = machine.aws.client("s3")
    s3.create_bucket(Bucket="checksums")
    store = Store(s3, "123456789012", part=5 * 2**20)
    for size in (0, 1, 5 * 2**20, 5 * 2**20 + 1):
        file = tmp_path / "data"
        with file.open("wb") as data:
            data.truncate(size)
        assert upload(store, "checksums/data", str(file)) == upload(
            store, "checksums/data", str(file)
        )


def test_a_wandb_key_in_use_is_replaced_only_on_demand(machine: Machine, trivial: str) -> None:
    secrets = machine.aws.client("secretsmanager")
    secrets.create_secret(Name="shared", SecretString="another's")
    options = ("--source", trivial, "--secret-name", "shared", "--role-name", "shared")
    code, output = machine.launched("shared", *options)
    assert code == 2
    assert output.startswith("launch: secret shared holds another W&B key than yours")
    assert secrets.get_secret_value(SecretId="shared")["SecretString"] == "another's"
    assert machine.launched("shared", *options, "--replace-secret")[0] == 0
    assert secrets.get_secret_value(SecretId="shared")["SecretString"] == machine.wandb.api_key


def test_a_name_that_another_training_has_is_refused_with_one_clear_line(
    machine: Machine, once: Launch
) -> None:
    code, output = machine.launched(once.name, *once.options, "--hyperparameter", "seed=8")
    assert code == 2
    assert output == "launch: another training job is called once: give another --name\n"


def test_a_training_that_fails_makes_a_waiting_launcher_fail(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("raise SystemExit(3)\n")
    code, output = machine.launched("failing", "--source", str(tmp_path), "--wait")
    assert code == 1
    assert "Failed" in output
