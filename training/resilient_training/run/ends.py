"""How a host ends: its exit code, its failure text, and whether the training is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.root_cause import Cause

if TYPE_CHECKING:
    from resilient_training.run.hosts import Hosts

DONE = 0
FAILED = 1
CHECKPOINT_UNUSABLE = 65
STOPPED_BY_USER = 66
TERMINATED = 143
# SageMaker keeps the first 1,024 characters.
_TEXT_LENGTH = 1024
_OWN_WORDS = {
    CHECKPOINT_UNUSABLE: "CheckpointLoadError: ",
    STOPPED_BY_USER: "StoppedByUser: ",
}


@dataclass(frozen=True)
class Resumed:
    """The version that the command was to resume from, and whether its failure blames that one."""

    version: str
    blamed: bool = False


@dataclass(frozen=True)
class Seen:
    """What was seen of a command that has ended.

    Attributes:
        code: As subprocess has it.
        cause: Of its failure; None where it ended with 0.
        terminated: SIGTERM was asked for.
        stopped_by_user: A person stopped the run in W&B while the command ran.
        stalled_minutes: It was killed because nothing was heard for as long; None: it was not.
        resumed: None: it began at the beginning.
        own_failure: What the command itself wrote to the failure file; None: nothing.
    """

    code: int
    cause: Cause | None
    terminated: bool = False
    stopped_by_user: bool = False
    stalled_minutes: float | None = None
    resumed: Resumed | None = None
    own_failure: str | None = None


@dataclass(frozen=True)
class End:
    """`failure` None: nothing is written. `lost_peer`: another host's text is the cause."""

    code: int
    completed: bool = False
    failure: str | None = None
    lost_peer: bool = False


def end_of(seen: Seen, hosts: Hosts) -> End:
    """The end that docs/contract.md has for what was seen.

    A person's stop counts above SIGTERM: a training that ends by it must not come back, whoever
    ended the job meanwhile. The command's own failure file counts where it wrote one.
    """
    if seen.stopped_by_user:
        return End(STOPPED_BY_USER, failure=_cut("StoppedByUser: in W&B"))
    if seen.terminated:
        return End(TERMINATED)
    if seen.stalled_minutes is not None:
        return End(FAILED, failure=_cut(_stalled(seen.stalled_minutes), _at(hosts)))
    if seen.code == 0:
        return End(DONE, completed=hosts.is_first)
    return _failed(seen, seen.cause or Cause("nothing was seen"), hosts)


def _failed(seen: Seen, cause: Cause, hosts: Hosts) -> End:
    own = seen.own_failure
    if own is not None:
        code = seen.code if own.startswith(_OWN_WORDS.get(seen.code, "\0")) else FAILED
        return End(code, failure=own)
    if seen.resumed is not None and seen.resumed.blamed:
        return unusable(f"{seen.resumed.version}: {cause.text}")
    if cause.of_peer and hosts.count > 1:
        text = _cut(f"PeerLost: {cause.text}", _at(hosts))
        return End(FAILED, failure=text, lost_peer=True)
    return End(FAILED, failure=_cut(cause.text, _at(hosts)))


def unusable(why: str) -> End:
    """The end where the pinned version cannot be resumed from; `why` begins with its name."""
    return End(CHECKPOINT_UNUSABLE, failure=_cut(f"CheckpointLoadError: {why}"))


def broken(why: str) -> End:
    """The end where the command was not started, and no checkpoint is at fault."""
    return End(FAILED, failure=_cut(why))


def _stalled(minutes: float) -> str:
    return (
        f"Stalled: nothing was heard for {minutes:.3g} min: no output, no new checkpoint, no row in"
        " W&B (--stalled-after)"
    )


def _at(hosts: Hosts) -> str:
    """Which of several hosts says so: SageMaker copies the text of one, and not always the same."""
    return f" (on {hosts.current})" if hosts.count > 1 else ""


def _cut(text: str, suffix: str = "") -> str:
    return " ".join(text.split())[: _TEXT_LENGTH - len(suffix)] + suffix
