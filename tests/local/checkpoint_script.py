"""Scripts that commit and restore checkpoints, with the real SDKs, in processes of their own."""

import hashlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.wandb_server import LocalWandb
from tests.local.training_process import own_environment

TRAINING = Path(__file__).parents[2] / "training"
PATIENCE = 240.0  # of a machine that does much else besides
TOKEN = "0123456789abcdef" * 2
JOB = "night-r2"
RUN = "x"

# What every script finds. `given` is what its test gives it.
PRELUDE = """
import json, pathlib, sys
from dataclasses import dataclass, field
import wandb
from resilient_training.job import CheckpointLoadError, job_from
from resilient_training.run.commit import Commits, Pinned
from resilient_training.run.delivery import Delivery
from resilient_training.run.place import place_from
from resilient_training.run.restore import Destination, restore, restore_pinned
from resilient_training.run.run_of_checkpoints import begin_run
from resilient_training.run.store import S3Store, s3_client
given = json.loads(sys.argv[1])
def answer(value):
    print("answer: " + json.dumps(value) + "\\n", end="", flush=True)
@dataclass(frozen=True)
class Taken:
    folder: pathlib.Path
    name: str = "checkpoint-15"
    step: int = 15
    layout: str = "huggingface"
    elsewhere: dict = field(default_factory=dict)
    def change(self):
        return None
    @property
    def files(self):
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.stat().st_size for path in found}
def store():
    return S3Store(s3_client(None), place_from(given["store"])) if given["store"] else None
def job(**environment):
    return job_from({"TRAINING_JOB_NAME": given["job"], **environment})
def run():
    return begin_run(given["run"], project=given["project"])
def commit(run, folder="made", name="checkpoint-15", step=15, **of_job):
    delivery = Delivery(Commits(run, job(**of_job)), store(), processes=2)
    return delivery.commit(Taken(pathlib.Path(folder), name, step))
def artifact(version):
    return wandb.Api().artifact(f"local/{given['project']}/model-{given['run']}:{version}")
def pinned(version, **more):
    held = artifact(version)
    return {
        "RESILIENCE_ROOT": "night",
        "RESILIENCE_CHECKPOINT": f"local/{given['project']}/model-{given['run']}:{version}",
        "RESILIENCE_CHECKPOINT_DIGEST": held.digest,
        "RESILIENCE_CHECKPOINT_STEP": "15",
        **more,
    }
def restored(run, parent, **environment):
    where = Destination(pathlib.Path(parent))
    made = job(**environment)
    try:
        found = restore(made, Commits(run, made), store(), where)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    except CheckpointLoadError as error:
        return f"CheckpointLoadError: {error}"
    return None if found is None else [found.version, found.step, str(found.folder)]
"""


@dataclass(frozen=True)
class Scripts:
    """Scripts of one project; `store` is where they keep bytes, empty: in W&B."""

    server: LocalWandb
    aws: Mapping[str, str]
    folder: Path
    project: str
    store: str = ""

    def answers(self, script: str, **given: object) -> list[Any]:
        """Run a script to its end, which has to be good; gives what it answered."""
        words = {"project": self.project, "run": RUN, "job": JOB, "token": TOKEN}
        words["store"] = self.store
        ended = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(script), json.dumps(words | given)],
            cwd=self.folder,
            env={
                **own_environment(),
                **self.server.environment(self.folder),
                **self.aws,
                "PYTHONPATH": str(TRAINING),
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert ended.returncode == 0, ended.stderr
        lines = ended.stdout.splitlines()
        said = [line.removeprefix("answer: ") for line in lines if line.startswith("answer: ")]
        return [json.loads(line) for line in said]


def project_of(test: str) -> str:
    return f"project-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
