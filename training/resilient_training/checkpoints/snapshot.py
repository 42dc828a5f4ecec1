"""The state of one step, apart from the training that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from typing_extensions import override

from resilient_training.checkpoints import loadable
from resilient_training.checkpoints.structure import bytes_of, structure_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from resilient_training.checkpoints.files import HashedFile
    from resilient_training.checkpoints.staging import Stager


class Snapshot(Protocol):
    """What is saved of a step; the training may go on and change what it was taken of.

    All but `stage`-like making of it happens in the thread that writes, beside the training. A
    class that inherits from this one has to bring `size` and `write`.
    """

    @property
    def size(self) -> int:
        """Bytes that it takes on the disk, about."""

    def write(self, file: HashedFile) -> None:
        """Write all of it, in order, to a file that is open for writing."""

    def structure(self) -> frozenset[str]:
        """Has more in it when something of another kind is saved, which then has to be tried."""
        return frozenset()

    def require_loadable(self) -> None:
        """Raise NotLoadableError, with keys, for what no resume could load."""
        return

    @property
    def reader(self) -> str | None:
        """The module whose `refusal` tries to load the file; None: it is not tried."""
        return None

    def release(self) -> None:
        """Called once, when it is written or never will be."""
        return


class StateSnapshot(Snapshot):
    """Tensors and plain values, as `torch.save` writes and a `weights_only` load reads them."""

    def __init__(self, state: Mapping[str, Any], stager: Stager) -> None:
        """Copy `state` into the buffers of `stager`."""
        self.state = stager.stage(state)
        self.stager = stager

    @property
    @override
    def size(self) -> int:
        return bytes_of(self.state)

    @override
    def write(self, file: HashedFile) -> None:
        torch.save(self.state, file)

    @override
    def structure(self) -> frozenset[str]:
        return structure_of(self.state)

    @override
    def require_loadable(self) -> None:
        loadable.require_loadable(self.state)

    @property
    @override
    def reader(self) -> str:
        return loadable.__name__

    @override
    def release(self) -> None:
        self.stager.release()
