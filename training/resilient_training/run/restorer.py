"""The restore as the wrapper's loop takes it: what is away is said to be, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.layouts import layout_named
from resilient_training.run.ports import AwayError
from resilient_training.run.restore import AWAY
from resilient_training.run.resume_arguments import words_for
from resilient_training.run.store_errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from resilient_training.run.restore import Restored


@dataclass
class Restorer:
    """Restores, and knows then how the command is told of it.

    Attributes:
        work: Brings the checkpoint to its place; None: there is none.
        template: --resume-args; None: those of the layout of what was restored.
    """

    work: Callable[[], Restored | None]
    template: str | None
    restored: Restored | None = None

    def restore(self) -> Restored | None:
        """Raise AwayError where W&B, the store or another host does not answer."""
        try:
            self.restored = self.work()
        except AWAY as error:
            raise AwayError(one_line(error)) from error
        return self.restored

    def arguments(self, folder: Path) -> Sequence[str]:
        """What is added to the command, so that it resumes from `folder`."""
        template = self.template
        if template is None:
            template = "" if self.restored is None else layout_named(self.restored.layout).resume
        return words_for(template, folder)
