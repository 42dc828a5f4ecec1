"""The built package, as it was when the benchmark began: a build meanwhile changes nothing."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from local.stack import LAMBDA, REPOSITORY


@cache
def package() -> Path:
    """Return a copy of its own, which goes away with this process."""
    home = REPOSITORY / ".local"
    home.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-package-", dir=home))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(shutil.copytree(LAMBDA, folder / "functions"))
