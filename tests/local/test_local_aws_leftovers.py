"""What an earlier run's jobs left on the disk goes, as the jobs themselves have gone."""

import stat
import subprocess
import sys
from pathlib import Path

from local.aws import REPOSITORY, LocalAws
from local.aws.leftovers import remove
from tests.local.local_sagemaker_driver import sagemaker_in

LEAVES = 'head -c 3000000 /dev/zero > "$SM_MODEL_DIR/model" && chmod 500 "$SM_MODEL_DIR"'


def folders(data: Path) -> list[str]:
    return [path.name for path in (data / "training-jobs").glob("*")]


def test_the_folders_of_jobs_that_nobody_knows_are_removed_and_told(tmp_path: Path) -> None:
    data = tmp_path / "aws"
    with sagemaker_in(data) as local:
        assert local.aws.notes == ()
        local.until(local.start("first", LEAVES))
        local.until(local.start("second", LEAVES))
        assert len(folders(data)) == 2
        of_this_run = folders(data)
    assert folders(data) == of_this_run
    with LocalAws.start(data) as aws:
        assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
        assert folders(data) == []
        (note,) = aws.notes
    assert note.startswith("removed the folders of 2 training jobs of an earlier run, 6.")


def test_what_else_is_in_the_directory_stays(tmp_path: Path) -> None:
    (tmp_path / "training-jobs" / "job").mkdir(parents=True)
    kept = tmp_path / "kept"
    kept.write_text("kept")
    (tmp_path / "training-jobs" / "job" / "link").symlink_to(kept)
    (tmp_path / "training-jobs" / "job" / "folder").symlink_to(tmp_path)
    assert remove(tmp_path) is not None
    assert (kept.read_text(), (tmp_path / "training-jobs").exists()) == ("kept", False)
    assert remove(tmp_path) is None


def test_a_second_server_takes_nothing_from_one_that_runs(tmp_path: Path) -> None:
    with sagemaker_in(tmp_path) as local:
        local.until(local.start("of-the-first", LEAVES))
        command = [sys.executable, "-m", "local.aws", "--port", "0", "--data", str(tmp_path)]
        second = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert (second.returncode, "is in use by another local AWS" in second.stderr) == (1, True)
        assert len(folders(tmp_path)) == 1


def test_its_directory_is_its_owners_alone(tmp_path: Path) -> None:
    with LocalAws.start(tmp_path / "new"):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
