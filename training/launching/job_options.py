"""The part of a launch's command line that says what runs, and on what machines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from launching.spec import REQUIREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping


def what_runs(group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> None:
    add = group.add_argument
    add("--name", help="job name (default: digits-<UTC time>)")
    add(
        "--source",
        type=Path,
        default=Path(__file__).parents[1],
        metavar="FOLDER",
        help="folder with train.py, or with what --command names (default: the example)",
    )
    add(
        "--command",
        metavar="TEXT",
        help="what each host runs in the source's folder, such as 'resilient-run -- torchrun "
        "--nproc_per_node=1 train.py --output_dir /opt/ml/work/out' (default: python train.py). "
        "The container's shell reads it, so $SM_NUM_GPUS is for it; exec is put before it. "
        "resilient-run is brought along: it runs as python -m resilient_training.run, from the "
        "source's folder if the package is there, else from this checkout's own copy in a channel "
        "of its own. The image, or the source's requirements.lock, has to have boto3 and wandb",
    )
    add(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="uploaded as channel `data` (default: none, scikit-learn's small digits)",
    )
    add(
        "--hyperparameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of train.py; --command finds them in $SM_HPS, as JSON; repeatable",
    )
    add(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=REGEX",
        help="a value in the log, by the regex's one group; repeatable (default: train.py's, with "
        "--command none)",
    )
    add(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the job, such as resilience:mode=observe; repeatable",
    )
    add("--image", metavar="URI", help="default: AWS's PyTorch training container for CPU")
    add(
        "--install",
        action=argparse.BooleanOptionalAction,
        help=f"the container installs the source's {REQUIREMENTS}, whose packages are pinned by "
        "hash (default: yes, but not on AWS_ENDPOINT_URL)",
        default="AWS_ENDPOINT_URL" not in environment,
    )


def on_what_machines(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--instance-type", default="ml.m5.large", metavar="TYPE", help="default: %(default)s")
    add(
        "--instance-count",
        type=_count,
        default=1,
        metavar="N",
        help="hosts; more than one needs resilient-run in --command (default: 1)",
    )
    add(
        "--instance-group",
        action="append",
        default=[],
        metavar="NAME=TYPE:COUNT",
        help="hosts of one of several types, in the place of the two options above; repeatable",
    )
    add(
        "--max-runtime",
        type=int,
        default=24 * 3600,
        metavar="SECONDS",
        help="time limit of one attempt (default: a day)",
    )
    add("--spot", action="store_true", help="managed spot training")
    add(
        "--max-wait",
        type=int,
        default=48 * 3600,
        metavar="SECONDS",
        help="with --spot: limit of running and waiting for capacity (default: two days)",
    )
    add(
        "--keep-alive",
        type=int,
        default=0,
        metavar="SECONDS",
        help="warm pool: keep the instance for a successor, at most an hour (default: no)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1, 2, 3 …")
    return int(text)
