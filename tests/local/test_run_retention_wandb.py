"""Retention with the real SDKs, the local W&B and the local S3."""

import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from tests.local.checkpoint_script import RUN, TRAINING, Scripts, project_of
from tests.local.stores import BUCKET, LocalS3, versioned_bucket, written
from tests.local.training_process import PATIENCE, own_environment
from tests.unit.checkpoint_folders import safetensors, saved

WAITS = "touch begun; while [ ! -e done ]; do sleep 0.05; done"
# What a test of the parts has beside the prelude of all scripts.
PARTS = """
from datetime import timedelta
from resilient_training.run import orphans
from resilient_training.run.deleting import Retention
from resilient_training.run.keeping import JobFence
from resilient_training.run.lineage_objects import LineageObjects, Owner
from resilient_training.run.lineage_versions import KeptError, LineageVersions
from resilient_training.run.run_of_checkpoints import HOLDER, Lineage
from resilient_training.tags import NoTags
lineage = Lineage("local", given["project"], given["run"])
def objects(run=given["run"], root=given["job"]):
    owner = Owner("http://wandb", lineage.entity, lineage.project, run)
    kept = store()
    return LineageObjects(kept.client, kept.place, root, owner)
def versions():
    return LineageVersions(lineage, "model-" + given["run"])
def retention(made, holder="mine"):
    fence = JobFence(NoTags(), lambda: False)
    return Retention(job(), 2, holder, versions(), objects(), fence, made=made)
def seen_holder(run, word):
    run.config.update({HOLDER: word}, allow_val_change=True)
    while versions().look().holder != word:
        time.sleep(0.1)
import time
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalS3]:
    with versioned_bucket() as served:
        yield served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


@pytest.fixture
def scripts(
    server: LocalWandb, s3: LocalS3, tmp_path: Path, request: pytest.FixtureRequest
) -> Scripts:
    written(tmp_path / "made", {"a": b"1", "sub/b": b""})
    project = project_of(request.node.name)
    return Scripts(server, s3.environment, tmp_path, project, f"s3://{BUCKET}/{project}")


def answers(scripts: Scripts, script: str) -> list[Any]:
    return scripts.answers(PARTS + textwrap.dedent(script))


def words_in(s3: LocalS3, project: str) -> set[str]:
    keys = s3.keys(BUCKET, f"{project}/")
    return {found[1] for key in keys if (found := re.search(r"/a1/([0-9a-f]{8})/", key))}


@pytest.mark.long
def test_versions_go_with_their_very_objects_and_a_crash_leaves_what_is_found_again(
    scripts: Scripts, s3: LocalS3
) -> None:
    script = """
    orphans.GUARD = timedelta(0)
    with run() as r:
        seen_holder(r, "mine")
        objects().claim()
        made = [commit(r, step=step) for step in (10, 40, 41, 42, 43, 44, 79, 80)]
        versions_ = versions()
        versions_.look()
        versions_.delete("v2")  # and then a crash
        refused = artifact("v3")
        refused.aliases.append("mine")
        refused.save()
        artifact("v4").link("local/elsewhere/wanted")
        retention(made).run()
        there = versions()
        answer(sorted(one.name for one in there.look().versions))
        answer(sorted({key.split("/")[3] for _, key in there.references()}))
    """
    names, living = answers(scripts, script)
    # Two of the ladder, one with an alias, one with a link, and the newest. v2 was lost; v5 goes.
    assert names == ["v0", "v1", "v3", "v4", "v6", "v7"]
    assert words_in(s3, scripts.project) == set(living)


@pytest.mark.long
def test_below_a_root_that_another_lineage_has_claimed_no_orphan_is_deleted(
    scripts: Scripts, s3: LocalS3
) -> None:
    script = """
    orphans.GUARD = timedelta(0)
    with run() as r:
        seen_holder(r, "mine")
        objects().claim()
        objects("another").claim()
        made = [commit(r, step=step) for step in (10, 20)]
        versions_ = versions()
        versions_.look()
        store().upload(pathlib.Path("made"), ["a"], given["job"] + "/a1/cafecafe/checkpoint-5")
        retention(made).run()
        answer([objects().is_shared(), objects(root="other").is_shared()])
    """
    assert answers(scripts, script) == [[True, True]]
    assert "cafecafe" in words_in(s3, scripts.project)


@pytest.mark.long
def test_whoever_does_not_hold_the_run_of_checkpoints_deletes_nothing(scripts: Scripts) -> None:
    script = """
    with run() as r:
        seen_holder(r, "mine")
        made = [commit(r, step=step) for step in (10, 20, 30)]
        orphan = retention(made)
        orphan.run()
        seen_holder(r, "the successor's")
        made += [commit(r, step=step) for step in (40, 50, 60)]
        orphan.run()
        answer([orphan.superseded, sorted(one.name for one in versions().look().versions)])
    """
    assert answers(scripts, script) == [[True, ["v0", "v1", "v2", "v3", "v4", "v5"]]]


def checkpoint(folder: Path, step: int) -> None:
    files = {
        "trainer_state.json": b'{"global_step": %d}' % step,
        "rng_state.pth": saved(),
        "optimizer.pt": saved(),
        "scheduler.pt": saved(),
        "model.safetensors": safetensors(),
    }
    written(folder / ".making", files).rename(folder / f"checkpoint-{step}")


def test_a_training_with_keep_deletes_beside_its_uploads_and_a_dry_run_says_what_stays(
    scripts: Scripts, s3: LocalS3
) -> None:
    home = scripts.folder
    command = [sys.executable, "-m", "resilient_training.run", "--checkpoints", "out"]
    command += [
        "--layout",
        "huggingface",
        "--store",
        scripts.store,
        "--keep",
        "2",
        "--processes",
        "1",
    ]
    environment = {
        **own_environment(),
        **scripts.server.environment(home),
        **s3.environment,
        "WANDB_PROJECT": scripts.project,
        "WANDB_RUN_ID": RUN,
        "PYTHONPATH": str(TRAINING),
    }
    (home / "out").mkdir()
    deadline = time.monotonic() + PATIENCE
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--", "sh", "-c", WAITS], cwd=home, env=environment, stderr=log
        ) as wrapper,
    ):
        # One after the other: of two at once the older is dropped before its upload.
        step = 0
        while not (home / "begun").exists():  # what was there before is no checkpoint of its own
            assert wrapper.poll() is None, (home / "log").read_text()
            time.sleep(0.05)
        while "objects are deleted" not in (home / "log").read_text():
            step += 10
            checkpoint(home / "out", step)
            while f"checkpoint-{step} is committed" not in (home / "log").read_text():
                runs = wrapper.poll() is None and time.monotonic() < deadline
                assert runs, (home / "log").read_text()
                time.sleep(0.05)
        (home / "done").touch()
        assert wrapper.wait(PATIENCE) == 0, (home / "log").read_text()
    newest = step // 10 - 1
    names, words = answers(
        scripts,
        """
    there = versions()
    answer([one.name for one in there.look().versions])
    answer([key.split("/")[3] for _, key in there.references()])
    """,
    )
    assert {"v0", f"v{newest - 1}", f"v{newest}"} <= set(names)
    assert len(names) <= newest
    assert words_in(s3, scripts.project) == set(words)
    said = subprocess.run(
        [*command, "--dry-run", "--", "true"],
        cwd=home,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f"v{newest} (step {step}) stays: " in said
    assert "v0 (step 10) stays: ladder" in said
