"""Several hosts with disks of their own: a checkpoint is committed as a whole, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from resilient_training.run.agreement import Arriving, Calling
from resilient_training.run.file_list import ListedFile
from resilient_training.run.gathering import HostsMissingError, Waiting, gathered, joined
from resilient_training.run.meeting import (
    ANNOUNCED,
    Complete,
    FirstHost,
    Missing,
    OtherHost,
    answer_name,
    held_of,
)
from resilient_training.run.messages import Announcement, Answer, Chosen, Kept, answer_from
from resilient_training.run.store_errors import StoreError
from tests.unit.hosts_of_a_job import (
    FIRST,
    METADATA,
    CrashError,
    HostsOfAJob,
    MemoryBoard,
    content,
    key_of,
    part_of,
)

OTHERS = ("algo-2", "algo-3")


def begun(others: int = 2) -> HostsOfAJob:
    """A job all of whose hosts are in one round."""
    job = HostsOfAJob(others)
    for host in job.hosts.values():
        job.start(host)
    for _ in range(2):
        for host in job.hosts.values():
            job.begin(host)
    for host in list(job.hosts.values())[1:]:
        job.begin(host)
    assert len({host.round for host in job.hosts.values()}) == 1
    return job


def saved(job: HostsOfAJob) -> HostsOfAJob:
    for host in job.hosts.values():
        job.train(host)
    job.finish_save()
    return job


def test_a_checkpoint_is_committed_once_every_host_has_uploaded_its_part() -> None:
    job = saved(begun())
    job.announce()
    assert job.collect() == Missing(OTHERS, (part_of("algo-2"), part_of("algo-3")))
    job.answer(job.hosts["algo-3"])
    job.answer(job.hosts["algo-2"])
    found = job.collect()
    assert isinstance(found, Complete)
    parts = sorted([METADATA, *(part_of(host) for host in job.hosts)])
    assert [file.path for file in found.files] == parts
    assert_whole(job)


def test_a_host_that_is_missing_is_named_in_one_line() -> None:
    job = saved(begun())
    job.announce()
    job.answer(job.hosts["algo-2"])
    found = job.collect()
    assert isinstance(found, Missing)
    assert found.why == "no answer from algo-3"


def test_where_every_host_answers_the_files_that_nobody_has_are_named() -> None:
    job = saved(begun(others=5))
    for host in list(job.hosts.values())[1:]:
        host.disk.clear()
    job.announce()
    for host in list(job.hosts.values())[1:]:
        job.answer(host)
    found = job.collect()
    assert isinstance(found, Missing)
    names = ", ".join(part_of(f"algo-{number}") for number in (2, 3, 4))
    assert found.why == f"no host has {names} and 2 more"


def test_a_host_that_has_only_a_part_of_its_files_yet_answers_again_with_the_rest() -> None:
    board = MemoryBoard()
    first = FirstHost(board, ("algo-2",), "00000001", key_of)
    other = OtherHost(board, "algo-2", "00000001")
    job = HostsOfAJob(1)
    announcement = first.announce("0000000a", "step-1", {"x": None, "y": 1})
    for name in ("x", "y"):
        asked = other.announced()
        assert asked is not None
        assert name in asked.wanted
        key = key_of(asked.word, "algo-2", "step-1", name)
        other.answer(asked, [job.store.upload(key, name, name.encode())])
    assert other.announced() is None
    found = first.collect(announcement, [])
    assert isinstance(found, Complete)
    assert [file.path for file in found.files] == ["x", "y"]


def test_a_host_gives_only_what_is_wanted_in_the_size_that_is_wanted() -> None:
    announcement = Announcement("00000001", "0000000a", "step-1", {"x": None, "y": 5})
    assert held_of(announcement, {"y": 5, "x": 1, "z": 9}) == ["x", "y"]
    assert held_of(announcement, {"y": 4}) == []


def test_of_two_hosts_that_have_the_same_file_one_counts_and_no_key_is_written_twice() -> None:
    job = saved(begun())
    for host in OTHERS:
        job.hosts[host].disk["step-1"] = {
            part_of(other): content(job.first.round, 1, part_of(other)) for other in OTHERS
        }
    job.announce()
    for host in OTHERS:
        job.answer(job.hosts[host])
    found = job.collect()
    assert isinstance(found, Complete)
    keys = [file.stored.key for file in found.files if file.stored is not None]
    assert [key.split("/")[3] for key in keys] == [FIRST, FIRST, "algo-2", "algo-2"]
    assert all(len(versions) == 1 for versions in job.store.objects.values())
    assert_whole(job)


def elsewhere(file: ListedFile) -> ListedFile:
    """The same file, in the key of another word."""
    assert file.stored is not None
    key = file.stored.key.replace("/a1/", "/a2/")
    return replace(file, stored=replace(file.stored, key=key))


Change = Callable[[Answer], Answer]


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: replace(answer, round="ffffffff"),
        lambda answer: replace(answer, word="ffffffff"),
        lambda answer: replace(answer, host="algo-3"),
        lambda answer: replace(
            answer, files=tuple(replace(one, size=one.size + 1) for one in answer.files)
        ),
        lambda answer: replace(
            answer, files=tuple(replace(one, stored=None) for one in answer.files)
        ),
        lambda answer: replace(
            answer, files=tuple(replace(one, path="rank-other") for one in answer.files)
        ),
        lambda answer: replace(answer, files=tuple(map(elsewhere, answer.files))),
    ],
)
def test_an_answer_to_another_word_or_of_another_file_counts_for_nothing(change: Change) -> None:
    job = saved(begun(others=1))
    job.announce()
    assert job.pending is not None
    asked = job.pending.announcement
    name = answer_name(asked.word, "algo-2")
    job.answer(job.hosts["algo-2"])
    given = answer_from(job.board.messages[name])
    job.board.messages[name] = change(given).to_bytes()
    assert isinstance(job.collect(), Missing)
    job.board.messages[name] = b"no answer at all"
    assert isinstance(job.collect(), Missing)
    job.board.messages[name] = given.to_bytes()
    assert isinstance(job.collect(), Complete)


def test_a_host_of_another_round_neither_answers_nor_is_heard() -> None:
    job = saved(begun(others=1))
    job.announce()
    stranger = OtherHost(job.board, "algo-2", "ffffffff")
    assert stranger.announced() is None
    assert job.collect() == Missing(("algo-2",), (part_of("algo-2"),))


def test_an_announcement_is_overtaken_by_the_next_one() -> None:
    board = MemoryBoard()
    first = FirstHost(board, ("algo-2",), "00000001", key_of)
    other = OtherHost(board, "algo-2", "00000001")
    older = first.announce("0000000a", "step-1", {"x": 1})
    assert other.is_current(older)
    first.announce("0000000b", "step-2", {"x": 1})
    assert not other.is_current(older)


def test_a_restarted_host_is_in_no_round_until_the_first_host_calls_again() -> None:
    job = begun(others=1)
    other = job.hosts["algo-2"]
    other.die(wiped=False)
    job.start(other)
    for _ in range(3):
        job.begin(other)
    assert other.round is None
    job.first.die(wiped=False)
    job.start(job.first)
    for host in (job.first, other, job.first, other):
        job.begin(host)
    assert job.first.round == other.round is not None


def test_a_host_waits_for_the_newest_call_though_the_one_before_had_begun_with_it() -> None:
    board = MemoryBoard()
    arriving = Arriving(board, "algo-2", "00000002")
    died = Calling(board, ("algo-2",), "0000000a")
    died.call()
    arriving.look()
    died.begin(died.arrivals(), Chosen("e/p/c:v1", "digest", 15))
    calling = Calling(board, ("algo-2",), "0000000b")
    calling.call()
    assert arriving.look() is None
    calling.begin(calling.arrivals(), None)
    found = arriving.look()
    assert found is not None
    assert found.round == "0000000b"


def test_an_upload_that_ends_after_the_next_announcement_was_answered_takes_nothing_back() -> None:
    board, job = MemoryBoard(), HostsOfAJob(1)
    first = FirstHost(board, ("algo-2",), "00000001", key_of)
    other = OtherHost(board, "algo-2", "00000001")

    def uploaded(asked: Announcement) -> list[ListedFile]:
        key = key_of(asked.word, "algo-2", asked.folder, "x")
        return [job.store.upload(key, "x", b"x")]

    older = first.announce("0000000a", "step-1", {"x": 1})
    assert other.announced() == older
    newer = first.announce("0000000b", "step-2", {"x": 1})
    assert other.announced() == newer
    other.answer(newer, uploaded(newer))
    other.answer(older, uploaded(older))
    assert other.announced() is None
    assert isinstance(first.collect(newer, []), Complete)


def test_an_arrival_of_an_earlier_life_is_not_waited_with() -> None:
    """After a restart of the whole job, messages of the life before are still on the board."""
    job = begun(others=1)
    for host in job.hosts.values():
        host.die(wiped=True)
    job.start(job.first)
    job.begin(job.first)
    calling = job.first.beginning
    assert isinstance(calling, Calling)
    assert calling.missing(calling.arrivals()) == ["algo-2"]
    with pytest.raises(ValueError, match="not here yet: algo-2"):
        calling.begin(calling.arrivals(), None)


def test_all_hosts_begin_with_the_version_that_the_first_one_chose() -> None:
    board = MemoryBoard()
    for chosen in (Chosen("e/p/model-x:v3", "digest", 15), Chosen("e/p/c:v1", "d", None), None):
        calling = Calling(board, ("algo-2",), f"0000000{len(board.ever)}")
        arriving = Arriving(board, "algo-2", f"1000000{len(board.ever)}")
        calling.call()
        assert arriving.look() is None
        calling.begin(calling.arrivals(), chosen)
        found = arriving.look()
        assert found is not None
        assert found.chosen == chosen


NO_PATIENCE = Waiting(patience=0.0, look=0.0)


def test_hosts_that_do_not_come_to_the_beginning_are_named() -> None:
    calling = Calling(MemoryBoard(), OTHERS, "00000001")
    with pytest.raises(HostsMissingError, match=r"^no sign of algo-2, algo-3 after 0 s$"):
        gathered(calling, NO_PATIENCE)
    arriving = Arriving(MemoryBoard(), "algo-2", "00000002")
    with pytest.raises(HostsMissingError, match=r"^the first host has not begun after 0 s$"):
        joined(arriving, NO_PATIENCE)


def test_a_board_that_is_away_for_a_moment_is_looked_at_again() -> None:
    board = MemoryBoard()
    arriving = Arriving(board, "algo-2", "00000002")
    calling = Calling(board, ("algo-2",), "00000001")
    calling.call()
    arriving.look()
    board.weather.left = 1
    assert gathered(calling, Waiting(patience=600.0, look=0.0)) == {"algo-2": "00000002"}
    board.weather.left = 1
    with pytest.raises(HostsMissingError, match=r"^away after 0 s$"):
        joined(arriving, NO_PATIENCE)


def test_what_the_first_host_keeps_is_known_to_its_round_alone() -> None:
    board = MemoryBoard()
    FirstHost(board, ("algo-2",), "00000001", key_of).tell_kept(30, ["step-30"])
    assert OtherHost(board, "algo-2", "00000001").kept() == Kept("00000001", 30, ("step-30",))
    assert OtherHost(board, "algo-2", "00000002").kept() is None


def assert_whole(job: HostsOfAJob) -> None:
    """Every file of each version is there, of one pass, uploaded under the version's own word."""
    for made in job.committed:
        paths = sorted([METADATA, *(part_of(host) for host in job.hosts)])
        assert [file.path for file in made.files] == paths
        for file in made.files:
            assert file.stored is not None
            assert f"/{made.word}/" in file.stored.key
            assert job.store.content_of(file) == content(made.round, made.step, file.path)


class MeetingMachine(RuleBasedStateMachine):
    """Whatever order hosts see and answer in, and whoever dies, restarts or is cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.job = HostsOfAJob(2)

    def _do(self, host: str, act: Callable[[], object]) -> None:
        """Let a host do something; it may be cut off from the board and store, or die of it."""
        try:
            act()
        except StoreError:
            return
        except CrashError:
            self.job.hosts[host].die(wiped=False)

    hosts = st.sampled_from([FIRST, *OTHERS])

    @rule()
    def all_begin(self) -> None:
        for host in self.job.hosts.values():
            host.die(wiped=False)
            self.job.start(host)
        for name in (FIRST, *OTHERS, FIRST, *OTHERS):
            self._do(name, partial(self.job.begin, self.job.hosts[name]))

    @rule(name=hosts, wiped=st.booleans(), looks=st.integers(0, 3))
    def restarts(self, name: str, wiped: bool, looks: int) -> None:  # noqa: FBT001 - drawn by name
        host = self.job.hosts[name]
        host.die(wiped=wiped)
        self.job.start(host)
        for _ in range(looks):
            self._do(name, partial(self.job.begin, host))

    @rule(name=hosts)
    def begins(self, name: str) -> None:
        self._do(name, partial(self.job.begin, self.job.hosts[name]))

    @rule()
    def saves(self) -> None:
        if len({host.round for host in self.job.hosts.values()}) > 1 or not self.job.first.round:
            self.all_begin()
        for host in self.job.hosts.values():
            self.job.train(host)
        self.job.finish_save()
        self._do(FIRST, self.job.announce)

    @rule(name=hosts)
    def trains(self, name: str) -> None:
        self.job.train(self.job.hosts[name])

    @rule(name=hosts, number=st.integers(1, 3))
    def loses_a_folder(self, name: str, number: int) -> None:
        self.job.hosts[name].disk.pop(f"step-{number}", None)

    @rule(some=st.lists(hosts, max_size=4), all_=st.permutations([*OTHERS]))
    def meet(self, some: list[str], all_: list[str]) -> None:
        """Hosts look at the board in any order; the first host collects."""
        for name in [*some, *all_, FIRST]:
            act = partial(self.job.answer, self.job.hosts[name])
            self._do(name, self.job.collect if name == FIRST else act)

    @precondition(lambda self: self.job.weather.left == 0)
    @rule(left=st.integers(1, 20), kind=st.sampled_from(["away", "crash"]))
    def is_about_to_break(self, left: int, kind: str) -> None:
        self.job.weather.left = left
        self.job.weather.kind = "away" if kind == "away" else "crash"

    @precondition(lambda self: self.job.board.ever)
    @rule(data=st.data())
    def an_old_message_comes_back(self, data: st.DataObject) -> None:
        name, message = data.draw(st.sampled_from(self.job.board.ever))
        self.job.board.messages[name] = message

    @rule(name=st.sampled_from([ANNOUNCED, "call.json", "begun.json"]))
    def a_stranger_writes(self, name: str) -> None:
        self.job.board.messages[name] = b'{"round": "../../x"}'

    @invariant()
    def every_version_is_whole(self) -> None:
        assert_whole(self.job)


TestMeeting = MeetingMachine.TestCase
TestMeeting.settings = settings(max_examples=150, stateful_step_count=60)
