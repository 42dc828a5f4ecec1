"""What a healthy loss is, whoever computes it.

The rule for spikes is the usual robust one: a value is an outlier when it is further from the
median than so many median absolute deviations. Median and deviation are those of the last healthy
losses and do not move with the outliers, as a mean and a standard deviation would. See C. Leys et
al., "Detecting outliers: Do not use standard deviation around the mean, use absolute deviation
around the median", Journal of Experimental Social Psychology 49 (2013). To go back to a checkpoint
before a spike and on with other data is what PaLM did: A. Chowdhery et al., arXiv:2204.02311, 5.1.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

_WINDOW = 100
_FEWEST = 20
# A loss that hardly moves has hardly a spread, and any step up would be a spike.
_LEAST_SPREAD = 1e-3


class LossDiverged(Exception):  # noqa: N818  # the failure text begins with this very word
    """The loss is not finite, or far above what it was."""


@dataclass(frozen=True)
class HealthyLoss:
    """What a healthy loss is: finite, and not far above those before it.

    Attributes:
        factor: A loss that exceeds the median of the last 100 healthy ones by more than `factor`
            times their median absolute deviation is a spike. Losses of a well-behaved training
            stay below 10. 0: any finite loss is healthy.
        patience: So many spikes in a row are a divergence; one loss that is not finite is one.
    """

    factor: float = 0
    patience: int = 5

    def fault(self, loss: float, before: deque[float]) -> str | None:
        """What is wrong with `loss`; None where it is healthy."""
        if not math.isfinite(loss):
            return f"{loss}"
        if self.factor <= 0 or len(before) < _FEWEST:
            return None
        middle = median(before)
        spread = median(abs(value - middle) for value in before)
        if loss <= middle + self.factor * max(spread, _LEAST_SPREAD * abs(middle)):
            return None
        return f"{loss:.4g}, median {middle:.4g} and spread {spread:.4g} before it"


class LossHistory:
    """The losses of a training, judged one by one.

    `bar_after` bars the checkpoints of a step above the one it is given, and names them.
    """

    def __init__(self, healthy: HealthyLoss, bar_after: Callable[[int], list[str]]) -> None:
        self.before: deque[float] = deque(maxlen=_WINDOW)
        self._healthy = healthy
        self._bar_after = bar_after
        self._in_a_row = 0
        self._healthy_step = -1

    def begin(self, step: int) -> None:
        """Start from the weights of `step`, of which nothing is known before the first loss."""
        self._healthy_step = step - 1

    def see(self, step: int, loss: float) -> None:
        """Judge the loss that the weights of `step` gave.

        Raises:
            LossDiverged: it is not finite, or the last of too many that were too high.
        """
        fault = self._healthy.fault(loss, self.before)
        if fault is None:
            self.before.append(loss)
            self._in_a_row, self._healthy_step = 0, step
            return
        self._in_a_row += 1
        if not math.isfinite(loss) or self._in_a_row >= self._healthy.patience:
            raise LossDiverged(self._end(step, fault))

    def _end(self, step: int, fault: str) -> str:
        """Bar what may be spoilt; gives the message."""
        suspects = " ".join(self._bar_after(self._healthy_step)) or "none"
        _log.error("the loss diverged; barred: %s", suspects)
        return (
            f"the loss at step {step} is {fault}; "
            f"healthy up to step {self._healthy_step}; suspect: {suspects}"
        )
