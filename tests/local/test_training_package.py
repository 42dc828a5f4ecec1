"""The training side as a package that a stranger installs from a checkout."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_training_side_installs_from_a_checkout_and_is_all_there(tmp_path: Path) -> None:
    source = tmp_path / "checkout"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "training", "pyproject.toml", "LICENSE"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, tracked.stdout.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("resilient_training-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    modules = {
        path.relative_to(ROOT / "training")
        for path in (ROOT / "training" / "resilient_training").rglob("*.py")
    }
    installed = tmp_path / "installed"
    assert modules == {path.relative_to(installed) for path in installed.rglob("*.py")}
    assert (installed / "resilient_training" / "py.typed").is_file()
    subprocess.run(
        [sys.executable, "-c", "import resilient_training as r; r.resilient, r.Attempt"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        check=True,
    )
