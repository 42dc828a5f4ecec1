"""Two processes that write to one W&B run, and what each of them finds in its config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from resilient_training.checkpoints import writer as writer_module
from resilient_training.checkpoints.writer import MARK, TWO_WRITERS, Writer

if TYPE_CHECKING:
    import wandb


@dataclass
class Server:
    """Keeps the config that a process wrote last, which is that process's whole config."""

    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    server: Server
    id: str = "x"
    own: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> "Run":
        return self

    def update(self, values: Mapping[str, Any], *, allow_val_change: bool) -> None:
        assert allow_val_change
        self.own |= values
        self.server.config = dict(self.own)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(writer_module, "recorded", lambda _run: made)
    return made


def process(server: Server, name: str, since: float) -> Writer:
    made = Writer(cast("wandb.Run", Run(server)), identity=name, since=since)
    made.mark()
    return made


def test_a_process_that_is_alone_says_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    alone = process(server, "a", 1)
    alone.look()
    assert not alone.said
    assert not caplog.records
    assert TWO_WRITERS not in server.config


def test_the_earlier_of_two_processes_says_so_once_and_the_later_hears_of_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    earlier, later = process(server, "a", 1), process(server, "b", 2)
    later.look()
    assert not later.said
    earlier.look()
    assert (earlier.said, TWO_WRITERS in server.config) == (True, True)
    later.look()
    assert (later.said, TWO_WRITERS in server.config) == (True, True)
    earlier.look()
    later.look()
    said = [one.getMessage() for one in caplog.records]
    assert [line.partition(":")[0] for line in said] == ["TWO PROCESSES write to the W&B run x"] * 2


def test_the_words_are_written_again_where_the_other_process_wrote_its_config_over_them(
    server: Server,
) -> None:
    earlier, later = process(server, "a", 1), process(server, "b", 2)
    earlier.look()
    later.run.config.update({"resilience_differs": "x"}, allow_val_change=True)  # type: ignore[no-untyped-call]  # of wandb
    later.look()
    assert (later.said, TWO_WRITERS in server.config) == (False, False)
    earlier.look()
    later.look()
    assert later.said


def test_the_words_about_two_other_processes_give_no_alarm(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    words = {"processes": "process 1 on x and process 2 on x", "ids": ["c", "d"]}
    for stale in (words, "process 1 on x", {"processes": 3, "ids": ["a"]}, {"ids": ["a"]}):
        alone = process(server, "a", 1)
        server.config = {MARK: server.config[MARK], TWO_WRITERS: stale}
        alone.look()
    assert not caplog.records


def test_a_process_that_was_killed_and_started_again_gives_no_alarm(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    killed, again = process(server, "a", 1), process(server, "b", 2)
    killed.mark()  # its service outlived it, and sent this late
    again.look()
    assert server.config[MARK]["id"] == "b"
    assert not caplog.records


def test_nor_does_one_whose_clock_is_behind_that_of_the_process_before_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    process(server, "a", 2)
    process(server, "b", 1).look()
    assert not caplog.records


@pytest.mark.parametrize(
    "mark",
    [
        None,
        "x",
        {},
        {"id": "b"},
        {"id": "b", "since": "now"},
        {"id": 1, "since": 9, "process": "x"},
    ],
)
def test_a_mark_that_is_none_says_nothing(server: Server, mark: object) -> None:
    alone = process(server, "a", 1)
    server.config = {MARK: mark}
    alone.look()
    assert not alone.said


def test_a_server_that_does_not_answer_says_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_run: object) -> Server:
        raise ValueError("no such run")

    alone = process(server, "a", 1)
    monkeypatch.setattr(writer_module, "recorded", refuse)
    alone.look()
    assert not alone.said
