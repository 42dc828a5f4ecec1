"""From a snapshot to a commit: what is sent again, and what is not committed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resilient_training.job import Job, job_from
from resilient_training.run.artifact_of_checkpoint import Checkpoint, NotCommittedError
from resilient_training.run.delivery import NOT_DELIVERED, Delivery
from resilient_training.run.file_hashes import listed
from resilient_training.run.file_list import ListedFile, Stored
from resilient_training.run.invalid_input import InvalidInputError
from resilient_training.run.meeting import FirstHost, Missing, OtherHost
from resilient_training.run.place import Place, place_from
from resilient_training.run.run_of_checkpoints import Lineage
from resilient_training.run.several_hosts import FirstDelivery, Part, PartDelivery, keys_of
from resilient_training.run.store import Store, never
from resilient_training.run.store_errors import Overtaken, StoreError
from tests.unit.hosts_of_a_job import MemoryBoard

ROUND = "00000001"
JOB = job_from({"TRAINING_JOB_NAME": "night"})


@dataclass
class FolderStore:
    """Notes what was sent; `after` happens behind each upload."""

    place: Place = field(default_factory=lambda: place_from("s3://bucket/team"))
    sent: list[str] = field(default_factory=list)
    fails: int = 0
    after: Callable[[], None] = lambda: None

    def trusts(self, bucket: str, key: str) -> bool:
        return self.place.holds(bucket, key)

    def moved(self) -> int:
        return len(self.sent)

    def upload(
        self, folder: Path, names: Iterable[str], under: str, overtaken: Callable[[], bool] = never
    ) -> tuple[ListedFile, ...]:
        if overtaken():
            raise Overtaken
        if self.fails:
            self.fails -= 1
            raise StoreError("away")
        files = listed(folder, names)
        keys = [self.place.key(under, file.path) for file in files]
        self.sent += keys
        self.after()
        stored = (Stored(key, "etag", "v") for key in keys)
        return tuple(
            ListedFile(file.path, file.size, file.sha256, place)
            for file, place in zip(files, stored, strict=True)
        )

    def download(self, bucket: str, files: Sequence[ListedFile], into: Path) -> None:
        raise NotImplementedError


@dataclass
class CommitsInMemory:
    job: Job = JOB
    lineage: Lineage = field(default_factory=lambda: Lineage("team", "digits", "x"))
    away: int = 0
    made: list[Checkpoint] = field(default_factory=list)

    def commit(self, checkpoint: Checkpoint, source: Path | None = None) -> str:
        if self.away:
            self.away -= 1
            raise NotCommittedError("W&B does not answer")
        assert checkpoint.store is not None or source is not None
        self.made.append(checkpoint)
        return f"v{len(self.made) - 1}"

    def uploaded_bytes(self) -> int | None:
        return None


@dataclass
class Taken:
    folder: Path
    name: str = "step-15"
    step: int | None = 15
    layout: str = "dcp"
    elsewhere: Mapping[str, int | None] = field(default_factory=dict)
    changed: str | None = None

    @property
    def files(self) -> Mapping[str, int]:
        return {path.name: path.stat().st_size for path in self.folder.iterdir()}

    def change(self) -> str | None:
        return self.changed


@pytest.fixture
def taken(tmp_path: Path) -> Taken:
    folder = tmp_path / "step-15-0a"
    folder.mkdir()
    (folder / ".metadata").write_bytes(b"m")
    (folder / "rank-0").write_bytes(b"zero")
    return Taken(folder)


@dataclass
class Alone:
    commits: CommitsInMemory = field(default_factory=CommitsInMemory)
    store: FolderStore = field(default_factory=FolderStore)

    def delivery(self, *, stored: bool = True) -> Delivery:
        store: Store | None = self.store if stored else None
        return Delivery(self.commits, store, 2)


def test_files_are_sent_under_root_attempt_and_a_word_that_the_file_list_has(taken: Taken) -> None:
    one = Alone()
    assert one.delivery().commit(taken) == "v0"
    (made,) = one.commits.made
    under = f"team/night/a1/{made.files.word}/step-15"
    assert one.store.sent == [f"{under}/.metadata", f"{under}/rank-0"]
    assert (made.step, made.processes, made.store) == (15, 2, one.store.place)


def test_without_a_store_the_files_go_to_w_and_b(taken: Taken) -> None:
    one = Alone()
    assert one.delivery(stored=False).commit(taken) == "v0"
    assert not one.commits.made[0].files.is_stored
    assert one.store.sent == []


def test_where_w_and_b_was_away_the_bytes_are_not_sent_again(taken: Taken) -> None:
    one = Alone(CommitsInMemory(away=2))
    delivery = one.delivery()
    for _ in range(2):
        with pytest.raises(NotCommittedError):
            delivery.commit(taken)
    assert delivery.commit(taken) == "v0"
    assert len(one.store.sent) == 2


def test_where_the_store_was_away_all_is_sent_under_a_new_word(taken: Taken) -> None:
    one = Alone(store=FolderStore(fails=1))
    delivery = one.delivery()
    with pytest.raises(NOT_DELIVERED):
        delivery.commit(taken)
    assert delivery.commit(taken) == "v0"


def test_another_snapshot_of_the_same_name_is_sent_under_a_word_of_its_own(
    taken: Taken, tmp_path: Path
) -> None:
    one = Alone()
    delivery = one.delivery()
    delivery.commit(taken)
    other = tmp_path / "step-15-0b"
    taken.folder.rename(other)
    delivery.commit(Taken(other))
    words = {made.files.word for made in one.commits.made}
    assert len(words) == 2
    assert len(set(one.store.sent)) == 4


def test_a_snapshot_that_somebody_wrote_into_is_not_committed(taken: Taken) -> None:
    one = Alone()
    taken.changed = "rank-0 changed after the snapshot of step-15"
    with pytest.raises(NotCommittedError, match=r"^rank-0 changed after"):
        one.delivery().commit(taken)
    assert one.commits.made == []


def test_one_host_alone_commits_nothing_that_needs_other_hosts(taken: Taken) -> None:
    one = Alone()
    taken.elsewhere = {"rank-1": 4}
    with pytest.raises(NotCommittedError, match="step-15 needs rank-1 and the like of other hosts"):
        one.delivery().commit(taken)


def test_a_file_that_has_the_lists_own_name_is_refused(taken: Taken) -> None:
    (taken.folder / "files.json").write_text("{}")
    with pytest.raises(InvalidInputError, match=r"a path that begins with files\.json"):
        Alone().delivery(stored=False).commit(taken)


@dataclass
class TwoHosts:
    """The first host, and another one that answers behind each of its uploads."""

    folder: Path
    commits: CommitsInMemory = field(default_factory=CommitsInMemory)
    store: FolderStore = field(default_factory=FolderStore)
    board: MemoryBoard = field(default_factory=MemoryBoard)
    patience: float = 0.0

    def __post_init__(self) -> None:
        self.other = OtherHost(self.board, "algo-2", ROUND)
        self.others_store = FolderStore()
        (self.folder / "rank-1").write_bytes(b"one!")

    def delivery(self) -> FirstDelivery:
        first = FirstHost(self.board, ("algo-2",), ROUND, keys_of(self.store, JOB, "night"))
        part = Part("algo-1", "night", patience=self.patience, look=0.01)
        return FirstDelivery(self.commits, self.store, first, part)

    def answer(self) -> None:
        asked = self.other.announced()
        if asked is not None:
            part = PartDelivery(self.others_store, self.other, JOB, Part("algo-2", "night"))
            part.send(asked, Taken(self.folder))


@pytest.fixture
def two(taken: Taken, tmp_path: Path) -> TwoHosts:
    taken.elsewhere = {"rank-1": 4}
    other = tmp_path / "other"
    other.mkdir()
    return TwoHosts(other)


def test_the_files_of_both_hosts_are_one_checkpoint(taken: Taken, two: TwoHosts) -> None:
    two.store.after = two.answer
    assert two.delivery().commit(taken) == "v0"
    (made,) = two.commits.made
    assert [file.path for file in made.files.files] == [".metadata", "rank-0", "rank-1"]
    word = made.files.word
    assert two.others_store.sent == [f"team/night/a1/{word}/algo-2/step-15/rank-1"]


def test_a_host_that_answers_late_completes_the_next_try_of_the_same_snapshot(
    taken: Taken, two: TwoHosts
) -> None:
    delivery = two.delivery()
    why = "^a part of step-15 is missing: no answer from algo-2 within 0 s$"
    with pytest.raises(NotCommittedError, match=why):
        delivery.commit(taken)
    two.answer()
    assert delivery.commit(taken) == "v0"
    assert len(two.store.sent) == 2


def test_the_first_host_waits_no_longer_for_what_is_overtaken(taken: Taken, two: TwoHosts) -> None:
    two.patience = 600.0
    looks = iter([False, True])
    with pytest.raises(Overtaken):
        two.delivery().commit(taken, lambda: next(looks))


def test_a_board_that_is_away_is_a_reason_and_no_crash(taken: Taken, two: TwoHosts) -> None:
    def break_board() -> None:
        two.board.weather.left = 1

    two.store.after = break_board
    with pytest.raises(NotCommittedError, match=r"^a part of step-15 is missing: away "):
        two.delivery().commit(taken)


def test_another_host_gives_an_upload_up_once_another_checkpoint_is_announced(
    two: TwoHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resilient_training.run.several_hosts._ASKED_EVERY", 0.0)
    first = FirstHost(two.board, ("algo-2",), ROUND, keys_of(two.store, JOB, "night"))
    older = first.announce("0000000a", "step-15", {"rank-1": 4})
    first.announce("0000000b", "step-20", {"rank-1": 4})
    part = PartDelivery(two.others_store, two.other, JOB, Part("algo-2", "night"))
    with pytest.raises(Overtaken):
        part.send(older, Taken(two.folder))
    assert two.others_store.sent == []


def test_another_host_says_nothing_of_files_that_somebody_wrote_into(two: TwoHosts) -> None:
    first = FirstHost(two.board, ("algo-2",), ROUND, keys_of(two.store, JOB, "night"))
    asked = first.announce("0000000a", "step-15", {"rank-1": 4})
    part = PartDelivery(two.others_store, two.other, JOB, Part("algo-2", "night"))
    with pytest.raises(NotCommittedError, match="rank-1 changed"):
        part.send(asked, Taken(two.folder, changed="rank-1 changed after the snapshot of step-15"))
    assert isinstance(first.collect(asked, []), Missing)
