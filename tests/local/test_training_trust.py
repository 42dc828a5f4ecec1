"""What a stranger in the same W&B project can do to the resume of a training: nothing.

The real SDK and a W&B server. A stranger logs to the victim's collection, with a run of their own,
whatever metadata they like; names and collections are theirs to move.
"""

import hashlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from resilient_training.checkpoints.seal import seal_of
from tests.local.training_process import own_environment

TRAINING = Path(__file__).parents[2] / "training"
TOKEN = "0123456789abcdef" * 2
JOB = "night-r2"

# What every script finds: `given`, `log` as somebody's run, `answer(value)`.
PRELUDE = """
import hashlib, json, pathlib, sys
import wandb
from resilient_training.checkpoints.artifacts import RunCheckpoints
from resilient_training.job import CheckpointLoadError, job_from
from resilient_training.checkpoints.resume import resume_point
given = json.loads(sys.argv[1])
def answer(value):
    print("answer: " + json.dumps(value), flush=True)
def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()
def log(run, text, **metadata):
    pathlib.Path("weights").write_text(text)
    artifact = wandb.Artifact("model-victim", "model", metadata=metadata)
    artifact.add_file("weights", "model.ckpt")
    return run.log_artifact(artifact).wait().digest
def refer(run, to):
    artifact = wandb.Artifact("model-victim", "model", metadata={"step": 10})
    artifact.add_reference(to, "model.ckpt", checksum=False)
    return run.log_artifact(artifact).wait().digest
def on_a_laptop(run, folder):
    return resumed(run, folder, TRAINING_JOB_NAME="")
def resumed(run, folder, **environment):
    where = pathlib.Path(folder)
    job = job_from({"TRAINING_JOB_NAME": given["job"], **environment})
    try:
        point = resume_point(job, RunCheckpoints(run, job), where, try_load)
    except CheckpointLoadError as error:
        return str(error)
    return None if point is None else [point.version, point.path.read_text()]
def try_load(path):
    if path.read_text() == "cannot be loaded":
        raise ValueError("it cannot be loaded")
def pin(version, digest):
    return {
        "RESILIENCE_ROOT": "night",
        "RESILIENCE_CHECKPOINT": f"{run.entity}/{run.project}/model-victim:{version}",
        "RESILIENCE_CHECKPOINT_DIGEST": digest,
        "RESILIENCE_CHECKPOINT_STEP": "10",
    }
def victim():
    return wandb.init(project=given["project"], id="victim", resume="allow")
"""


@dataclass(frozen=True)
class Sdk:
    server: LocalWandb
    folder: Path
    project: str

    def answers(self, script: str, **given: str) -> list[Any]:
        words = {"project": self.project, "job": JOB, "token": TOKEN, **given}
        ended = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(script), json.dumps(words)],
            cwd=self.folder,
            env={
                **own_environment(),
                **self.server.environment(self.folder),
                "PYTHONPATH": str(TRAINING),
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        lines = ended.stdout.splitlines()
        said = [line.removeprefix("answer: ") for line in lines if line.startswith("answer: ")]
        return [json.loads(line) for line in said]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wandb")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[LocalWandb]:
    with LocalWandb.start(data) as running:
        yield running


@pytest.fixture
def sdk(server: LocalWandb, tmp_path: Path, request: pytest.FixtureRequest) -> Sdk:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    return Sdk(server, tmp_path, f"project-{name}")


def test_a_strangers_versions_replace_neither_the_pin_nor_the_jobs_own_newest(sdk: Sdk) -> None:
    seal = seal_of(TOKEN, JOB, 20, hashlib.sha256(b"own").hexdigest())
    script = """
    with victim() as run:
        pinned = log(run, "pinned", step=10, training_job="night", sha256=sha256("pinned"))
    with wandb.init(project=given["project"], id="stranger") as run:
        log(run, "theirs", step=900, training_job=given["job"], sha256=sha256("theirs"))
    token = {"RESILIENCE_COMPLETION_TOKEN": given["token"]}
    with victim() as run:
        answer(resumed(run, "a", **pin("v0", pinned)))
        answer(resumed(run, "b", **pin("v0", pinned), **token))
        answer(resumed(run, "c"))
        own = {"sha256": sha256("own"), "seal": given["seal"]}
        log(run, "own", step=20, training_job=given["job"], **own)
    with victim() as run:
        log(run, "as the run", step=800, training_job=given["job"], sha256=sha256("as the run"))
        answer(resumed(run, "d", **pin("v0", pinned), **token))
    stolen = wandb.Api().artifact(f"{run.entity}/{run.project}/model-victim:v0", type="model")
    stolen.metadata.update(step=900, training_job=given["job"])
    stolen.save()
    with victim() as run:
        answer(resumed(run, "e", RESILIENCE_LEDGER="seen=3"))
    """
    first, with_token, unpinned, restarted, edited = sdk.answers(script, seal=seal)
    assert first == with_token == ["v0", "pinned"]
    assert unpinned is None
    assert restarted == ["v2", "own"]
    assert edited is None


def test_a_name_that_means_another_artifact_by_the_download_is_refused(sdk: Sdk) -> None:
    script = """
    with victim() as run:
        digest = log(run, "pinned", step=10)
    job = job_from({"TRAINING_JOB_NAME": given["job"]})
    class Moving(RunCheckpoints):
        def version(self, pin):
            held = super().version(pin)
            collection = f"{run.entity}/{run.project}/model-victim"
            wandb.Api().artifact_collection("model", collection).delete()
            with wandb.init(project=given["project"], id="stranger") as other:
                log(other, "theirs", step=10)
            return held
    RunCheckpoints = Moving
    with victim() as run:
        answer(resumed(run, "a", **pin("v0", digest)))
    """
    (refused,) = sdk.answers(script)
    assert isinstance(refused, str)
    assert refused.startswith("v0: ")


def test_a_file_that_is_not_the_one_in_the_manifest_is_refused_as_it_lands(
    sdk: Sdk, data: Path
) -> None:
    md5 = hashlib.md5(b"pinned", usedforsecurity=False).hexdigest()
    script = """
    with victim() as run:
        if given["digest"]:
            answer(resumed(run, given["into"], **pin("v0", given["digest"])))
        else:
            answer(log(run, "pinned", step=10))
    """
    (digest,) = sdk.answers(script, digest="")
    (blob,) = data.rglob(md5)
    for theirs, why in ((b"theirs", "has the digest"), (b"longer ones", "has 11 bytes, its")):
        blob.write_bytes(theirs)
        (refused,) = sdk.answers(script, digest=digest, into=why[:8])
        assert f"v0: model.ckpt {why}" in refused


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"fetched")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/metadata", asked
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def test_a_reference_inside_an_artifact_is_refused_and_nobody_is_asked_for_it(sdk: Sdk) -> None:
    secret = sdk.folder / "secret"
    secret.write_text("of the machine")
    script = """
    with victim() as run:
        local = refer(run, given["file"])
        web = refer(run, given["http"])
    answer("logged")
    with victim() as run:
        answer(resumed(run, "a", **pin("v0", local)))
        answer(resumed(run, "b", **pin("v1", web)))
    """
    with listener() as (address, asked):
        _, of_file, of_web = sdk.answers(script, file=f"file://{secret}", http=address)
    assert of_file == f"v0: model.ckpt is a reference to file://{secret}"
    assert of_web == f"v1: model.ckpt is a reference to {address}"
    assert asked == []
    assert not list(sdk.folder.glob("[ab]/**/*.ckpt"))


def test_a_laptop_takes_up_what_lightnings_own_logger_and_transformers_left_in_the_collection(
    sdk: Sdk,
) -> None:
    script = """
    with victim() as run:
        log(run, "epoch 1", original_filename="epoch=1-step=20.ckpt", score=0.5)
        log(run, "epoch 0", original_filename="epoch=0-step=10.ckpt", score=0.4)
        pathlib.Path("checkpoint-30").mkdir()
        pathlib.Path("checkpoint-30/trainer_state.json").write_text("{}")
        folder = wandb.Artifact("model-victim", "model", metadata={"train/global_step": 28})
        folder.add_dir("checkpoint-30")
        run.log_artifact(folder, aliases=["checkpoint_global_step_30"]).wait()
        final = wandb.Artifact("model-victim", "model", metadata={"final_model": True, "step": 40})
        final.add_file("weights", "model.ckpt")
        run.log_artifact(final).wait()
    with victim() as run:
        answer(on_a_laptop(run, "a"))
    """
    assert sdk.answers(script) == [["v0", "epoch 1"]]


def test_on_a_laptop_versions_that_are_damaged_or_cannot_be_loaded_are_walked_back_from(
    sdk: Sdk,
) -> None:
    script = """
    with victim() as run:
        log(run, "good", step=10, sha256=sha256("good"))
        log(run, "cannot be loaded", step=20, sha256=sha256("cannot be loaded"))
        log(run, "damaged", step=30, sha256=sha256("whole"))
    with victim() as run:
        answer(on_a_laptop(run, "a"))
    """
    assert sdk.answers(script) == [["v0", "good"]]
