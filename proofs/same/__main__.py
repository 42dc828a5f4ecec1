"""Run the matrix of trainings and print what is the same (see --help)."""

import os
import runpy
import sys
from pathlib import Path

TRAINING = Path(__file__).parents[2] / "training"


def main() -> None:
    """Have the training side importable, and one thread: a fork takes only one along."""
    sys.path.insert(0, str(TRAINING))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    runpy.run_module("proofs.same.command", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
