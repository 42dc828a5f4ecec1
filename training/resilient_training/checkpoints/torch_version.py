"""The torch that a training may resume with."""

from __future__ import annotations

import re

_SAFE = (2, 10)


class UnsafeTorchError(Exception):
    """This torch runs what a poisoned checkpoint brings; no checkpoint is at fault."""


def require_safe_torch(version: str) -> None:
    """Refuse a torch whose `weights_only` loading can be made to run code (CVE-2026-24747).

    Raises:
        UnsafeTorchError: it is older than 2.10.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < _SAFE:
        raise UnsafeTorchError(
            f"torch {version} cannot load a checkpoint safely (CVE-2026-24747): use an image with"
            " torch 2.10 or newer, or put torch>=2.10 into the requirements of the training"
        )
