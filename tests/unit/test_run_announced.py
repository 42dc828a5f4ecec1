"""What a host beside the first one gives of the checkpoints that the first host announces."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resilient_training.run.announced import Announced
from resilient_training.run.file_list import ListedFile, Stored
from resilient_training.run.layouts import layout_named
from resilient_training.run.meeting import FirstHost, OtherHost
from resilient_training.run.messages import Announcement
from resilient_training.run.snapshot import Snapshot
from tests.unit.hosts_of_a_job import MemoryBoard, key_of

ROUND = "00000001"
PART = "__1_0.distcp"


@dataclass
class Clock:
    """Time goes on only while somebody waits; `waits` counts how often."""

    now: float = 0.0
    waits: int = 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1


@dataclass
class World:
    """The second host's disk and the board; the first host speaks by `first`."""

    parent: Path
    board: MemoryBoard = field(default_factory=MemoryBoard)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.first = FirstHost(self.board, ("algo-2",), ROUND, key_of)
        self.other = OtherHost(self.board, "algo-2", ROUND)
        self.announced = Announced(
            self.parent,
            None,
            self.parent.parent / "snapshots",
            clock=lambda: self.clock.now,
            sleep=self.clock.sleep,
            other=self.other,
        )

    def save(self, step: int, files: dict[str, bytes] | None = None) -> None:
        for path, content in (files or {PART: b"part"}).items():
            place = self.parent / f"step-{step}" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    def announce(self, step: int, word: str = "0000000a", **wanted: int | None) -> Announcement:
        return self.first.announce(word, f"step-{step}", wanted or {PART: 4})

    def look(self, *, final: bool = False) -> list[Snapshot]:
        found = []
        for snapshot in self.announced.found(final=final):
            assert isinstance(snapshot, Snapshot)
            found.append(snapshot)
        return found

    def upload(self, part: Snapshot) -> None:
        asked = self.announced.of(part)
        files = [
            ListedFile(
                path, size, "0" * 64, Stored(key_of(asked.word, "algo-2", asked.folder, path), "e")
            )
            for path, size in part.files.items()
        ]
        self.other.answer(asked, files)
        part.remove()

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.parent.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "out").mkdir()
    return World(tmp_path / "out")


def test_before_the_round_has_begun_nothing_is_found(world: World) -> None:
    world.save(4)
    world.announce(4)
    world.announced.other = None
    assert world.look() == world.look() == []


def test_a_part_is_given_once_it_was_the_same_at_two_looks(world: World) -> None:
    world.save(4, {PART: b"part", "other": b"nobody asks for it"})
    world.announce(4)
    assert world.look() == []
    (part,) = world.look()
    assert (part.name, dict(part.files)) == ("step-4", {PART: 4})
    assert world.announced.of(part).word == "0000000a"


def test_a_part_that_is_still_written_is_waited_for(world: World) -> None:
    world.announce(4)
    world.save(4, {PART: b"pa"})
    assert world.look() == world.look() == []
    world.save(4)
    assert world.look() == []
    assert [part.name for part in world.look()] == ["step-4"]


def test_a_part_that_is_being_uploaded_is_not_given_again(world: World) -> None:
    world.save(4)
    world.announce(4)
    world.look()
    (part,) = world.look()
    assert world.look() == world.look() == []
    world.upload(part)
    assert world.look() == []


def test_a_part_that_was_dropped_before_its_upload_is_given_again(world: World) -> None:
    world.save(4)
    world.announce(4)
    world.look()
    (part,) = world.look()
    part.remove()
    assert [one.name for one in world.look()] == ["step-4"]


def test_of_a_part_that_is_on_its_way_the_files_that_came_since_are_given(world: World) -> None:
    world.announce(4, x=1, y=1)
    world.save(4, {"x": b"x"})
    world.look()
    (first,) = world.look()
    world.save(4, {"y": b"y"})
    world.look()
    (second,) = world.look()
    assert (dict(first.files), dict(second.files)) == ({"x": 1}, {"y": 1})


def test_the_same_folder_under_a_new_word_is_given_anew(world: World) -> None:
    world.save(4)
    world.announce(4)
    world.look()
    (part,) = world.look()
    world.announce(4, "0000000b")
    world.look()
    (again,) = world.look()
    assert world.announced.of(part).word == "0000000a"
    assert world.announced.of(again).word == "0000000b"


@pytest.mark.parametrize("request_", [1, 2, 3])
def test_a_board_that_is_away_is_asked_again(request_: int, world: World) -> None:
    world.save(4)
    world.announce(4)
    world.board.weather.left = request_
    found = [part.name for _ in range(3) for part in world.look()]
    assert found == ["step-4"]


def test_at_the_end_the_last_announcement_is_waited_for(world: World) -> None:
    """The first host announces only what it has seen complete, and one after the other."""
    world.save(4)
    sleep = world.clock.sleep

    def slept(seconds: float) -> None:
        sleep(seconds)
        if world.clock.waits == 5:
            world.announce(4)

    world.announced.sleep = slept
    assert [part.name for part in world.look(final=True)] == ["step-4"]
    assert world.clock.now < world.announced.patience


def test_at_the_end_nothing_is_waited_for_where_all_is_committed(world: World) -> None:
    world.save(4)
    world.first.tell_kept(4, ["step-4"])
    assert world.look(final=True) == []
    assert world.clock.waits == 0


def test_at_the_end_a_disk_without_checkpoints_waits_for_nothing(world: World) -> None:
    assert world.look(final=True) == []
    assert world.clock.waits == 0


def test_a_first_host_that_says_nothing_more_is_waited_for_no_longer_than_the_patience(
    world: World,
) -> None:
    world.save(4)
    assert world.look(final=True) == []
    assert world.clock.now == world.announced.patience


@pytest.mark.parametrize("layout", [None, "dcp", "torchtitan"])
def test_a_disk_that_holds_parts_alone_is_rotated_as_the_first_hosts(
    layout: str | None, world: World
) -> None:
    world.announced.layout = None if layout is None else layout_named(layout)
    for step in (4, 8, 12, 16):
        world.save(step)
    world.first.tell_kept(12, ["step-8", "step-12", "notes.txt"])
    world.look()
    assert world.names == ["step-12", "step-16", "step-8"]
