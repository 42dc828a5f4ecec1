"""The command: every mutant that has no verdict yet, or those that are named."""

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path

from mutmut.configuration import config
from mutmut.state import state
from mutmut.stats import load_stats
from mutmut.utils.file_utils import change_cwd, setup_source_paths

from proofs.mutate.children import InChildren, Reach, session
from proofs.mutate.laid_out import MUTANTS, forget_another_run, lay_out
from proofs.mutate.verdicts import Progress, Verdicts


def main() -> int:
    """0 where all of them have a verdict, whatever it is: `proofs.mutation` judges those."""
    parser = argparse.ArgumentParser(prog="python -m proofs.mutate", description=__doc__)
    parser.add_argument("--at-once", type=int, default=2, help="processes that run tests")
    parser.add_argument("mutants", nargs="*", help="names, with * for any letters: they run again")
    options = parser.parse_args()
    forget_another_run()
    # In a process of its own: it imports the tests, and runs them.
    laid_out = multiprocessing.Process(target=lay_out, args=(options.at_once,))
    laid_out.start()
    laid_out.join()
    return laid_out.exitcode or _run(options.mutants, options.at_once)


def _run(named: list[str], at_once: int) -> int:
    load_stats()
    setup_source_paths()
    reach = Reach(state().tests_by_mangled_function_name, state().duration_by_test)
    verdicts = Verdicts()
    mutants = sorted(verdicts.to_run(named), key=reach.seconds_of)
    progress = Progress(len(mutants), sys.stdout)

    def tell(mutant: str, exit_code: int) -> None:
        verdicts.note(mutant, exit_code)
        progress.note(exit_code)

    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch, change_cwd(MUTANTS):
        tests = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
        return session(InChildren(mutants, reach, at_once, Path(scratch), tell), tests)


if __name__ == "__main__":
    sys.exit(main())
