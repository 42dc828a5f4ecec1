"""Trainings as people write them, broken and resumed: a part of `make same` that fits."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_resumed_training_is_the_same_or_says_so() -> None:
    command = [sys.executable, "-m", "proofs.same", "--quick", "--page", ""]
    found = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=900
    )
    assert found.returncode == 0, found.stdout
