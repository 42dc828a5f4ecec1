"""What asks a training to end before its time: SIGTERM, or a person's stop in W&B."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

import wandb

from resilient_training.ending import TERMINATED, Ending, StoppedByUser, Terminated

if TYPE_CHECKING:
    from types import FrameType

_log = logging.getLogger(__name__)

_FINISH_TIMEOUT = 30
# SageMaker kills 120 s after its SIGTERM, and the W&B run has to be finished as well.
_TERMINATION_BUDGET = 60.0
# Nobody kills after a person's stop, so a large checkpoint gets the time of any other commit.
_STOP_BUDGET = 300.0


class StopRequest:
    """SIGTERM or a person's stop, as something that a loop looks at between its steps.

    SIGTERM comes to the main thread; before the training there is nothing to save, and the process
    leaves at once. A person's stop comes in a thread of the SDK's, which only leaves word here:
    `begin` and the end of each step look. A loop that does not look in time is left behind.
    """

    patience = 300.0
    patience_before_training = 30.0

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        self.terminated = False
        self.training = False
        self.heeded = False
        self.listen()

    @property
    def by_user(self) -> bool:
        return self.ending.stopped_by_user

    @property
    def came(self) -> bool:
        return self.terminated or self.by_user

    @property
    def name(self) -> str:
        return "stopped by a person in W&B" if self.by_user else "SIGTERM"

    @property
    def budget(self) -> float:
        """Seconds for the commit of what is saved."""
        return _TERMINATION_BUDGET if self.terminated else _STOP_BUDGET

    def listen(self) -> None:
        """Be the one that SIGTERM comes to."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.training:
            raise SystemExit(TERMINATED)
        self.terminated = True

    def ask(self) -> None:
        """Take a person's stop. W&B calls this in the thread that its SDK lives on."""
        if self.by_user:
            return
        self.ending.stopped_by_user = True
        _log.info("a person stopped the run in W&B: the training ends after this step")
        threading.Thread(target=self._leave_unless_heeded, daemon=True).start()

    def begin(self) -> None:
        """From now on there is something to save.

        Raises:
            StoppedByUser: a person's stop came first.
        """
        self.training = True
        if self.by_user:
            self.heed()
            raise StoppedByUser("in W&B, before the training began")

    def heed(self) -> bool:
        """Whether the training has to end here; if so, its end is on its way."""
        if self.came:
            self.heeded = True
            self.ending.under_way.set()
        return self.heeded

    def training_is_over(self) -> None:
        """The true end is near, and a stop does not make it another."""
        self.ending.under_way.set()

    def end_at(self, step: int) -> Exception:
        """What to raise, once `heed` has said so and the state of `step` is saved."""
        if self.by_user:
            return StoppedByUser(f"in W&B, at step {step}")
        return Terminated(f"at step {step}")

    def _leave_unless_heeded(self) -> None:
        waited = self.patience_before_training
        if self.ending.under_way.wait(waited):
            return
        if self.training:
            if self.ending.under_way.wait(self.patience - waited):
                return
            waited = self.patience
        self.ending.leave_now(StoppedByUser(f"in W&B; it did not come to an end in {waited:g} s"))


def run_settings(stop: StopRequest) -> wandb.Settings:
    """How the run of W&B is made. A failed upload is no person: it never stops the training."""

    def ask() -> None:
        # Not `stop.ask` itself: the SDK copies its settings deeply where W&B is gone at the end,
        # and of a method that is the whole StopRequest with its locks, which cannot be copied.
        stop.ask()

    # Without a limit a process whose W&B is gone waits for it for ever, on a paid machine.
    return wandb.Settings(finish_timeout=_FINISH_TIMEOUT, stop_fn=ask, stop_on_fatal_error=False)
