"""Retention at work: the order of its steps, what ends it, and what a crash leaves behind."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resilient_training.run.deleting import NotNowError
from resilient_training.run.file_list import ListedFile
from resilient_training.run.orphans import GUARD
from resilient_training.run.store_errors import StoreError
from tests.unit.retained import job_of
from tests.unit.retention_world import (
    BELOW,
    Crash,
    OpenFence,
    World,
    WorldsVersions,
    retention_in,
)

DAY = timedelta(days=1)


def trained(*, dies_at: int | None = None, saves: int = 12) -> tuple[World, list[str]]:
    world = World(dies_at=dies_at)
    return world, [world.commit(step) for step in range(100, 100 * saves + 100, 100)]


def moments() -> int:
    world, made = trained()
    retention_in(world, job_of(), made).run()
    return world.moments


def names(*numbers: int) -> set[str]:
    return {f"v{number}" for number in numbers}


def test_what_is_not_kept_goes_with_its_objects_and_all_else_stays() -> None:
    world, made = trained()
    retention_in(world, job_of(), made).run()
    assert world.versions.keys() == names(11, 10, 9, 6, 1, 0)
    assert world.is_whole()
    assert not world.has_orphans()


def test_each_version_goes_from_wandb_before_the_first_of_its_objects() -> None:
    world, made = trained()
    calls: list[str] = []
    world.before = calls.append
    retention_in(world, job_of(), made).run()
    of_one = ["contents", "delete version", "is gone", "delete object", "delete object"]
    assert calls == ["look", *(of_one * 6), "listing", "references"]


@pytest.mark.parametrize("moment", range(moments()))
def test_a_crash_at_any_moment_leaves_nothing_that_the_next_attempt_does_not_find(
    moment: int,
) -> None:
    world, made = trained(dies_at=moment)
    with pytest.raises(Crash):
        retention_in(world, job_of(), made).run()
    assert world.is_whole()
    assert names(11, 10) <= world.versions.keys()
    world.dies_at = None
    world.now += 2 * DAY
    later = world.commit(1300, attempt=2)
    world.upload(2, "cafecafe")  # under way
    retention_in(world, job_of(2, "v11", 1200), [later]).run()
    assert world.is_whole()
    assert names(12, 11, 10) <= world.versions.keys()
    left = {key for key in world.objects if "/cafecafe/" in key}
    assert len(left) == 2
    for key in left:
        del world.objects[key]
    assert not world.has_orphans()


def test_what_the_store_did_not_delete_is_deleted_after_the_next_commit() -> None:
    world, made = trained()
    retention = retention_in(world, job_of(), made)

    def away(call: str) -> None:
        if call == "delete object":
            raise StoreError("away")

    world.before = away
    with pytest.raises(StoreError):
        retention.run()
    assert len(world.versions) == 11  # one at a time: what cannot be freed is not unlinked
    with pytest.raises(StoreError):
        retention.run()
    assert len(world.versions) == 11
    world.before = lambda _: None
    retention.run()
    assert len(world.versions) == 6
    assert not world.has_orphans()


def test_a_deletion_that_wandb_did_not_answer_deletes_no_object_of_a_version_that_lives() -> None:
    world, made = trained()
    retention = retention_in(world, job_of(), made)

    def away(call: str) -> None:
        if call == "delete version":
            raise TimeoutError

    world.before = away
    with pytest.raises(TimeoutError):
        retention.run()
    world.before = lambda _: None
    world.versions = {
        name: replace(one, marks=one.marks | {"mine"}) for name, one in world.versions.items()
    }
    retention.run()
    assert len(world.versions) == 12
    assert world.is_whole()


def test_an_alias_that_a_person_gives_meanwhile_keeps_the_version() -> None:
    world, made = trained()

    def given(call: str) -> None:
        if call == "contents":
            world.versions["v1"] = replace(world.versions["v1"], marks=frozenset({"mine"}))

    world.before = given
    retention_in(world, job_of(), made).run()
    assert "v1" in world.versions
    assert world.is_whole()


def test_a_version_whose_files_lie_elsewhere_stays_with_all_its_objects() -> None:
    world, made = trained()
    other = world.lists["v2"]
    world.lists["v1"] = replace(other, word=world.lists["v1"].word)  # claims another's objects
    retention_in(world, job_of(), made).run()
    assert "v1" in world.versions
    elsewhere = replace(other, files=tuple(_moved(file) for file in other.files))
    world.lists["v1"] = elsewhere
    retention_in(world, job_of(), made).run()
    assert "v1" in world.versions


def _moved(file: ListedFile) -> ListedFile:
    assert file.stored is not None
    key = file.stored.key.replace("team/root/", "team/root-r2/")
    return replace(file, stored=replace(file.stored, key=key))


def test_an_orphan_stops_for_good_once_its_successor_has_begun_the_run() -> None:
    world, made = trained(saves=4)
    orphan = retention_in(world, job_of(), made)
    orphan.run()
    there = set(world.versions)
    world.holder = "the successor's"
    orphan.made += [world.commit(step) for step in range(500, 2000, 100)]
    orphan.run()
    assert orphan.superseded
    assert there <= world.versions.keys()
    world.holder = orphan.holder  # whatever W&B shows later
    orphan.run()
    assert there <= world.versions.keys()


def test_an_orphan_stops_for_good_once_a_later_attempt_has_committed() -> None:
    world, made = trained()
    orphan = retention_in(world, job_of(), made)
    world.commit(700, attempt=2)
    orphan.run()
    assert orphan.superseded
    assert len(world.versions) == 13


def test_an_attempt_stops_for_good_once_the_controller_has_decided_on_it() -> None:
    world, made = trained()
    orphan = retention_in(world, job_of(), made, OpenFence(decided=True))
    orphan.run()
    assert orphan.superseded
    assert len(world.versions) == 12


def test_nothing_is_deleted_while_wandb_does_not_show_this_wrapper_as_the_newest() -> None:
    world, made = trained()
    retention = retention_in(world, job_of(), made)
    mine, world.holder = world.holder, "of the life before"
    with pytest.raises(NotNowError):
        retention.run()
    assert len(world.versions) == 12
    world.holder = mine
    retention.run()
    assert len(world.versions) == 6


def test_no_deletion_begins_once_the_training_ends() -> None:
    world, made = trained()
    fence = OpenFence()

    def ends(call: str) -> None:
        fence.closed = fence.closed or call == "delete object"

    world.before = ends
    with pytest.raises(NotNowError):
        retention_in(world, job_of(), made, fence).run()
    assert len(world.versions) == 11
    assert not world.has_orphans()


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_an_upload_under_way_is_no_orphan_whichever_attempt_makes_it(attempt: int) -> None:
    world, made = trained()
    world.upload(attempt, "cafecafe")
    world.now += GUARD - timedelta(seconds=1)
    retention_in(world, job_of(2), [*made, world.commit(1300, 2)]).run()
    assert any("/cafecafe/" in key for key in world.objects)
    world.now += timedelta(seconds=1)
    retention_in(world, job_of(2), [world.commit(1400, 2)]).run()
    # What is of a later attempt is never this one's to judge.
    assert any("/cafecafe/" in key for key in world.objects) is (attempt == 3)


def test_orphans_stay_where_another_lineage_may_upload_below_the_same_root() -> None:
    world, made = trained()
    world.upload(1, "cafecafe")
    world.now += 2 * DAY
    world.shared = True
    retention_in(world, job_of(), [*made, world.commit(1300)]).run()
    assert any("/cafecafe/" in key for key in world.objects)


def test_what_is_no_checkpoints_file_is_no_orphan_however_old() -> None:
    world, made = trained()
    for key in ("a1/meet/announced.json", "lineages/0.json", "a1/cafecafe", "x/cafecafe/file"):
        world.objects[BELOW.key(key)] = world.now
    before = set(world.objects)
    world.now += 30 * DAY
    retention_in(world, job_of(), [*made, world.commit(1300)]).run()
    assert {key for key in before if "/0000" not in key} <= world.objects.keys()


def test_a_version_that_cannot_be_read_is_asked_for_once_and_not_at_each_commit() -> None:
    world, made = trained()
    asked: list[str] = []
    world.before = asked.append
    retention = retention_in(world, job_of(), made)
    for name in made:
        world.lists[name] = replace(world.lists[name], word="ffffffff")
    retention.run()
    count = asked.count("contents")
    retention.run()
    assert asked.count("contents") == count
    assert len(world.versions) == 12
    assert isinstance(retention.versions, WorldsVersions)
