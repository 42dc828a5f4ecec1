"""What mutmut has to have made before a mutant can run, and when all of it is made anew."""

import hashlib
import shutil
from pathlib import Path

from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths

MUTANTS = Path("mutants")  # mutmut's folder
_FOUND_WITH = MUTANTS / "found-with.sha256"
# What is laid out beside the code and its tests, and changes no verdict.
_NO_VERDICT = frozenset({"mutation.md", "mutation_survivors.toml"})


def fingerprint(folder: Path) -> str:
    """A digest of all that is laid out in a folder, but for what mutmut makes of it."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        made = inside.parts[0] == MUTANTS.name or path.suffix == ".pyc"
        if path.is_file() and not made and path.name not in _NO_VERDICT:
            digest.update(f"{inside}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def forget_another_run() -> None:
    """A verdict holds for the code and the tests that it was found with."""
    now = fingerprint(Path())
    if not _FOUND_WITH.is_file() or _FOUND_WITH.read_text("utf-8") != now:
        shutil.rmtree(MUTANTS, ignore_errors=True)
        MUTANTS.mkdir()
        _FOUND_WITH.write_text(now, "utf-8")


def lay_out(at_once: int) -> None:
    """The first steps of mutmut: its mutants, which tests reach a function, how long they take."""
    # These read the configuration of the folder in which they are imported.
    from mutmut.__main__ import (  # noqa: PLC0415
        CatchOutput,
        collect_or_load_stats,
        create_mutants,
    )
    from mutmut.workers.isolation import get_mutant_runner  # noqa: PLC0415

    set_mutant_under_test("mutant_generation")
    with CatchOutput(spinner_title="Generating mutants"):
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        create_mutants(at_once)
    collect_or_load_stats(get_mutant_runner(at_once), apply_config_invalidation=True)
