"""A checkpoint of many files goes to W&B and comes back, by upload and by reference.

The real SDKs, the local W&B and the local S3.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.checkpoint_script import JOB, Scripts, project_of
from tests.local.stores import BUCKET, LocalS3, content_of, noise, sha256, versioned_bucket, written

FILES = {"model.safetensors": noise(20_000), "rng_state_0.pth": b"", "sub/.metadata": b"{}"}


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
def by_upload(
    server: LocalWandb, s3: LocalS3, tmp_path: Path, request: pytest.FixtureRequest
) -> Scripts:
    written(tmp_path / "made", FILES)
    return Scripts(server, s3.environment, tmp_path, project_of(request.node.name))


@pytest.fixture
def by_reference(
    server: LocalWandb, s3: LocalS3, tmp_path: Path, request: pytest.FixtureRequest
) -> Scripts:
    written(tmp_path / "made", FILES)
    project = project_of(request.node.name)
    return Scripts(server, s3.environment, tmp_path, project, f"s3://{BUCKET}/{project}")


@pytest.fixture(params=["by_upload", "by_reference"])
def scripts(request: pytest.FixtureRequest) -> Scripts:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Scripts)
    return found


BACK = {f"checkpoint-15/{name}": content for name, content in FILES.items()}


def test_a_checkpoint_comes_back_as_it_was_by_upload_and_by_reference(scripts: Scripts) -> None:
    script = """
    with run() as r:
        answer(commit(r, RESILIENCE_COMPLETION_TOKEN=given["token"]))
    held = artifact("v0")
    answer(held.metadata)
    answer([held.type, held.logged_by().id, held.aliases])
    with run() as r:
        answer(restored(r, "back", **pinned("v0")))
        answer(restored(r, "again", RESILIENCE_COMPLETION_TOKEN=given["token"]))
    """
    version, metadata, of, pinned, sealed = scripts.answers(script)
    assert version == "v0"
    assert of == ["model", "x-checkpoints", ["latest"]]
    assert pinned == ["v0", 15, "back/checkpoint-15"]
    assert sealed == ["v0", 15, "again/checkpoint-15"]
    assert content_of(scripts.folder / "back") == content_of(scripts.folder / "again") == BACK
    kept = {"store": scripts.store + "/"} if scripts.store else {}
    changing = {key: metadata.pop(key) for key in ("sha256", "seal", "wandb")}
    assert all(changing.values())
    assert metadata == kept | {
        "step": 15,
        "attempt": 1,
        "training_job": JOB,
        "layout": "huggingface",
        "folder": "checkpoint-15",
        "files": 3,
        "bytes": 20_002,
        "processes": 2,
    }


def test_what_is_below_the_entries_extra_survives_as_wandbs_own_references_do(
    by_reference: Scripts,
) -> None:
    """`artifact.manifest.add_entry` is half public: this says when a new wandb changes it."""
    script = """
    with run() as r:
        commit(r)
    def shown(manifest):
        return {
            path: [entry.ref, entry.digest, entry.size, entry.extra]
            for path, entry in manifest.entries.items() if entry.ref
        }
    held = artifact("v0")
    answer(shown(held.manifest))
    theirs = wandb.Artifact("theirs", "model")
    for path, entry in held.manifest.entries.items():
        if entry.size and entry.ref:
            theirs.add_reference(entry.ref, path)
    answer(shown(theirs.manifest))
    """
    ours, theirs = by_reference.answers(script)
    hashes = {path: entry[3].pop("sha256") for path, entry in ours.items()}
    assert hashes == {path: sha256(content) for path, content in FILES.items()}
    empty = ours.pop("rng_state_0.pth")
    assert empty[2] == 0
    assert ours == theirs
    assert all({"etag", "versionID"} == entry[3].keys() for entry in ours.values())


@pytest.mark.long
def test_the_same_bytes_committed_again_are_a_version_of_their_own(scripts: Scripts) -> None:
    """A replayed checkpoint may not become a version that was rejected."""
    script = """
    with run() as r:
        answer([commit(r), commit(r)])
    """
    assert scripts.answers(script) == [["v0", "v1"]]


@pytest.mark.long
def test_a_checkpoint_that_is_one_file_comes_back_as_a_file(scripts: Scripts) -> None:
    written(scripts.folder / "one", {"last.pt": b"weights"})
    script = """
    with run() as r:
        commit(r, "one", "last.pt")
    with run() as r:
        answer(restored(r, "back", **pinned("v0")))
        answer(restored(r, "back", **pinned("v0")))
    """
    first, again = scripts.answers(script)
    assert first == again == ["v0", 15, "back/last.pt"]
    assert content_of(scripts.folder / "back") == {"last.pt": b"weights"}


@pytest.mark.long
def test_what_is_on_the_disk_already_stays_and_what_differs_goes_aside(scripts: Scripts) -> None:
    written(scripts.folder / "other/checkpoint-15", FILES | {"model.safetensors": b"of a replay"})
    written(scripts.folder / "more/checkpoint-15", FILES | {"more": b"x"})
    written(scripts.folder / "same/checkpoint-15", FILES)
    script = """
    with run() as r:
        commit(r)
    model = pathlib.Path("same/checkpoint-15/model.safetensors")
    before = model.stat().st_ino
    with run() as r:
        for parent in ("other", "more", "same"):
            answer(restored(r, parent, **pinned("v0")))
    answer(model.stat().st_ino == before)
    """
    other, more, same, stayed = scripts.answers(script)
    assert [other[0], more[0], same[0], stayed] == ["v0", "v0", "v0", True]
    assert content_of(scripts.folder / "same") == BACK
    for parent in ("other", "more"):
        found = content_of(scripts.folder / parent)
        assert {name: found.pop(name) for name in BACK} == BACK
        assert all(name.startswith(".resilience-aside-") for name in found)
        assert b"of a replay" in found.values() or b"x" in found.values()


@pytest.mark.long
def test_who_settles_the_files_says_where_the_checkpoint_is(scripts: Scripts) -> None:
    script = """
    with run() as r:
        commit(r)
    pin = job(**pinned("v0")).pin
    calls = []
    def settle(found, files):
        calls.append(["settled", sorted(path.name for path in found.iterdir())])
        return found.rename(parent / "elsewhere")
    parent = pathlib.Path("back")
    to = Destination(parent, settle=settle, keep=lambda files: calls.append(["kept", files.folder]))
    answer(str(restore_pinned(pin, Pinned(), store(), to).folder))
    (parent / "elsewhere").rename(parent / "checkpoint-15")
    answer(str(restore_pinned(pin, Pinned(), store(), to).folder))
    answer(calls)
    """
    first, again, calls = scripts.answers(script)
    assert (first, again) == ("back/elsewhere", "back/checkpoint-15")
    settled = ["settled", ["model.safetensors", "rng_state_0.pth", "sub"]]
    assert calls == [settled, ["kept", "checkpoint-15"]]
    assert content_of(scripts.folder / "back") == BACK


def test_a_restored_container_takes_its_runs_newest_version_and_no_strangers(
    scripts: Scripts,
) -> None:
    """Of the lineage are the training's own run and the run of its checkpoints."""
    script = """
    with run() as r:
        answer(commit(r))
    with run() as r:
        answer(restored(r, "first"))
    there = {"RESILIENCE_COLLECTION": f"local/{given['project']}/model-x"}
    with wandb.init(id="stranger", project=given["project"]) as r:
        answer(commit(r, step=900, **there))
    with wandb.init(id="x", project=given["project"]) as r:
        answer(commit(r, step=20))
    with run() as r:
        answer(restored(r, "second"))
    """
    made, first, strangers, own, second = scripts.answers(script)
    assert [made, strangers, own] == ["v0", "v1", "v2"]
    assert first == ["v0", 15, "first/checkpoint-15"]
    assert second == ["v2", 20, "second/checkpoint-15"]


@pytest.mark.long
def test_a_one_file_checkpoint_of_the_trainings_own_takes_no_pins_place(scripts: Scripts) -> None:
    script = """
    with run() as r:
        commit(r)
    of_pin = pinned("v0")
    with wandb.init(id="x", project=given["project"]) as r:
        pathlib.Path("model.ckpt").write_text("weights")
        metadata = {"step": 20, "training_job": given["job"], "sha256": "0" * 64}
        own = wandb.Artifact("model-x", "model", metadata=metadata)
        own.add_file("model.ckpt")
        answer(r.log_artifact(own).wait().version)
    with run() as r:
        answer(restored(r, "back", **of_pin))
    """
    assert scripts.answers(script) == ["v1", ["v0", 15, "back/checkpoint-15"]]


def test_other_hosts_restore_the_version_that_the_first_host_chose(scripts: Scripts) -> None:
    script = """
    with run() as r:
        commit(r)
    pin = job(**pinned("v0")).pin
    found = restore_pinned(pin, Pinned(), store(), Destination(pathlib.Path("back")))
    answer([found.version, found.step, found.layout, found.digest == pin.digest])
    """
    assert scripts.answers(script) == [["v0", 15, "huggingface", True]]
    assert content_of(scripts.folder / "back") == BACK


def test_a_disk_that_is_full_is_a_clear_error_and_leaves_no_half(scripts: Scripts) -> None:
    script = """
    import resource
    with run() as r:
        commit(r)
    with run() as r:
        of_pin = pinned("v0")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        answer(restored(r, "back", **of_pin))
    """
    (refused,) = scripts.answers(script)
    assert "disk full: a checkpoint of " in refused
    assert "does not fit into " in refused
    assert list((scripts.folder / "back").iterdir()) == []


def test_what_must_not_be_loaded_gets_no_name(scripts: Scripts) -> None:
    script = """
    with run() as r:
        commit(r)
    def inspect(folder):
        assert (folder / "sub/.metadata").is_file()
        raise ValueError("sub/.metadata would run code")
    pin = job(**pinned("v0")).pin
    try:
        restore_pinned(pin, Pinned(), store(), Destination(pathlib.Path("back"), inspect))
    except CheckpointLoadError as error:
        answer(str(error))
    """
    why = "ValueError: sub/.metadata would run code"
    assert scripts.answers(script) == [f"v0: {why}"]
    assert list((scripts.folder / "back").iterdir()) == []
