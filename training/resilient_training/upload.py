"""Bring a checkpoint to W&B that its training could not: `python -m resilient_training.upload`.

A training whose W&B was gone at its end names the whole command in its last lines.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import wandb

from resilient_training.checkpoints.artifacts import RunCheckpoints
from resilient_training.checkpoints.files import sha256_of
from resilient_training.checkpoints.metadata import SavedCheckpoint
from resilient_training.job import job_from

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Commit the file as a version of the run's checkpoint collection.

    Raises:
        SystemExit: 1: W&B did not take it; 2: the command cannot be understood.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="entity/project/run id")
    parser.add_argument("file", type=Path)
    parser.add_argument("--step", type=int, required=True)
    parser.add_argument("--epoch", type=int, required=True)
    given = parser.parse_args(arguments)
    if given.run.count("/") != 2:  # noqa: PLR2004 - as the help says
        parser.error(f"not entity/project/run id: {given.run}")
    if not given.file.is_file():
        parser.error(f"no such file: {given.file}")
    saved = SavedCheckpoint(
        given.file, given.step, given.epoch, sha256_of(given.file), None, best=False
    )
    if not _commit(given.run, saved):
        raise SystemExit(1)


def _commit(run_path: str, saved: SavedCheckpoint) -> bool:
    entity, project, run_id = run_path.split("/")
    with wandb.init(entity=entity, project=project, id=run_id, resume="must") as run:
        return RunCheckpoints(run, job_from(os.environ)).commit(saved)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    main()
