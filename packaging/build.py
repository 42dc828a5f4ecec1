"""Builds the Lambda zip: functions/, the locked dependencies, and nothing Lambda can do without.

The same input gives the same bytes, so a deploy without a change changes nothing.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
RUNNING_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNNING_ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"

# Vulnerability scanners read versions out of METADATA; licences ask to travel along.
KEPT_OF_DIST_INFO = ("METADATA", "LICEN", "NOTICE", "licenses")
# Where Lambda unpacks: bytecode names this, or its bytes would tell where it was built.
LAMBDA_ROOT = "/var/task"
# The first date that a zip can hold.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
# Lambda's own limits, zipped and unzipped, are 50 and 250 MB; ours keeps a cold start short.
ZIP_LIMIT = 10_000_000


class BuildError(Exception):
    """Something that the person who builds can mend."""


@dataclass(frozen=True)
class Target:
    python: str
    architecture: str


def services() -> frozenset[str]:
    lines = (HERE / "services.txt").read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def install(target: Target, into: Path) -> None:
    """Installs the lock and nothing else: wheels with their hashes, for the target machine."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(into), "--no-deps", "--no-compile", "--require-hashes"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", target.python]
    command += ["--platform", f"manylinux2014_{ARCHITECTURES[target.architecture]}"]
    command += ["--requirement", str(HERE / "requirements.lock")]
    if subprocess.run(command, check=False).returncode:
        raise BuildError("pip could not install packaging/requirements.lock; see its message above")


def copy_functions(into: Path) -> None:
    source = ROOT / "functions"
    for file in sorted(source.rglob("*.py")):
        copy = into / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def trim_service_models(into: Path) -> None:
    """Drops the models of services that nobody here calls; endpoints, partitions, retries stay."""
    kept = services()
    data = into / "botocore" / "data"
    for entry in sorted(data.iterdir()):
        if entry.is_dir() and entry.name not in kept:
            remove(entry)
    if missing := kept - {entry.name for entry in data.iterdir()}:
        raise BuildError(
            f"packaging/services.txt names what botocore has not: {', '.join(sorted(missing))}"
        )
    for examples in sorted(data.rglob("examples-1.json*")):
        remove(examples)
    remove(into / "boto3" / "data")  # the resource interface, which nothing here uses
    remove(into / "boto3" / "examples")


def trim_metadata(into: Path) -> None:
    for dist_info in sorted(into.glob("*.dist-info")):
        for entry in sorted(dist_info.iterdir()):
            if not entry.name.startswith(KEPT_OF_DIST_INFO):
                remove(entry)
    for scripts in into.glob("bin"):
        remove(scripts)


def interpreters(version: str) -> Iterator[str]:
    if version == RUNNING_PYTHON:
        yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")))


def is_python(executable: str, version: str) -> bool:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run(
        [executable, "-c", question], check=False, capture_output=True, text=True
    )
    return answer.stdout.strip() == version


def compile_bytecode(target: Target, into: Path) -> None:
    """Lambda's disk is read-only: what is not compiled here is compiled at each cold start."""
    python = next((i for i in interpreters(target.python) if is_python(i, target.python)), None)
    if python is None:
        print(
            f"warning: no python{target.python} on this machine, so the zip carries no bytecode: "
            "it works, and starts about half a second later",
            file=sys.stderr,
        )
        return
    command = [python, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(into), "-p", LAMBDA_ROOT, str(into)]
    # A fixed seed, because the order of a frozenset constant would differ from build to build.
    if subprocess.run(command, check=False, env={"PYTHONHASHSEED": "0"}).returncode:
        raise BuildError("a file does not compile; see the message above")


def files(of: Path) -> list[Path]:
    return sorted(path for path in of.rglob("*") if path.is_file())


def write_zip(source: Path, archive: Path) -> int:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for path in files(source):
            entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            out.writestr(entry, path.read_bytes())
    return archive.stat().st_size


def build(target: Target, into: Path) -> None:
    if into in (ROOT, *ROOT.parents):
        raise BuildError(f"{into} would be emptied first; name a directory of its own with --into")
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    install(target, into)
    copy_functions(into)
    trim_service_models(into)
    trim_metadata(into)
    compile_bytecode(target, into)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python",
        default=RUNNING_PYTHON,
        metavar="3.13",
        help="version to build for (default: this one)",
    )
    parser.add_argument(
        "--arch",
        default=RUNNING_ARCHITECTURE,
        choices=ARCHITECTURES,
        help="default: this machine's",
    )
    parser.add_argument(
        "--into",
        type=Path,
        default=ROOT / "build" / "functions",
        help="directory, which is emptied first",
    )
    parser.add_argument("--zip", type=Path, help="also write this zip")
    return parser.parse_args()


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def main() -> int:
    options = arguments()
    into = options.into.resolve()
    try:
        build(Target(options.python, options.arch), into)
    except BuildError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"{into}: {megabytes(sum(path.stat().st_size for path in files(into)))}")
    if options.zip:
        size = write_zip(into, options.zip)
        print(f"{options.zip}: {megabytes(size)}")
        if size > ZIP_LIMIT:
            print(
                f"error: more than {megabytes(ZIP_LIMIT)}; what came in with it?", file=sys.stderr
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
