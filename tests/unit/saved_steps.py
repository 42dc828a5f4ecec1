"""Checkpoints of DCP, each of whose bytes say of which step they are."""

from collections.abc import Mapping
from pathlib import Path

from tests.unit.checkpoint_folders import metadata, write


def of_step(step: int) -> dict[str, bytes]:
    """A folder of DCP whose every file differs from those of other steps."""
    files = {f"step-{step}/__{rank}_0.distcp": bytes([step]) * 40 for rank in range(2)}
    return {
        **files,
        f"step-{step}/.metadata": metadata({"__0_0.distcp": (0, 40), "__1_0.distcp": (0, 40)}),
    }


def put(parent: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        write(parent / path, content)
