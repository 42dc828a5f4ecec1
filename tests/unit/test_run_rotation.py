from pathlib import Path

from resilient_training.run.messages import Kept
from resilient_training.run.rotation import rotate

STEPS = {"step-10": 10, "step-20": 20, "step-30": 30, "last.pt": 5, "gone": 1, "unknown": None}


def test_what_the_first_host_has_deleted_is_deleted_here(tmp_path: Path) -> None:
    for name in ("step-10", "step-20", "step-30", "unknown"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "rank").write_text("x")
    (tmp_path / "last.pt").write_text("x")
    deleted = rotate(tmp_path, STEPS, Kept("00000001", 30, ("step-20", "step-30")))
    assert deleted == ["last.pt", "step-10"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-20", "step-30", "unknown"]


def test_nothing_is_deleted_that_is_newer_than_the_commit(tmp_path: Path) -> None:
    (tmp_path / "step-40").mkdir()
    assert rotate(tmp_path, {"step-40": 40}, Kept("00000001", 30, ())) == []
    assert (tmp_path / "step-40").is_dir()
