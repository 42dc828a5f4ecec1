"""What a restore refuses: lost or other bytes, contradictions, and references to elsewhere.

The real SDKs, the local W&B and the local S3.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.checkpoint_script import Scripts, project_of
from tests.local.stores import (
    BUCKET,
    UNVERSIONED,
    LocalS3,
    content_of,
    versioned_bucket,
    written,
)

FILES = {"a": b"one", "sub/b": b"two"}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalS3]:
    with versioned_bucket() as served:
        yield served


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wandb")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[LocalWandb]:
    with LocalWandb.start(data) as running:
        yield running


@pytest.fixture
def scripts(
    server: LocalWandb, s3: LocalS3, tmp_path: Path, request: pytest.FixtureRequest
) -> Scripts:
    """Scripts whose first version, v0, is committed by reference; `store` may be set to empty."""
    written(tmp_path / "made", FILES)
    project = project_of(request.node.name)
    return Scripts(server, s3.environment, tmp_path, project, f"s3://{BUCKET}/{project}")


RESTORE = """
with run() as r:
    answer(restored(r, "back", **pinned("v0")))
"""


def made(scripts: Scripts, **given: str) -> None:
    script = """
    with run() as r:
        answer(commit(r))
    """
    assert scripts.answers(script, **given) == ["v0"]


def nothing_was_restored(scripts: Scripts) -> bool:
    return list((scripts.folder / "back").iterdir()) == []


@pytest.mark.long
def test_the_old_bytes_are_restored_after_their_objects_were_overwritten_and_deleted(
    scripts: Scripts, s3: LocalS3
) -> None:
    made(scripts)
    for key in s3.keys(BUCKET, scripts.project):
        s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"another one")
        s3.client.delete_object(Bucket=BUCKET, Key=key)
    assert scripts.answers(RESTORE) == [["v0", 15, "back/checkpoint-15"]]
    assert content_of(scripts.folder / "back/checkpoint-15") == FILES


@pytest.mark.long
def test_a_version_of_an_object_that_was_deleted_for_good_is_named(
    scripts: Scripts, s3: LocalS3
) -> None:
    made(scripts)
    for key in s3.keys(BUCKET, scripts.project):
        head = s3.client.head_object(Bucket=BUCKET, Key=key)
        s3.client.delete_object(Bucket=BUCKET, Key=key, VersionId=head["VersionId"])
    (refused,) = scripts.answers(RESTORE)
    assert refused.startswith(("CheckpointLoadError: v0: a is", "CheckpointLoadError: v0: sub/b"))
    assert "is gone from its store (NoSuch" in refused
    assert nothing_was_restored(scripts)


@pytest.mark.long
def test_an_unversioned_object_that_was_overwritten_is_refused(
    scripts: Scripts, s3: LocalS3
) -> None:
    store = f"s3://{UNVERSIONED}/{scripts.project}"
    made(scripts, store=store)
    (key,) = (key for key in s3.keys(UNVERSIONED, scripts.project) if key.endswith("/a"))
    s3.client.put_object(Bucket=UNVERSIONED, Key=key, Body=b"ONE")
    (refused,) = scripts.answers(RESTORE, store=store)
    assert refused.startswith("CheckpointLoadError: v0: a has the sha256 ")
    assert nothing_was_restored(scripts)


@pytest.mark.long
def test_a_store_that_does_not_answer_is_no_fault_of_the_checkpoint(scripts: Scripts) -> None:
    made(scripts)
    script = """
    import boto3
    from botocore.config import Config
    from resilient_training.run.restore import AWAY
    once = Config(retries={"total_max_attempts": 1})
    nobody = boto3.client("s3", endpoint_url=given["nobody"], config=once)
    store = lambda: S3Store(nobody, place_from(given["store"]))
    with run() as r:
        try:
            restored(r, "back", **pinned("v0"))
        except AWAY as error:
            answer([type(error).__name__, str(error)])
    """
    ((kind, text),) = scripts.answers(script, nobody=NOBODY)
    assert kind == "StoreError"
    assert text.startswith(f"s3://{BUCKET}/ cannot be used: Could not connect")


@pytest.mark.parametrize("allowed", ["", "s3://checkpoints-of-tests/elsewhere"])
def test_a_reference_outside_the_allowed_store_is_refused_before_anything_is_fetched(
    scripts: Scripts, allowed: str
) -> None:
    made(scripts)
    before = scripts.server.requests()
    script = """
    import os
    os.environ["AWS_ENDPOINT_URL"] = given["nobody"]
    with run() as r:
        answer(restored(r, "back", **pinned("v0")))
    """
    (refused,) = scripts.answers(script, store=allowed, nobody=NOBODY)
    assert refused.startswith(f"CheckpointLoadError: v0: the reference to 's3://{BUCKET}/")
    assert "is below no store that this job allows" in refused
    assert nothing_was_restored(scripts)
    fetched = "ArtifactMembershipFileUrls"
    assert scripts.server.requests().get(fetched, 0) == before.get(fetched, 0)


REFS = ["file:///etc/passwd", "http://127.0.0.1:9/metadata", "gs://bucket/a", "s3:bucket"]


def test_a_reference_to_another_kind_of_place_is_refused(scripts: Scripts) -> None:
    script = """
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry as Entry
    path = pathlib.Path("files.json")
    path.write_text("{}")
    with run() as r:
        for ref in given["refs"]:
            forged = wandb.Artifact("model-x", "model", metadata={"step": 15, "sha256": "0" * 64})
            forged.manifest.add_entry(Entry(path="a", ref=ref, digest=ref, size=1))
            forged.add_file(str(path))
            r.log_artifact(forged).wait()
    with run() as r:
        for number in range(len(given["refs"])):
            answer(restored(r, "back", **pinned(f"v{number}", TRAINING_JOB_NAME="another")))
    """
    for number, refused in enumerate(scripts.answers(script, refs=REFS)):
        why = f"v{number}: the reference to '{REFS[number]}' is below no store that this job allows"
        assert refused.startswith(f"CheckpointLoadError: {why}")


# How somebody who may log to the collection makes a version that contradicts itself.
FORGERIES = {
    "another list than the metadata's sha256 is of": (
        "sha256 of files.json is ",
        """
def metadata_of(*given):
    return honest.metadata_of(*given) | {"sha256": "0" * 64}
""",
    ),
    "no sha256 in the metadata": (
        "its metadata says None",
        """
def metadata_of(*given):
    return honest.metadata_of(*given) | {"sha256": None}
""",
    ),
    "a reference to another object of the same store": (
        "files.json and the manifest differ about a",
        """
def entry_of(file, bucket):
    entry = honest.entry_of(file, bucket)
    entry.ref = entry.ref.removesuffix("/a") + "/sub/b" if file.path == "a" else entry.ref
    return entry
""",
    ),
    "one more file than the list has": (
        "files.json and the manifest differ in 'more'",
        """
def artifact_of(*given):
    return with_one_more(honest.artifact_of(*given), "more")
""",
    ),
    "a name that the SDK fetches with the list": (
        "several of its names begin with files.json",
        """
def artifact_of(*given):
    return with_one_more(honest.artifact_of(*given), "files.json.b")
""",
    ),
    "a path that leaves the folder": (
        "files.json: no plain relative path: '../../.bashrc'",
        """
def to_bytes(files):
    return honest.to_bytes(files).replace(b'"path":"a"', b'"path":"../../.bashrc"')
""",
    ),
    "no list at all": (
        "it has no files.json: no resilient-run made it",
        """
def artifact_of(*given):
    made = honest.artifact_of(*given)
    del made.manifest.entries["files.json"]
    return made
""",
    ),
}
FORGING = """
from types import SimpleNamespace
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry as Entry
import resilient_training.run.artifact_of_checkpoint as artifacts
import resilient_training.run.commit as commits
homes = {
    "metadata_of": commits, "artifact_of": commits,
    "entry_of": artifacts, "to_bytes": artifacts.FileList,
}
honest = SimpleNamespace(**{name: getattr(home, name) for name, home in homes.items()})
def with_one_more(artifact, path):
    ref = next(entry.ref for entry in artifact.manifest.entries.values() if entry.ref)
    artifact.manifest.add_entry(Entry(path=path, ref=ref, digest="d", size=1))
    return artifact
with run() as r:
    for forged in given["forged"]:
        made = {}
        exec(forged, globals(), made)
        for name, home in homes.items():
            setattr(home, name, made.get(name, getattr(honest, name)))
        answer(commit(r))
for name, home in homes.items():
    setattr(home, name, getattr(honest, name))
with run() as r:
    for number in range(len(given["forged"])):
        answer(restored(r, "back", **pinned(f"v{number}", TRAINING_JOB_NAME="another")))
"""


def test_a_version_that_contradicts_itself_is_refused(scripts: Scripts) -> None:
    forged = [how for _, how in FORGERIES.values()]
    made, refusals = halves(scripts.answers(FORGING, forged=forged))
    assert made == [f"v{number}" for number in range(len(forged))]
    for version, refused, (why, _) in zip(made, refusals, FORGERIES.values(), strict=True):
        assert refused.startswith(f"CheckpointLoadError: {version}: ")
        assert why in refused
    assert nothing_was_restored(scripts)


def halves(answers: list[str]) -> tuple[list[str], list[str]]:
    return answers[: len(answers) // 2], answers[len(answers) // 2 :]


def test_metadata_that_a_stranger_edited_after_the_pin_is_refused(scripts: Scripts) -> None:
    script = """
    with run() as r:
        commit(r)
        of_pin = pinned("v0")
    held = artifact("v0")
    held.metadata["sha256"] = "0" * 64
    held.save()
    with run() as r:
        answer(restored(r, "back", **of_pin))
    """
    (refused,) = scripts.answers(script)
    assert refused.startswith("CheckpointLoadError: v0: sha256 of files.json is ")


@pytest.mark.long
def test_files_that_w_and_b_lost_or_has_otherwise_are_refused(scripts: Scripts, data: Path) -> None:
    script = """
    with run() as r:
        commit(r)
    answer([entry.digest for path, entry in artifact("v0").manifest.entries.items() if path == "a"])
    """
    ((digest,),) = scripts.answers(script, store="")
    blob = blob_of(data, digest)
    blob.write_bytes(b"ONE")
    (other,) = scripts.answers(RESTORE, store="")
    assert other.startswith("CheckpointLoadError: v0: a has the sha256 ")
    blob.unlink()
    (lost,) = scripts.answers(RESTORE, store="")
    assert lost.startswith("CheckpointLoadError: v0: ")
    assert nothing_was_restored(scripts)


def blob_of(data: Path, digest: str) -> Path:
    (blob,) = data.rglob(base64.b64decode(digest).hex())
    return blob


def test_without_a_pin_the_newest_version_that_is_whole_is_restored(
    scripts: Scripts, s3: LocalS3
) -> None:
    script = """
    with run() as r:
        commit(r)
        commit(r, name="checkpoint-20", step=20)
        commit(r, name="checkpoint-25", step=25)
        held = artifact("v2")
        held.aliases.append("suspect")
        held.save()
    """
    scripts.answers(script)
    for key in s3.keys(BUCKET, scripts.project):
        if "/checkpoint-20/" in key:
            head = s3.client.head_object(Bucket=BUCKET, Key=key)
            s3.client.delete_object(Bucket=BUCKET, Key=key, VersionId=head["VersionId"])
    restart = """
    with run() as r:
        answer(restored(r, "back"))
    """
    assert scripts.answers(restart) == [["v0", 15, "back/checkpoint-15"]]
    assert [path.name for path in (scripts.folder / "back").iterdir()] == ["checkpoint-15"]
