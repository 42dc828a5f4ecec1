"""Real disks that are full, and what processes that died have left on them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resilient_training.checkpoints.files import HashedFile, remove_abandoned

SAVES = """
import sys
from pathlib import Path

import torch

from resilient_training.checkpoints.checkpointer import Checkpointer, SavePlan
from resilient_training.checkpoints.trial import Trial

class Store:
    stored = True

    def commit(self, saved):
        return True

    def uploaded_bytes(self):
        return None

Trial.loads = lambda *_: True
folder, *sizes = sys.argv[1:]
checkpoints = Checkpointer(SavePlan(Path(folder), keep=1), Store())
for step, size in enumerate(sizes, 1):
    state = {f"w{i}": torch.ones(int(size) * 25_000) for i in range(10)}
    checkpoints.save(step, 0, lambda: checkpoints.stage(state))
    try:
        checkpoints.drain()
    except OSError as error:
        print("raised", type(error).__name__, error)
print("left", *sorted(path.name.split("-")[1] for path in Path(folder).iterdir()))
"""
LIMIT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
"""


def output_of(*command: str) -> str:
    paths = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    ended = subprocess.run(
        command, env={**os.environ, **paths}, capture_output=True, text=True, check=True
    )
    return ended.stdout + ended.stderr


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0,
    reason="this machine lets nobody mount a small disk",
)
def test_a_full_disk_is_said_and_the_training_goes_on(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=8m none {tmp_path} && exec"
    script = [sys.executable, "-c", SAVES, str(tmp_path), "3", "9", "3"]
    said = output_of("unshare", "-rm", "sh", "-c", f'{mount} "$@"', "sh", *script)
    assert "raised" not in said
    assert "step 2 is not saved: [Errno 28] disk full: a checkpoint of 10,048,576" in said
    assert "left 3\n" in said


def test_a_disk_that_is_full_before_the_system_says_so_leaves_nothing_half(tmp_path: Path) -> None:
    script = [sys.executable, "-c", LIMIT + SAVES, str(tmp_path)]
    assert "raised DiskFullError [Errno 28] disk full" in output_of(*script, "5")
    assert list(tmp_path.iterdir()) == []
    said = output_of(*script, "3", "5")
    assert "step 2 is not saved: [Errno 28] disk full" in said
    assert "left 1\n" in said


def test_what_a_writer_that_died_left_unfinished_is_removed(tmp_path: Path) -> None:
    def make(name: str) -> Path:
        (tmp_path / name).write_bytes(b"half")
        long_ago = time.time() - 3600
        os.utime(tmp_path / name, (long_ago, long_ago))
        return tmp_path / name

    dead, other = make("checkpoint-1-ab.partial"), make("model.partial")
    (tmp_path / "checkpoint-2-young.partial").write_bytes(b"half")
    file = HashedFile(tmp_path / "checkpoint-3-cd.ckpt")
    os.utime(file.path, (0, 0))
    assert remove_abandoned(tmp_path) == [dead]
    file.write(b"whole")
    file.publish()
    assert other.exists()
    assert (tmp_path / "checkpoint-3-cd.ckpt").read_bytes() == b"whole"
