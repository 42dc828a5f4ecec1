"""Whether what was restored may be handed to a framework that runs what its metadata say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resilient_training.run.dcp_metadata import FILE_NAME, UntrustedMetadataError, files_needed

if TYPE_CHECKING:
    from pathlib import Path


def require_harmless(restored: Path) -> None:
    """Raise UntrustedMetadataError where metadata name code, or files that are not there as said.

    It looks at every `.metadata` of torch.distributed.checkpoint below the folder, however deep and
    in whichever layout: torch executes each one that it loads.
    """
    for path in sorted(restored.rglob(f"*{FILE_NAME}")):
        for name, size in files_needed(path).items():
            _require(path, path.parent / name, size)


def _require(metadata: Path, file: Path, size: int) -> None:
    there = file.stat().st_size if file.is_file() else None
    if there != size:
        found = "is missing" if there is None else f"has {there:,} of {size:,} bytes"
        raise UntrustedMetadataError(f"{file.name} {found}, which {metadata.name} names")
