"""The Lambda zip: its size, its parts, and what starting it costs with and without bytecode."""

import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.progress import Progress
from bench.report import Report
from local.stack import LAMBDA, REPOSITORY

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


def run(progress: Progress, _: int) -> Iterator[Report]:
    """Weigh the zip that `sam build` makes; where pip cannot reach its index, the local build."""
    with TemporaryDirectory() as folder:
        archive, what = Path(folder) / "functions.zip", " ".join(_TARGET)
        progress.say(f"package: building the zip for {what}")
        command = [sys.executable, str(REPOSITORY / "packaging" / "build.py"), *_TARGET]
        command += ["--into", str(Path(folder) / "functions"), "--zip", str(archive)]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            progress.say("package: that failed, see above; weighing build/functions instead")
            what = "this machine's own build"
            shutil.make_archive(str(archive.with_suffix("")), "zip", LAMBDA)
        with zipfile.ZipFile(archive) as opened:
            yield _report(what, opened.infolist(), archive.stat().st_size)


def _report(what: str, entries: Iterable[zipfile.ZipInfo], total: int) -> Report:
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
        f"The Lambda zip ({what}; megabytes are millions of bytes)",
        ("part", "files", "zipped MB", "unzipped MB"),
        rows,
        ("Made in this run by packaging/build.py, as `sam build` does it; aim: under 10 MB.",),
    )


def _part_of(name: str) -> str:
    if ".dist-info/" in name:
        return _METADATA
    return next(part for part, prefixes in _PARTS if name.startswith(prefixes))


def _row(name: str, entries: list[zipfile.ZipInfo], zipped: int | None = None) -> tuple[str, ...]:
    packed = sum(entry.compress_size for entry in entries) if zipped is None else zipped
    unpacked = sum(entry.file_size for entry in entries)
    return name, str(len(entries)), f"{packed / 1e6:.2f}", f"{unpacked / 1e6:.2f}"
