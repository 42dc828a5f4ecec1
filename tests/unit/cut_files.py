"""Which ends of files a checkpoint can lose without being noticed."""

from collections.abc import Iterator
from pathlib import Path

from resilient_training.run.complete import Complete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.layouts import layout_named
from resilient_training.run.listing import listing_of, sizes_of


def cut_short(checkpoint: Path, layout: str) -> Iterator[str]:
    """Each file's end away, one at a time: the names of those that then leave it complete.

    Two bytes, for a JSON may end with a newline.
    """
    row = layout_named(layout)
    for name in sizes_of(listing_of(checkpoint)):
        path = checkpoint / name if checkpoint.is_dir() else checkpoint
        content = path.read_bytes()
        path.write_bytes(content[:-2])
        if completeness_of(checkpoint, row, Ranks(1)) == Complete({}):
            yield name
        path.write_bytes(content)
