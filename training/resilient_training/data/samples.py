"""A data set whose samples are the same whenever a batch is fetched, and in whatever process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resilient_training.data.generators import generators_in, plant
from resilient_training.data.guise import Guise
from resilient_training.data.order import Marked
from resilient_training.data.randomness import seed_from

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORDINALS = range(1 << 16)


class ExactSamples(Guise):
    """Seeds torch, numpy, random and the data set's own generators before each batch is fetched.

    What the collate function draws follows in the same process, and is the same as well. In the
    main process (`num_workers=0`) the three global generators stay where the batch left them.
    """

    found_in: tuple[int, int] | None

    def __init__(self, dataset: object, key: tuple[int, ...]) -> None:
        super().__init__(dataset, key=key, found_in=None, generators=())

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - as the data set has it
        if not isinstance(index, Marked):
            return self.worn[index]
        self._seed(index)
        return self.worn[index.indices]

    def __getitems__(self, batch: Any) -> Any:  # noqa: ANN401 - as above
        indices: Sequence[Any] = batch
        if isinstance(batch, Marked):
            self._seed(batch)
            indices = batch.indices
        if getattr(self.worn, "__getitems__", None):
            return self.worn.__getitems__(indices)
        return [self.worn[index] for index in indices]

    def _seed(self, batch: Marked) -> None:
        key = (*self.key, *batch.key)
        seed_from(*key)
        # Looked for once in each pass and process: a worker has copies, which it may have replaced.
        if self.found_in != batch.key[:2]:
            self.found_in = batch.key[:2]
            self.generators = generators_in(self.worn)
        if self.generators:
            plant(self.generators, _ORDINALS, *key)
