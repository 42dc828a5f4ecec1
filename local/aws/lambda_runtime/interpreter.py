"""A Python of which a function sees the standard library, the runtime client and nothing else."""

import importlib.util
import sys
from pathlib import Path

# What AWS keeps in /var/runtime, without its boto3: what the zip forgot must be missed here.
RUNTIME_MODULES = ("awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson")
START = "start_awslambdaric"


def runtime_directory(root: Path) -> Path:
    """A directory of links to the runtime client's modules and its start, and only those."""
    directory = root / "runtime"
    directory.mkdir(parents=True, exist_ok=True)
    starter = Path(__file__).with_name(f"{START}.py")
    for source in (starter, *map(_location, RUNTIME_MODULES)):
        link = directory / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    return directory


def _location(module: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{module} is missing: pip install -r requirements-dev.txt")
    origin = Path(found.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def command(handler: str) -> list[str]:
    # -S: without it this environment's site-packages would be on the function's path.
    return [sys.executable, "-S", "-m", START, handler]


def name() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
