"""What a resume of this training will not give exactly: said once, in the log and in W&B."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wandb

_log = logging.getLogger(__name__)

_KEY = "resilience_differs"


@dataclass
class Notices:
    """Collects the lines; the W&B run shows all of them in its config as `resilience_differs`."""

    run: wandb.Run
    lines: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        """Say what a resumed training does otherwise than an unbroken one, and why; once."""
        if what in self.lines:
            return
        self.lines.append(what)
        _log.warning("a resume will differ: %s", what)
        shown = {_KEY: list(self.lines)}
        self.run.config.update(shown, allow_val_change=True)  # type: ignore[no-untyped-call]  # of wandb
