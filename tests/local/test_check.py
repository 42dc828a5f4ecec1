"""The check as a user calls it, on the trainings that users copy from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"


def check(folder: Path, *options: str, script: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(script)
    command = [sys.executable, "-m", "resilient_training.check", *options]
    return subprocess.run(
        [*command, "--", sys.executable, "train.py"],
        cwd=folder,
        env={"PYTHONPATH": str(TRAINING), "PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )


def loop(body: str) -> str:
    return f"""
import torch
from torch import nn
from resilient_training import resilient, seed_from
print("the script begins")
with resilient("x") as attempt:
    torch.manual_seed(1)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = attempt.resume(model=model, optimizer=optimizer)
    while step < 12:
        seed_from(1, step)
        {body}
        loss = model(torch.randn(4, 2)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        attempt.log({{"loss": loss.item()}}, step)
        attempt.after_step(step, 0)
"""


def test_a_training_that_resumes_exactly_after_sigterm_is_the_same(tmp_path: Path) -> None:
    found = check(tmp_path, "--steps", "5", "--sigterm-at", "3", "--json", script=loop(""))
    assert found.returncode == 0, found.stdout + found.stderr
    (told,) = [json.loads(line) for line in found.stdout.splitlines()]
    assert (told["break"], told["resumed_from"]) == ("SIGTERM at step 3", 4)
    assert told["verdict"] == "same"
    same = {part["name"]: part["same"] for part in told["parts"]}
    assert same["weights"] is same["optimizer"] is same["history"] is same["data order"] is True


@pytest.mark.long
def test_a_training_that_resumes_exactly_is_the_same_whichever_way_it_ends(tmp_path: Path) -> None:
    found = check(
        tmp_path, "--steps", "9", "--kill-at", "5", "--sigterm-at", "3", "--json", script=loop("")
    )
    assert found.returncode == 0, found.stdout + found.stderr
    told = [json.loads(line) for line in found.stdout.splitlines()]
    assert [one["break"] for one in told] == [
        "kill -9 right after the checkpoint of step 5",
        "kill -9 at step 5, 3 after a checkpoint",
        "SIGTERM at step 3",
    ]
    assert [one["resumed_from"] for one in told[:2]] == [5, 2]
    assert {one["verdict"] for one in told} == {"same"}


@pytest.mark.long
def test_randomness_of_a_process_is_a_silent_difference_and_the_first_step_is_named(
    tmp_path: Path,
) -> None:
    of_the_process = loop("calls = globals().get('calls', 0) + 1; torch.manual_seed(calls)")
    found = check(tmp_path, "--steps", "4", "--sigterm-at", "1", script=of_the_process)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "SILENTLY DIFFERENT" in found.stdout
    assert "data order        differs  first in step 3" in found.stdout
    assert "\x1b" not in found.stdout


@pytest.mark.long
def test_a_training_that_does_not_repeat_itself_cannot_be_checked(tmp_path: Path) -> None:
    by_chance = loop("import os; torch.manual_seed(int.from_bytes(os.urandom(4), 'big'))")
    found = check(tmp_path, "--steps", "5", "--kill-at", "1", script=by_chance)
    assert found.returncode == 3
    assert "two unbroken trainings differ already" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_training_that_breaks_by_itself_cannot_be_checked_and_its_last_lines_are_shown(
    tmp_path: Path,
) -> None:
    found = check(tmp_path, script="print('the script begins')\nraise SystemExit('no data')")
    assert found.returncode == 3
    assert "unbroken, it ended with 1:\nthe script begins\nno data" in found.stderr
