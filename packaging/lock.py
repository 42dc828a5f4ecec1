"""Writes requirements.lock: every distribution in the Lambda zip, with its version and its hash.

Run it after a change to requirements.txt: `python packaging/lock.py`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HEADER = (
    "# Made by packaging/lock.py from requirements.txt. The build installs this and nothing else.\n"
)


def resolved(*options: str) -> list[dict[str, Any]]:
    """What pip would install on another machine, asked of pip itself; nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--report", "-"]
    command += ["--python-version", "3.13", "--implementation", "cp", "--target", str(HERE)]
    report = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE)
    installed: list[dict[str, Any]] = json.loads(report.stdout)["install"]
    return installed


def line(distribution: dict[str, Any]) -> str:
    name = distribution["metadata"]["name"].lower().replace("_", "-")
    digest = distribution["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={distribution['metadata']['version']} --hash=sha256:{digest}\n"


def main() -> None:
    found = resolved("--requirement", str(HERE.parent / "requirements.txt"))
    (HERE / "requirements.lock").write_text(HEADER + "".join(sorted(map(line, found))))


if __name__ == "__main__":
    main()
