"""`make notebooks`: run the notebooks from top to bottom, so that they ship with their output."""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parents[1] / "notebooks"
_PATIENCE_SECONDS = 600
# It warns that it talks over TCP unencrypted, which stays on the loopback and is signed.
_NO_WIDGETS = "ignore:IProgress not found"
_QUIETER = "--IPKernelApp.log_level=40"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make notebooks", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="else all of notebooks/")
    parser.add_argument("--into", type=Path, help="write there, and not in place")
    options = parser.parse_args()
    found = options.notebooks or sorted(FOLDER.glob("*.ipynb"))
    if missing := [path for path in found if not path.is_file()]:
        parser.error(f"{missing[0]} is no file")
    return max(_run(path, options.into or path.parent) for path in found)


def _run(path: Path, into: Path) -> int:
    began = time.monotonic()
    print(f"{path.name} ...", flush=True)
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    # Times of the clock would be another text each time.
    client = NotebookClient(
        notebook,
        timeout=_PATIENCE_SECONDS,
        record_timing=False,
        extra_arguments=[_QUIETER, "--InteractiveShell.colors=nocolor"],
        resources={"metadata": {"path": str(FOLDER)}},
    )
    code = 0
    try:
        client.execute(env={**os.environ, "PYTHONWARNINGS": _NO_WIDGETS})
    except CellExecutionError as error:
        sys.stderr.write(f"{path.name}: {error}\n")
        code = 1
    nbformat.write(notebook, into / path.name)  # type: ignore[no-untyped-call]
    print(f"{path.name}: {'failed' if code else 'done'}, {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
