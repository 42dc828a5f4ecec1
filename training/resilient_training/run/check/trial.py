"""A training that is killed after its first checkpoint, restored, and started again."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.check.folder import NotCheckedError, empty
from resilient_training.run.check.heard import Heard
from resilient_training.run.check.kept import FolderDelivery, FolderVersions, Kept
from resilient_training.run.check.one_run import OneRun, Ran
from resilient_training.run.check.patience import Patience
from resilient_training.run.host_setup import destination_in, know_what_is_there
from resilient_training.run.layouts import layout_named
from resilient_training.run.ports import Parts
from resilient_training.run.restore import restore_pinned
from resilient_training.run.restorer import Restorer
from resilient_training.run.tidy import move_aside
from resilient_training.run.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resilient_training.run.command import Settled
    from resilient_training.run.restore import Restored
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)


class _NoMarks:
    """No job is marked."""

    def begun(self) -> None:
        return

    def completed(self) -> None:
        return


@dataclass(frozen=True)
class Tried:
    """All that was seen.

    Attributes:
        layout: How the layout was found out.
        first, second: The run that was killed, and the one that was resumed.
    """

    layout: str
    kept: Kept
    first: Ran
    second: Ran


class Trial:
    """Runs the command again and again, each time as on a machine that has nothing of it.

    Args:
        settled: The command, its folder, and how many processes it has.
        environment: Of the command.
        own: A folder of the check's, on the file system of the command's folder.
        stops: Ctrl-C and SIGTERM.
    """

    def __init__(
        self, settled: Settled, environment: Mapping[str, str], own: Path, stops: Stops
    ) -> None:
        self._settled, self._environment, self._own, self._stops = settled, environment, own, stops
        name = settled.options.layout
        self._layout = None if name is None else layout_named(name)
        (own / "store").mkdir()
        self._versions = FolderVersions(own / "store", settled.job)
        self._delivery = FolderDelivery(self._versions, settled.processes)
        self._patience = Patience(settled.options.checkpoints, name)

    def run(self) -> Tried:
        """Run it, kill it after its first checkpoint, and resume it.

        Raises:
            NotCheckedError: there was no checkpoint, or it did not start.
        """
        _log.info("the training starts, and is killed after its first checkpoint …")
        first = self._once(1)
        kept = self._delivery.kept
        if kept is None:
            raise NotCheckedError(self._patience.without_checkpoint(first))
        _log.info("%s is restored into the empty folder, and the training resumed …", kept.name)
        second = self._once(2)
        return Tried(_layout_of(first, kept), kept, first, second)

    def again(self) -> Ran:
        """Resume once more from the same checkpoint."""
        return self._once(3)

    def _once(self, number: int) -> Ran:
        empty(self._settled.options.checkpoints, keep=self._own)
        options = self._settled.options
        # A folder of its own for each: the watch removes what was there.
        snapshots = self._own / f"snapshots-{number}"
        watch = Watch(options.checkpoints, self._layout, self._settled.processes, snapshots)
        heard = Heard(self._own, f"output-{number}", _show)
        run = OneRun(
            options,
            self._environment,
            self._parts(watch),
            watch,
            self._delivery,
            heard,
            self._stops,
            self._own / "error.json",
        )
        return run.until(self._patience.of_run(number))

    def _parts(self, watch: Watch) -> Parts:
        options, kept = self._settled.options, self._delivery.kept

        def begin() -> Restored | None:
            restored = None
            if kept is not None:
                to = destination_in(options.checkpoints)
                restored = restore_pinned(kept.pin, self._versions, None, to)
            know_what_is_there(watch, restored)
            return restored

        def tidy() -> list[str]:
            newest = None if kept is None else kept.step
            return move_aside(options.checkpoints, self._layout, self._settled.processes, newest)

        restorer = Restorer(begin, options.resume_arguments)
        return Parts(
            watch=watch,
            tidy=tidy,
            restore=restorer.restore,
            delivery=self._delivery,
            resume_arguments=restorer.arguments,
            lineage=None,
            marks=_NoMarks(),
        )


def _layout_of(first: Ran, kept: Kept) -> str:
    notes = [] if first.progress is None else first.progress.notes()
    guessed = [note.removeprefix("layout ") for note in notes if note.startswith("layout ")]
    return guessed[0] if guessed else f"{kept.files.layout}, because of --layout"


def _show(some: bytes) -> None:
    """The report alone is on the output."""
    sys.stderr.buffer.write(some)
    sys.stderr.buffer.flush()
