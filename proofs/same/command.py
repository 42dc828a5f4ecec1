"""The command `python -m proofs.same`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from local.wandb_server import LocalWandb
from proofs.same.report import lines_of, markdown_of
from proofs.same.run import Came, Row, try_out
from proofs.same.table import VARIANTS, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_POLL = 0.05


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where a difference is silent, or a training is lost."""
    options = _parser().parse_args(argv)
    chosen = [one for one in VARIANTS if _is_wanted(one, options)]
    if not chosen:
        _say("no such variant; a name is 'lightning/ema'")
        return 2
    started = time.monotonic()
    import_all(chosen)
    # A TemporaryDirectory would be removed at the end of each process that is forked from here.
    scratch = tempfile.mkdtemp(prefix="same-")
    try:
        folder = Path(options.folder or scratch).resolve()
        with wandb_for(chosen, folder / "server") as server:
            rows = run(chosen, folder, options.workers, options.places, server)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    seconds = time.monotonic() - started
    for line in lines_of(rows, seconds):
        sys.stdout.write(f"{line}\n")
    if options.page:
        page = Path(options.page)
        page.parent.mkdir(exist_ok=True)
        page.write_text("\n".join(markdown_of(rows, seconds)) + "\n")
    return int(any(row.came.is_bad for row in rows))


def import_all(chosen: Sequence[Variant]) -> None:
    """Import once what each run would: it takes ten times as long as a training."""
    torch.set_num_threads(1)
    for name in ("proofs.same.one", "resilient_training.checkpoints.reader"):
        import_module(name)
    for variant in chosen:
        if not variant.missing():
            variant.training()
            for name in variant.needs:
                import_module(name)


@contextmanager
def wandb_for(chosen: Sequence[Variant], folder: Path) -> Iterator[LocalWandb | None]:
    """A W&B server, where a variant needs one."""
    if not any(variant.served for variant in chosen):
        yield None
        return
    with LocalWandb.start(folder) as server:
        yield server


def run(
    chosen: Sequence[Variant],
    folder: Path,
    workers: int,
    places: str = "",
    server: LocalWandb | None = None,
) -> list[Row]:
    """Try the variants out, so many at a time, each in a process forked from this one."""
    waiting = list(chosen)
    running: dict[int, Variant] = {}
    rows: dict[str, list[Row]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            variant = waiting.pop(0)
            running[_start(variant, folder, places, server)] = variant
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            time.sleep(_POLL)
            continue
        variant = running.pop(child)
        rows[str(variant)] = _rows_of(variant, folder, os.waitstatus_to_exitcode(status))
        _say(f"{len(rows)} of {len(chosen)}: {variant}: {_in_short(rows[str(variant)])}")
    return [row for variant in chosen for row in rows[str(variant)]]


def _start(variant: Variant, folder: Path, places: str, server: LocalWandb | None) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        place = folder / str(variant)
        place.mkdir(parents=True)
        with (place / "rows.jsonl").open("w") as file:
            for row in try_out(variant, place, places, server if variant.served else None):
                file.write(row.write() + "\n")
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _rows_of(variant: Variant, folder: Path, code: int) -> list[Row]:
    file = folder / str(variant) / "rows.jsonl"
    rows = [Row.read(line) for line in file.read_text().splitlines()] if file.exists() else []
    if code:
        rows.append(Row(str(variant), "all", Came.LOST, f"the proof itself broke ({code})"))
    return rows


def _in_short(rows: Sequence[Row]) -> str:
    bad = [row for row in rows if row.came.is_bad]
    return f"{len(bad)} of {len(rows)} bad" if bad else f"{len(rows)} well"


def _is_wanted(variant: Variant, options: argparse.Namespace) -> bool:
    names = options.variants.split(",") if options.variants else None
    return (
        options.only in str(variant)
        and (names is None or variant.name in names)
        and (variant.quick or not options.quick)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proofs.same",
        description="Trainings as people write them, each unbroken and then broken in many places"
        " and resumed. Nothing may differ silently, and nothing may be lost.",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="names with it: lightning/ema")
    parser.add_argument("--variants", default="", metavar="NAMES", help="these: ema,plateau")
    parser.add_argument("--places", default="", metavar="TEXT", help="places with it: SIGTERM")
    parser.add_argument("--quick", action="store_true", help="what `make test` runs")
    workers = int(os.environ.get("WORKERS", "2"))
    parser.add_argument("--workers", type=int, default=workers, metavar="N")
    parser.add_argument("--page", default="build/same.md", metavar="FILE", help="as markdown")
    parser.add_argument("--folder", metavar="PATH", help="keep logs and checkpoints there")
    return parser


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
