"""What a training can be told: on the command line, or by SageMaker's hyperparameters."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from digits import is_mnist
from resilient_training import folder_from

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHANNELS = ("data", "training", "train", "mnist")


def hyperparameters(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The job's hyperparameters: SM_HPS, else SageMaker's file. Values may be JSON-quoted."""
    file = folder / "input" / "config" / "hyperparameters.json"
    text = environment.get("SM_HPS") or (file.read_text() if file.is_file() else "{}")
    return {name.replace("-", "_"): _unquoted(value) for name, value in json.loads(text).items()}


def _unquoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.loads(text) if text.startswith('"') else text


def data_folder(environment: Mapping[str, str], folder: Path) -> Path | None:
    """The channel that holds MNIST's four files, if one does."""
    named = [environment.get(f"SM_CHANNEL_{channel.upper()}") for channel in _CHANNELS]
    channels = [Path(path) for path in named if path]
    channels += [folder / "input" / "data" / channel for channel in _CHANNELS]
    return next((path for path in channels if is_mnist(path)), None)


def parser_for(environment: Mapping[str, str], description: str) -> argparse.ArgumentParser:
    folder = folder_from(environment)
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--epochs", type=int, default=5)
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, default=0.002)
    add("--seed", type=int, default=7)
    add("--checkpoint-every-n-steps", type=int, default=0, help="0: only at each epoch's end")
    add("--checkpoint-every-minutes", type=float, default=5, help="0: not by time")
    add("--keep-checkpoints", type=int, default=2, help="local files that stay")
    add(
        "--divergence-factor",
        type=float,
        default=0,
        help="loss above its median by this many "
        "spreads, 5 times in a row, is a divergence; 0: only one that is not finite is",
    )
    add("--log-every-n-steps", type=int, default=5)
    add("--seconds-per-step", type=float, default=0, help="slow down, so that it can be broken")
    add("--project", default=environment.get("WANDB_PROJECT") or "resilient-digits")
    add("--data", type=Path, default=data_folder(environment, folder), help="folder of MNIST")
    add("--images", type=int, help="train on the first so many only, to be done sooner")
    add("--model-dir", type=Path, default=environment.get("SM_MODEL_DIR") or folder / "model")
    add("--checkpoint-dir", type=Path, default=folder / "checkpoints")
    add("--resume-from", type=Path, help="a local checkpoint file, where W&B has none")
    known = vars(parser.parse_args([]))
    given = hyperparameters(environment, folder)
    parser.set_defaults(**{name: value for name, value in given.items() if name in known})
    return parser
