"""Checkpoints that survive, whatever makes them: staged, written, tried and committed.

No training framework is needed here; `CheckpointArtifacts` (Lightning), `Attempt` (a plain loop)
and `HuggingFaceCheckpoints` save by it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from resilient_training.checkpoints.beside import Beside
from resilient_training.checkpoints.disk import DiskFullError
from resilient_training.checkpoints.loadable import NotLoadableError, require_loadable
from resilient_training.checkpoints.own_files import OwnFiles
from resilient_training.checkpoints.snapshot import Snapshot, StateSnapshot
from resilient_training.checkpoints.staging import Stager, sizes_of
from resilient_training.checkpoints.trial import Trial
from resilient_training.checkpoints.uploads import Uploads
from resilient_training.checkpoints.writing import Saving, Writer, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint

_log = logging.getLogger(__name__)

# Files that are written and not yet tried. The first load of an attempt takes a new process its
# seconds, and the saves that come meanwhile are not put off.
_UNPUBLISHED = 4


class CheckpointStore(Protocol):
    """Where checkpoints are committed."""

    @property
    def stored(self) -> bool:
        """Whether anything is kept at all."""

    def commit(self, saved: SavedCheckpoint) -> bool:
        """Return once the checkpoint can be resumed from, however long it takes; False: never."""

    def uploaded_bytes(self) -> int | None:
        """A number that changes while an upload moves; None: nobody can see it."""

    def by_hand(self, saved: SavedCheckpoint) -> str:
        """How a person can commit a checkpoint later."""

    def bar_after(self, step: int) -> list[str]:
        """Bar this attempt's versions of a step above `step`; gives their names (`v3`, …)."""


@dataclass(frozen=True)
class SavePlan:
    """When to save, where to, and which checkpoint is the best.

    Attributes:
        directory: Local checkpoints; the same for all attempts of a lineage.
        attempt: Goes into the file. W&B answers a file that it has with the version that it has,
            and a replayed checkpoint may not become a rejected version again.
        every_n_steps: In optimizer steps. 0: not by steps. An epoch's end always saves.
        every_minutes: Since the last save. 0: not by time.
        keep: How many local checkpoints stay, at least 1, besides the best and those not uploaded.
        monitor: A logged metric; the checkpoint with the best one so far gets the alias `best`.
            None: the framework's own choice, `val_loss` where it has none.
        mode: Whether less of that metric is better (`min`), or more (`max`).
    """

    directory: Path
    attempt: int = 1
    every_n_steps: int = 0
    every_minutes: float = 0
    keep: int = 2
    monitor: str | None = None
    mode: Literal["min", "max"] = "min"

    def due(self, step: int, saved_step: int, seconds_since_save: float) -> bool:
        """Whether `step` reached or crossed a multiple of `every_n_steps`, or the time has come."""
        every = self.every_n_steps
        # Crossed: a model of two optimizers counts by two, and may never hit a multiple itself.
        by_step = every > 0 and step // every > saved_step // every
        return by_step or 0 < self.every_minutes * 60 <= seconds_since_save

    def better(self, value: float, best: float | None) -> bool:
        return best is None or (value > best if self.mode == "max" else value < best)


class Checkpointer:
    """Saves one file per checkpoint, beside the training, and has it committed.

    `save` stalls the training for a copy of the tensors within memory. A thread writes the file,
    reads it back, has it loaded in a process of its own when it is the first or has something new
    in it, and hands it over to the uploads. There is one set of buffers: a scheduled save that
    comes while they are read is put off to a later step (`due` says so), any other waits.

    What goes wrong beside the training is raised at the next `due`, `save`, `drain` or `finish`:
    `NotLoadableError`; `DiskFullError` while the attempt has no checkpoint yet, later a full disk
    is an error in the log; `OSError`.
    """

    def __init__(
        self,
        plan: SavePlan,
        store: CheckpointStore,
        trial: Trial | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self.store = store
        self.clock = clock
        self.saved_step = -1
        self.saved_at = clock()
        self.best: float | None = None
        self.best_path: Path | None = None
        self.uploads = Uploads(
            self._commit, precious=lambda saved: saved.best, progress=store.uploaded_bytes
        )
        self.newest: deque[SavedCheckpoint] = deque(maxlen=plan.keep)
        self.inspected = False
        self._stager = Stager()
        self._files = OwnFiles(plan.directory)
        self._writer = Writer((trial or Trial()) if store.stored else None)
        self._preparing = Beside("checkpoint-buffers")
        self._writing = Beside("checkpoint-writer")
        self._publishing = Beside("checkpoint-publisher", room=_UNPUBLISHED)
        self._written_once = False
        self._lists = threading.Lock()  # of what is on the disk

    def warn_if_nothing_is_stored(self) -> None:
        if not self.store.stored:
            _log.warning(
                "W&B is offline or disabled: nothing can be resumed from artifacts, checkpoints "
                "stay in %s",
                self.plan.directory,
            )

    def begin(self, step: int) -> None:
        """Count from here: the state of this step is in a checkpoint, or is the very beginning."""
        self.saved_step, self.saved_at = step, self.clock()

    def due(self, step: int) -> bool:
        """Whether a save is scheduled for now and would not have to wait for the last one."""
        self._raise_failure()
        is_due = self.plan.due(step, self.saved_step, self.clock() - self.saved_at)
        return is_due and not self._writing.busy

    def inspect(self, state: Mapping[str, Any]) -> None:
        """Look at a first state, once the first step is made, while somebody still watches.

        Beside the training, makes the buffers that the first save would wait for.

        Raises:
            NotLoadableError: names all that no resume could load, with keys and remedies.
        """
        require_loadable(state)
        self.inspected = True
        sizes = sizes_of(state)
        self._preparing.begin(lambda: self._stager.prepare(sizes))

    def stage(self, state: Mapping[str, Any]) -> Snapshot:
        """Take a snapshot of tensors and plain values; for `save`, which calls its `take`.

        Raises:
            NotLoadableError: as `inspect`, unless that was called.
        """
        if not self.inspected:
            require_loadable(state)
            self.inspected = True
        return StateSnapshot(state, self._stager)

    def memory(self) -> dict[str, Any]:
        """What the next attempt has to know, as plain values; each checkpoint holds it."""
        return {"attempt": self.plan.attempt, "best": self.best}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from the memory of the checkpoint that the training resumes from."""
        self.best = memory["best"]

    def save(
        self, step: int, epoch: int, take: Callable[[], Snapshot], metric: Metric | None = None
    ) -> None:
        """Save the state of global step `step`, unless it is saved already.

        Args:
            step: Optimizer steps made so far, over all attempts.
            epoch: Epochs begun so far, from 0.
            take: Takes a snapshot of the whole state.
            metric: Measured on exactly this state; decides on the alias `best`.

        Raises:
            NotLoadableError, DiskFullError, OSError: of this save or, later, of the last one.
        """
        if step == self.saved_step:
            return
        self._preparing.wait()
        self._writing.wait()
        self._raise_failure()
        before = self.best
        best = metric is not None and self.plan.better(metric.value, before)
        if best and metric is not None:
            self.best = metric.value  # before the snapshot, which holds it
        snapshot = take()
        self.begin(step)
        saving = Saving(snapshot, step, epoch, metric, best, before)
        self._writing.begin(lambda: self._write(saving))

    def settle(self) -> None:
        """Wait until what was taken last is on the disk; not for its upload.

        Raises:
            NotLoadableError, DiskFullError, OSError: of the last save.
        """
        self._wait()
        self._raise_failure()

    def drain(self, seconds: float | None = None) -> bool:
        """Wait for what is being written and for the uploads; True when the last succeeded in time.

        Raises:
            NotLoadableError, DiskFullError, OSError: of the last save.
        """
        began = time.monotonic()
        if not self._wait(seconds):
            return False
        self._raise_failure()
        return self.uploads.drain(_left(seconds, began))

    def finish(self, wait: float | None = None) -> bool:
        """Wait for the last checkpoint, once the training is done; whether it is committed.

        One that W&B refused gets a second try, which may outlast a short outage. What is not
        committed then is said in a line: the training has succeeded all the same.

        Args:
            wait: In seconds. None: for as long as the upload moves.
        """
        try:
            return self._finish(wait)
        except (NotLoadableError, OSError) as error:
            _log.error("the last checkpoint, of step %d, is lost: %s", self.saved_step, error)
            return False

    def _finish(self, wait: float | None) -> bool:
        began = time.monotonic()
        self._preparing.wait()
        self.settle()
        self._stager.close()
        done = self.drain(_left(wait, began))
        if not done and not self.uploads.pending():
            self.uploads.put(self.newest[-1])
            done = self.drain(_left(wait, began))
        if not done:
            self._say_what_is_missing(self.newest[-1])
        return done

    def _say_what_is_missing(self, saved: SavedCheckpoint) -> None:
        _log.error(
            "NOT in W&B: the last checkpoint, of step %d. It lies in %s. To upload it: %s",
            saved.step,
            saved.path.resolve(),
            self.store.by_hand(saved),
        )

    def bar_after(self, step: int) -> list[str]:
        """Bar what was committed beyond `step`, and what is still on its way there."""
        # An error of the last save waits: what the caller is about to say matters more.
        self._wait()
        self.uploads.drain()
        return self.store.bar_after(step) if self.store.stored else []

    def _wait(self, seconds: float | None = None) -> bool:
        began = time.monotonic()
        # The writer hands over to the publisher, so in this order.
        return self._writing.wait(seconds) and self._publishing.wait(_left(seconds, began))

    def _raise_failure(self) -> None:
        self._preparing.raise_failure()
        self._writing.raise_failure()
        self._publishing.raise_failure()

    def _write(self, saving: Saving) -> None:
        """In the writer's thread. It waits for the publisher when files pile up."""
        written = self._written(saving)
        if written is not None:
            self._publishing.begin(lambda: self._publish(written))

    def _written(self, saving: Saving) -> Written | None:
        try:
            self._files.begin()
            self._delete_needless()
            written = self._writer.write(saving, self._files.new_name(saving.step))
        except DiskFullError as error:
            self.best = saving.best_before
            if not self._written_once:
                raise
            _log.error("step %d is not saved: %s", saving.step, error)
            return None
        finally:
            saving.snapshot.release()
        self._written_once = True
        return written

    def _publish(self, written: Written) -> None:
        """In the publisher's thread."""
        saved = self._writer.publish(written)
        _log.info("checkpoint of step %d saved: %s", saved.step, saved.path)
        with self._lists:
            self._files.add(saved.path)
            self.newest.append(saved)
            if saved.best:
                self.best_path = saved.path
            overtaken = self.uploads.put(saved)
        for one in overtaken:
            _log.warning("checkpoint of step %d not uploaded: a newer one is here", one.step)
        self._delete_needless()

    def _delete_needless(self) -> None:
        with self._lists:
            wanted = {saved.path for saved in (*self.newest, *self.uploads.pending())}
            self._files.keep_only(wanted | ({self.best_path} if self.best_path else set()))

    def _commit(self, saved: SavedCheckpoint) -> bool:
        return self.store.commit(saved) if self.store.stored else True


def _left(seconds: float | None, began: float) -> float | None:
    return None if seconds is None else max(0.0, seconds - (time.monotonic() - began))
