"""What a sampler of somebody's own remembers of the passes before, found again after a resume."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from resilient_training.data.order import Drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_training.data.position import Pass

_log = logging.getLogger(__name__)

_LOOKED_AT = 8


class SaysDiffers(Protocol):
    """`Attempt.notices`."""

    def differs(self, what: str) -> None:
        """Say what a resumed training does otherwise than an unbroken one, and why; once."""


@dataclass
class SamplerHistory:
    """Brings a sampler to where it was when the pass began that a resume is in.

    The samplers of torch and the frameworks remember nothing. One with `state_dict` and
    `load_state_dict` gets its state back. Any other may shuffle a list of its own again and again,
    or count its passes: the orders of the epochs before are drawn again, which reads no data.
    """

    drawing: Drawing
    dataset: object
    notices: SaysDiffers
    begun: bool = False
    epoch: int = 0
    states: list[Any] = field(default_factory=list)

    def go_to(self, at: Pass) -> None:
        if not self.begun and not self.drawing.known:
            self._warn_if_random()
            self._draw_again(at.epoch)
        self.begun = True
        self.epoch, self.states = at.epoch, [part.state_dict() for part in self._stateful()]

    def state_dict(self) -> dict[str, Any]:
        # Without states nothing is restored, and the epoch says nothing.
        return {"epoch": self.epoch if self.states else 0, "parts": self.states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        parts = self._stateful()
        if len(parts) == len(state["parts"]) and parts:
            # As they are, too, until a pass begins: none does where the training had ended.
            self.epoch, self.states = state["epoch"], state["parts"]
            for part, saved in zip(parts, state["parts"], strict=True):
                part.load_state_dict(saved)

    def _stateful(self) -> Sequence[Any]:
        return [part for part in self.drawing.parts if is_stateful(part)]

    def _draw_again(self, epoch: int) -> None:
        if epoch <= self.epoch:
            return
        name = _name(self.drawing.sampler)
        try:
            length = len(self.drawing.sampler)
        except (TypeError, NotImplementedError):
            self.notices.differs(
                f"the order of the data, if {name} remembers the epochs before: it has no length, "
                "and none of state_dict and load_state_dict"
            )
            return
        _log.info("drawing the order of %d epochs of %s again", epoch - self.epoch, name)
        for before in range(self.epoch, epoch):
            for _ in islice(self.drawing.batches(before, 0), length):
                pass

    def _warn_if_random(self) -> None:
        """Draw twice on copies."""
        name = _name(self.drawing.sampler)
        try:
            orders = [self._beginning() for _ in range(2)]
        except (TypeError, NotImplementedError, RecursionError) as error:
            self.notices.differs(
                f"the order of the data, if {name} draws it from elsewhere than torch, numpy and "
                f"random: it cannot be copied and tried ({error})"
            )
            return
        if orders[0] != orders[1]:
            self.notices.differs(
                f"the order of the data: {name} gives two orders for one seed, and draws from "
                "elsewhere than torch, numpy and random"
            )

    def _beginning(self) -> list[str]:
        kept = {id(self.dataset): self.dataset}
        drawing = Drawing(
            copy.deepcopy(self.drawing.sampler, kept), self.drawing.seed, self.drawing.part
        )
        return [repr(indices) for indices in islice(drawing.batches(0, 0), _LOOKED_AT)]


def is_stateful(one: object) -> bool:
    return callable(getattr(one, "state_dict", None)) and callable(
        getattr(one, "load_state_dict", None)
    )


def _name(sampler: object) -> str:
    inner = getattr(sampler, "sampler", None)
    names = [type(sampler).__name__, *([] if inner is None else [type(inner).__name__])]
    return " of ".join(names)
