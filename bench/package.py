"""The Lambda zip: its size, its parts, and what starting it costs with and without bytecode."""

import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.progress import Progress
from bench.report import Report
from local.stack import REPOSITORY

# What the template deploys.
_TARGET = ("--python", "3.13", "--arch", "arm64")
_PARTS = (
    ("functions/ (the controller)", ("on_training_ended", "sweep", "resilience/", "__pycache__/")),
    ("botocore: SageMaker's model", ("botocore/data/sagemaker/",)),
    ("botocore: other services' models", ("botocore/data/",)),
    ("botocore: code", ("botocore/",)),
    ("boto3, s3transfer", ("boto3/", "s3transfer/")),
    ("urllib3", ("urllib3/",)),
    ("aws-lambda-powertools", ("aws_lambda_powertools/",)),
    ("python-dateutil, jmespath, six, typing-extensions", ("",)),
)
_METADATA = "licences and metadata of all"


def size(progress: Progress) -> Iterator[Report]:
    """Build the zip as `sam build` does, and weigh it."""
    progress.say("package: building the zip for " + " ".join(_TARGET))
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "functions.zip"
        command = [sys.executable, str(REPOSITORY / "packaging" / "build.py"), *_TARGET]
        command += ["--into", str(Path(folder) / "functions"), "--zip", str(archive)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with zipfile.ZipFile(archive) as opened:
            yield _report(opened.infolist(), archive.stat().st_size)


def _report(entries: Iterable[zipfile.ZipInfo], total: int) -> Report:
    parts: dict[str, list[zipfile.ZipInfo]] = defaultdict(list)
    everything = list(entries)
    for entry in everything:
        parts[_part_of(entry.filename)].append(entry)
    bytecode = [entry for entry in everything if entry.filename.endswith(".pyc")]
    order = [*(name for name, _ in _PARTS), _METADATA]
    rows = [_row(name, parts[name]) for name in order if parts[name]]
    rows.append(_row("all of it", everything, total))
    rows.append(_row("of that, bytecode", bytecode))
    return Report(
        "The Lambda zip (python3.13, arm64; megabytes are millions of bytes)",
        ("part", "files", "zipped MB", "unzipped MB"),
        rows,
        ("Made by packaging/build.py in this run, as `sam build` makes it; aim: under 10 MB.",),
    )


def _part_of(name: str) -> str:
    if ".dist-info/" in name:
        return _METADATA
    return next(part for part, prefixes in _PARTS if name.startswith(prefixes))


def _row(name: str, entries: list[zipfile.ZipInfo], zipped: int | None = None) -> tuple[str, ...]:
    packed = sum(entry.compress_size for entry in entries) if zipped is None else zipped
    unpacked = sum(entry.file_size for entry in entries)
    return name, str(len(entries)), f"{packed / 1e6:.2f}", f"{unpacked / 1e6:.2f}"
