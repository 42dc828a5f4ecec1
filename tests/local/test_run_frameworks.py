"""Frameworks as people use them, under `resilient-run` on one host: killed, resumed, compared.

The whole tree of processes is killed with -9. Another machine, with an empty disk, gets what the
controller would pin. Its end is compared with that of a training that nobody broke or wrapped.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.process_tree import descendants, freeze_below
from local.wandb_server import LocalWandb
from tests.local.stores import BUCKET, LocalS3, versioned_bucket
from tests.local.training_process import Training, running
from tests.local.wrapped_training import (
    SCRIPTS,
    TRAINING,
    Lineage,
    Version,
    files_of,
    sha256_of,
    until,
)

# `make frameworks` installs there what no other command needs.
EXTRA = Path(__file__).parents[2] / "build" / "frameworks"
needs_extra = pytest.mark.skipif(not EXTRA.is_dir(), reason="make frameworks installs it")
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node=2")


@dataclass(frozen=True)
class Case:
    """A script of a framework.

    Attributes:
        options: Of the wrapper.
        saved: The step that is committed before it hangs, and is killed.
        model: What it leaves at its end.
    """

    launcher: tuple[str, ...]
    script: str
    arguments: tuple[str, ...]
    saved: int
    hangs_at: int
    model: str
    options: tuple[str, ...] = ()
    parent: str = "out"

    @property
    def command(self) -> tuple[str, ...]:
        return (*self.launcher, str(SCRIPTS / self.script), *self.arguments)


@dataclass(frozen=True)
class Machines:
    """Each name is a machine of its own: a folder."""

    wandb: LocalWandb
    s3: LocalS3
    folder: Path

    def lineage(self, run: str) -> Lineage:
        return Lineage(self.wandb, "frameworks", run)

    @contextmanager
    def started(
        self, name: str, words: tuple[str, ...], environment: Mapping[str, str]
    ) -> Iterator[Training]:
        (self.folder / name).mkdir()
        given = {
            **self.wandb.environment(self.folder / name),
            **self.s3.environment,
            "KERAS_BACKEND": "torch",
            "DS_ACCELERATOR": "cpu",
            "PYTHONPATH": os.pathsep.join(map(str, (TRAINING, EXTRA))),
            # Else each process takes all cores, and sums in another order.
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        with running(words, self.folder / name / "log.txt", given) as training:
            try:
                yield training
            finally:
                kill_all(training)

    def ended(self, name: str, words: tuple[str, ...], environment: Mapping[str, str]) -> str:
        """Run to its end, which has to be good; gives its log."""
        with self.started(name, words, environment) as training:
            assert training.end() == 0, training.log
            return training.log


def kill_all(training: Training) -> None:
    """What a machine's end does to its processes; they are in sessions of their own."""
    if training.process.poll() is not None:
        return
    freeze_below(training.process.pid, 0.05)
    for pid in [training.process.pid, *descendants(training.process.pid)]:
        os.kill(pid, signal.SIGKILL)
    training.process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("machines")
    with LocalWandb.start(folder / "wandb") as wandb, versioned_bucket() as s3:
        yield Machines(wandb, s3, folder)


def wrapped(case: Case, *options: str) -> tuple[str, ...]:
    wrapper = (
        "-m",
        "resilient_training.run",
        "--checkpoints",
        case.parent,
        *case.options,
        *options,
    )
    return (*wrapper, "--", sys.executable, *case.command)


def broken(machines: Machines, name: str, case: Case, *options: str) -> Version:
    """Run until the checkpoint of step `saved` is committed, and kill it; gives its version."""
    lineage = machines.lineage(name)
    hangs = {"HANGS_AT": str(case.hangs_at), **lineage.environment()}
    with machines.started(f"{name}-1", wrapped(case, *options), hangs) as training:
        until(
            lambda: case.saved in lineage.steps(),
            lambda: training.log,
            lambda: training.process.poll() is None,
        )
        kill_all(training)
    newest = lineage.versions()[-1]
    assert newest.step == case.saved, training.log
    return newest


def resumed(
    machines: Machines, name: str, case: Case, version: Version, *options: str
) -> tuple[str, str]:
    """Run on another machine to the end; gives the log, and the sha256 of what it left."""
    pinned = machines.lineage(name).pinned(version, name)
    log = machines.ended(f"{name}-2", wrapped(case, *options), pinned)
    assert f"resuming from {version.name} in " in log
    return log, sha256_of(machines.folder / f"{name}-2" / case.model)


def whole(machines: Machines, name: str, case: Case) -> str:
    machines.ended(f"{name}-whole", case.command, {})
    return sha256_of(machines.folder / f"{name}-whole" / case.model)


def test_fsdp2_with_torch_distributed_checkpoint_and_a_store(machines: Machines) -> None:
    case = Case(TORCHRUN, "train_with_fsdp.py", ("out",), 8, 10, "model.pt")
    # `auto` takes a folder step-N for torchtitan's: the test on two hosts has that.
    store = ("--layout", "dcp", "--store", f"s3://{BUCKET}/fsdp")
    version = broken(machines, "fsdp", case, *store)
    assert version.metadata["layout"] == "dcp"
    files = files_of(machines.lineage("fsdp"), version, machines.s3.client)
    assert sorted(files) == [".metadata", "__0_0.distcp", "__1_0.distcp"]
    log, model = resumed(machines, "fsdp", case, version, *store)
    assert log.count("begins at step 8") == 2
    assert model == whole(machines, "fsdp", case)
    assert machines.lineage("fsdp").versions()[-1].step == 16


_ROWS = """query($run: String!) { project(entityName: "local", name: "frameworks") {
  run(name: $run) { state historyLineCount } } }"""


@pytest.mark.long
def test_transformers_trainer_that_logs_to_w_and_b_by_itself(machines: Machines) -> None:
    words = (
        "--output_dir out --save_steps 3 --save_total_limit 2 --max_steps 12 --logging_steps 1"
        " --per_device_train_batch_size 2 --use_cpu true --ddp_backend gloo --disable_tqdm true"
        " --report_to wandb"
    )
    script, model = "train_with_trainer.py", "out/model.safetensors"
    case = Case(TORCHRUN, script, tuple(words.split()), 9, 22, model)
    version = broken(machines, "trainer", case)
    _, model = resumed(machines, "trainer", case, version)
    alone = {"WANDB_PROJECT": "frameworks", "WANDB_RUN_ID": "trainer-alone"}
    machines.ended("trainer-whole", case.command, alone)
    assert model == sha256_of(machines.folder / "trainer-whole" / case.model)
    lines = {
        run: machines.wandb.graphql(_ROWS, run=run)["project"]["run"]
        for run in ("trainer", "trainer-alone", "trainer-checkpoints")
    }
    assert {run: line["state"] for run, line in lines.items()} == dict.fromkeys(lines, "finished")
    assert lines["trainer-checkpoints"]["historyLineCount"] == 0
    # What the client of the first attempt held back is gone with it; the second has added to it.
    assert lines["trainer"]["historyLineCount"] > 0


@pytest.mark.long
def test_lightnings_own_model_checkpoint_and_its_word_last(machines: Machines) -> None:
    options = ("--resume-args", "")  # the script says ckpt_path="last"
    case = Case((), "train_with_lightning.py", (), 8, 10, "model.pt", options)
    version = broken(machines, "lightning", case)
    log, model = resumed(machines, "lightning", case, version)
    assert "begins at step 8\n" in log
    assert model == whole(machines, "lightning", case)


@pytest.mark.long
def test_accelerate_with_automatic_names(machines: Machines) -> None:
    """The number in the name counts saves: the second one is checkpoint_1."""
    where = "out/checkpoints"
    case = Case(TORCHRUN, "train_with_accelerate.py", (), 1, 2, "model.pt", parent=where)
    version = broken(machines, "accelerate", case)
    log, model = resumed(machines, "accelerate", case, version)
    assert log.count("begins at epoch 2") == 2
    assert model == whole(machines, "accelerate", case)
    assert machines.lineage("accelerate").versions()[-1].step > case.saved


@needs_extra
@pytest.mark.long
def test_deepspeed_with_its_optimizer_in_parts(machines: Machines) -> None:
    case = Case(TORCHRUN, "train_with_deepspeed.py", (), 8, 10, "model.pt")
    version = broken(machines, "deepspeed", case)
    log, model = resumed(machines, "deepspeed", case, version)
    assert log.count("begins at step 8") == 2
    assert model == whole(machines, "deepspeed", case)
    assert machines.lineage("deepspeed").versions()[-1].step == 16


@needs_extra
@pytest.mark.long
def test_keras_with_its_own_backup(machines: Machines) -> None:
    case = Case((), "train_with_keras.py", (), 2, 2, "model.npy")
    version = broken(machines, "keras", case)
    log, model = resumed(machines, "keras", case, version)
    epochs = [line for line in log.splitlines() if line.startswith("epoch ")]
    assert epochs == ["epoch 2", "epoch 3"]
    assert model == whole(machines, "keras", case)
