"""What a failure says: texts seen in public, by their true class; plain, or as mixed as life is.

A text of a cause is drawn from tests/unit/failure_reasons.jsonl. What AWS writes itself, before a
container has run, is drawn apart from what a container writes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from proofs.judge.chance import Chance

TEXTS = Path(__file__).parents[2] / "tests" / "unit" / "failure_reasons.jsonl"
_LONGEST = 1024  # SageMaker cuts FailureReason
_SHORTEST = 20
_SHARES = {"another class": 1.0, "cut": 1.0, "harmless line": 1.0}
# AWS writes few texts and knows which; it mistakes a cause a third as often.
_SERVICE_MIXED = 1 / 3
_HARMLESS = (
    "[rank0]:[W312 00:49:03.94 ProcessGroupNCCL.cpp:1250] Warning: process group has NOT been d",
    "algo-1:57:57 [0] NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>",
    "Exception ignored in: <function _ConnectionBase.__del__ at 0x7f9a>",
    "FutureWarning: `torch.load` with `weights_only=False` will change its default",
    "wandb: Waiting for W&B process to finish... (failed 1).",
    "INFO: retrying request after connection reset, attempt 1 of 5",
    "bash: warning: setlocale: LC_ALL: cannot change locale (en_US.UTF-8)",
)


_DIVERGED = (
    "AlgorithmError: LossDiverged: the loss at step {step} is nan;"
    " healthy up to step {healthy}; suspect: {suspects}, exit code: 1"
)


@dataclass(frozen=True, slots=True)
class Said:
    """Which texts a cause has: of this class, with one of these words, by this writer."""

    failure_class: str
    words: tuple[str, ...] = ()
    service: bool = False
    exactly: tuple[str, ...] = ()  # texts of this project's own contract


SAID: Mapping[str, Said] = {
    "machine": Said("infrastructure"),
    "software": Said("user_code"),
    "incident": Said(
        "infrastructure", ("InternalServerError:", "Internal service error"), service=True
    ),
    "capacity": Said("capacity", ("CapacityError", "nsufficientInstanceCapacity"), service=True),
    "download": Said("infrastructure", ("Data download failed",), service=True),
    "data": Said("infrastructure", ("SlowDown", "Slow Down", "503", "Stale file", "connect")),
    "no_data": Said("data", ("S3 objects", "Data download failed"), service=True),
    "refused_role": Said("permission", ("unable to assume", "AssumeRole", "KMS key"), service=True),
    "refused_image": Said("permission", ("Cannot pull algorithm",), service=True),
    "refused_subnet": Said("configuration", ("subnet's route", "security groups"), service=True),
    "refused_data": Said("permission", ("Data download failed",), service=True),
    "wandb_down": Said("infrastructure", ("wandb",)),
    "key": Said("permission", ("wandb",)),
    "memory": Said("out_of_memory"),
    "disk": Said("configuration", ("No space left on device: '/tmp",)),
    "bug": Said("user_code"),
    "data_bug": Said("data", ("OSError", "DataLossError", "JSONDecode", "ParserError", "zlib")),
    "nan": Said("user_code", ("nan loss", "loss scale")),
    "marked_nan": Said(
        "user_code",
        exactly=(_DIVERGED,),
    ),
    "stopped": Said("interrupted", ("exit code: 143", "SIGTERM")),
    "unloadable": Said(
        "data", exactly=("AlgorithmError: CheckpointLoadError: {version}: truncated, exit code: 1",)
    ),
    "stopped_in_wandb": Said(
        "stopped_by_user", exactly=("AlgorithmError: StoppedByUser: in W&B, exit code: 66",)
    ),
}
# What the true class of a bug may be; a program's faults are not all of one kind.
BUGS = {"bug": 0.7, "data_bug": 0.15, "memory": 0.15}
_MARKS = ("LossDiverged", "CheckpointLoadError", "StoppedByUser")
_OF_THE_SERVICE = ("ClientError: ", "CapacityError", "InternalServerError", "EC2Insufficient")


class Wording:
    """Draws texts; `mixed` is the share that says something other than the cause, or also."""

    def __init__(self, mixed: float) -> None:
        self._mixed = mixed

    def text(self, cause: str, chance: Chance) -> str:
        said = SAID[cause]
        plain = chance.one(said.exactly or _texts(said))
        share = self._mixed * (_SERVICE_MIXED if said.service else 1)
        if said.exactly or not chance.happens(share):
            return plain[:_LONGEST]
        return _mixed_up(plain, said, chance)[:_LONGEST]


def _mixed_up(plain: str, said: Said, chance: Chance) -> str:
    match chance.weighted(_SHARES):
        case "another class":
            return chance.one(_texts_of_others(said))
        case "cut":
            kept = chance.between(min(_SHORTEST, len(plain)), len(plain))
            return plain[:kept] if chance.happens(0.5) else plain[-kept:]
        case _:
            lines = [plain, chance.one(_HARMLESS)]
            return "\n".join(lines if chance.happens(0.5) else reversed(lines))


@cache
def _rows() -> tuple[tuple[str, str], ...]:
    """Class and text of each failure that was seen; texts of another contract are left out."""
    rows = (json.loads(line) for line in TEXTS.read_text().splitlines())
    return tuple((row["failure_class"], row["text"]) for row in rows)


@cache
def _texts(said: Said) -> tuple[str, ...]:
    found = tuple(
        text
        for failure_class, text in _rows()
        if failure_class == said.failure_class
        and (not said.words or any(word in text for word in said.words))
        and (said.service or not text.startswith(_OF_THE_SERVICE))
        and (said.words or not any(mark in text for mark in _MARKS))
    )
    if not found:
        raise AssertionError(f"no text of {said}")
    return found


@cache
def _texts_of_others(said: Said) -> tuple[str, ...]:
    return tuple(
        text
        for failure_class, text in _rows()
        if failure_class != said.failure_class
        and text.startswith(_OF_THE_SERVICE) == said.service
        and not any(mark in text for mark in _MARKS)
    )
