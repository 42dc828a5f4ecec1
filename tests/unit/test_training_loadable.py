"""What no resume could load is named at the first step; what can be loaded really loads."""

import argparse
import dataclasses
import enum
import functools
import multiprocessing
import os
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from resilient_training.checkpoints import trial
from resilient_training.checkpoints.loadable import NotLoadableError, require_loadable, unloadable
from resilient_training.checkpoints.structure import structure_of
from resilient_training.checkpoints.trial import Trial


@pytest.fixture
def loads_in_a_process_of_its_own() -> None:
    """Not replaced here."""


class Colour(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass
class Settings:
    size: int = 1


MODEL = nn.Linear(2, 2)
SCHEDULE = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(MODEL.parameters(), 0.1), 1)
SCHEDULE.gamma = np.float64(0.5)  # as people give it
OPTIMIZER = torch.optim.SGD(MODEL.parameters(), lr=np.float64(0.1))

REFUSED = {
    "path": ({"hparams": {"data": Path("/data")}}, "hparams.data", "save str"),
    "enum": ({"hparams": {"colour": Colour.RED}}, "hparams.colour", "save its .value"),
    "string enum": ({"word": Word.RED}, "word", "save its .value"),
    "enum as a key": ({"by": {Colour.RED: 1}}, "a key in by", "save its .value"),
    "numpy number": ({"rows": [(1, {"f1": np.float32(1)})]}, "rows[0][1].f1", "save .item()"),
    "numpy array": ({"mean": np.zeros(3)}, "mean", "torch.from_numpy"),
    "dataclass": ({"settings": Settings()}, "settings", "dataclasses.asdict"),
    "module": ({"net": MODEL}, "net", "save_hyperparameters(ignore"),
    "namespace": ({"args": argparse.Namespace(lr=1)}, "args", "save vars"),
    "partial": ({"make": functools.partial(nn.Linear, 2)}, "make", "save its arguments"),
    "function": ({"act": torch.relu}, "act", "save its name"),
    "lambda": ({"act": lambda value: value}, "act", "save its name"),
    "omegaconf": ({"cfg": OmegaConf.create({"a": {"b": 1}})}, "cfg", "OmegaConf.to_container"),
    "scheduler": ({"schedules": [SCHEDULE.state_dict()]}, "schedules[0].gamma", ".item()"),
    "learning rate": (OPTIMIZER.state_dict(), "param_groups[0].lr", ".item()"),
    "frozenset": ({"seen": frozenset({1})}, "seen", "sorted list"),
    "lock": ({"lock": threading.Lock()}, "lock", "leave it out"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_resume_could_load_is_named_with_its_key_and_a_remedy(kind: str) -> None:
    state, key, remedy = REFUSED[kind]
    (found,) = unloadable(state)
    assert found.key == key
    assert remedy in str(found)


LOADED = {
    "plain": {"a": [1, 2.0, None, True, "x", (1j, b"y")], 3: {1, 2}, (1, "b"): bytearray(b"z")},
    "torch": {"type": torch.float16, "device": torch.device("cpu"), "size": torch.Size([2])},
    "collections": OrderedDict(a=Counter("ab")),
    "training": {"model": MODEL.state_dict(), "best": 0.5, "parameter": MODEL.weight},
    "tensors": [torch.eye(2).to_sparse(), torch.rand(2, dtype=torch.cfloat).conj()],
    "numbers beyond 64 bits": {"random": 10**40},
}


@pytest.mark.parametrize("kind", LOADED)
def test_tensors_and_plain_values_pass(kind: str) -> None:
    assert unloadable(LOADED[kind]) == []


def test_all_keys_are_named_at_once() -> None:
    with pytest.raises(NotLoadableError, match=r"a is a pathlib.PosixPath: .*; b\[1\] is a"):
        require_loadable({"a": Path(), "b": [1, Path()]})


def test_a_state_that_holds_itself_is_walked_once() -> None:
    state: dict[str, object] = {"path": Path()}
    state["self"] = state
    assert [one.key for one in unloadable(state)] == ["path"]


def tried(state: object, file: Path) -> bool:
    torch.save(state, file)
    return Trial().loads("resilient_training.checkpoints.loadable", file)


def test_what_the_script_allows_passes_and_loads_in_a_process_of_its_own(tmp_path: Path) -> None:
    state = {"colour": Colour.RED, "settings": Settings(3), "data": Path("/data")}
    with torch.serialization.safe_globals([Colour, Settings, type(Path())]):
        assert unloadable(state) == []
        assert tried(state, tmp_path / "x")


def test_a_file_that_holds_more_is_refused_in_a_process_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NotLoadableError, match=r"Unsupported global: GLOBAL .*Settings"):
        tried({"settings": Settings()}, tmp_path / "x")


def test_a_class_of_the_script_itself_needs_no_import_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Settings", Settings, raising=False)
    with torch.serialization.safe_globals([Settings]):
        assert tried({"settings": Settings()}, tmp_path / "x")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
        ("raise SystemExit('no such module')", "exit code 1 no such module"),
        ("import time; time.sleep(60)", "no answer within 1 s"),
    ],
)
def test_a_process_that_comes_to_no_answer_refuses_nothing(
    code: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(trial, "_PATIENCE", 1.0)
    (tmp_path / "x").write_bytes(b"")
    assert not Trial((sys.executable, "-c", code)).loads("a reader", tmp_path / "x")
    assert said in caplog.text


def test_a_process_that_was_prepared_loads_one_file_and_the_next_gets_its_own(
    tmp_path: Path,
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    torch.save({"w": torch.ones(1)}, good)
    torch.save({"data": Path("/data")}, bad)
    before = children()
    with closing(Trial()) as trying:
        trying.prepare()
        trying.prepare()
        # It holds the other end of all that is open here, as the workers of a DataLoader do.
        with forked():
            assert trying.loads("resilient_training.checkpoints.loadable", good)
        with pytest.raises(NotLoadableError, match="Unsupported global"):
            trying.loads("resilient_training.checkpoints.loadable", bad)
    assert children() == before


def test_a_process_that_was_prepared_and_never_asked_ends_with_the_attempt() -> None:
    before = children()
    with closing(Trial()) as trying:
        trying.prepare()
        assert len(children() - before) == 1
    assert children() == before


def test_a_process_that_cannot_be_started_refuses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x").write_bytes(b"")
    with closing(Trial(("/no/such/python",))) as trying:
        trying.prepare()
        assert not trying.loads("a reader", tmp_path / "x")
    assert "could not be tried: [Errno 2] No such file" in caplog.text


@contextmanager
def forked() -> Iterator[None]:
    """A process without `exec`, while the block runs."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    yield
    process.kill()
    process.join()


def children() -> set[int]:
    return set(
        map(int, Path("/proc/self/task").joinpath(str(os.getpid()), "children").read_text().split())
    )


BEFORE = {"w": torch.ones(2), "rows": [{"loss": 0.5}], "best": {"a.ckpt": torch.tensor(0.5)}}


@pytest.mark.parametrize(
    ("after", "same"),
    [
        ({**BEFORE, "rows": [{"loss": 0.5}, {"loss": 0.4}]}, True),
        ({**BEFORE, "best": {"b.ckpt": torch.tensor(0.4), "c.ckpt": torch.tensor(0.3)}}, True),
        ({**BEFORE, "w": torch.ones(2).half()}, False),
        ({**BEFORE, "w": torch.ones(3)}, False),
        ({**BEFORE, "more": torch.ones(1)}, False),
        ({**BEFORE, "rows": ({"loss": 0.5},)}, False),
        ({**BEFORE, "best": Path("a.ckpt")}, False),
        ({"w": torch.ones(2)}, True),
    ],
)
def test_what_a_load_could_refuse_is_more_of_a_structure_and_a_growing_list_of_numbers_is_not(
    after: object, *, same: bool
) -> None:
    assert (structure_of(after) <= structure_of(BEFORE)) is same
