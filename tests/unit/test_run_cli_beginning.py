from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resilient_training.job import CheckpointLoadError, job_from
from resilient_training.run.beginning import Beginning, Restoring, newest_allowed
from resilient_training.run.command_environment import environment_for_command
from resilient_training.run.ends import End
from resilient_training.run.ports import (
    AwayError,
    Committed,
    NotCommitted,
    Parts,
    Restored,
    Snapshot,
)
from resilient_training.run.stops import Stops

PINNED = {"RESILIENCE_CHECKPOINT": "e/p/model-x:v3", "RESILIENCE_CHECKPOINT_STEP": "15"}


@dataclass(frozen=True)
class Found:
    version: str = "v3"
    folder: Path = Path("/out/step-15")


class Nothing:
    """What is not needed before the command starts."""

    def found(self, *, final: bool = False) -> list[Snapshot]:  # noqa: ARG002 - of Watching
        return []

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        raise AssertionError(snapshot)

    def moved(self) -> object:
        return None

    def close(self) -> None:
        return

    begun = completed = close


@dataclass
class World:
    """Answers of a restore, one for each try, and a clock that moves while the wrapper pauses."""

    answers: Iterator[Restored | Exception | None]
    now: float = 0.0
    order: list[str] = field(default_factory=list)
    on_pause: Callable[[], None] = lambda: None

    def tidy(self) -> list[str]:
        self.order.append("tidy")
        return ["step-16"]

    def restore(self) -> Restored | None:
        self.order.append("restore")
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self) -> None:
        self.now += 1.0
        self.on_pause()


def begin(world: World, *, anew: bool, stops: Stops | None = None) -> Beginning | End:
    nothing = Nothing()
    parts = Parts(
        watch=nothing,
        tidy=world.tidy,
        restore=world.restore,
        delivery=nothing,
        resume_arguments=lambda _: [],
        lineage=None,
        marks=nothing,
    )
    restoring = Restoring(parts, stops or Stops(), may_begin_anew=anew, patience=1000.0)
    return restoring.run(lambda: world.now, world.pause)


def forever(answer: Exception) -> Iterator[Exception]:
    while True:
        yield answer


def test_the_folder_is_tidied_before_anything_is_restored_into_it() -> None:
    world = World(iter([Found()]))
    assert begin(world, anew=False) == Beginning(Found())
    assert world.order == ["tidy", "restore"]


def test_a_wandb_that_is_away_is_asked_again() -> None:
    world = World(iter([AwayError("no route"), AwayError("no route"), Found()]))
    assert begin(world, anew=False) == Beginning(Found())


def test_a_pinned_checkpoint_that_cannot_be_had_is_no_reason_to_begin_at_the_beginning() -> None:
    end = begin(World(forever(AwayError("no route"))), anew=False)
    assert end == End(1, failure="AwayError: no route")


def test_without_a_pin_a_wandb_that_stays_away_does_not_keep_the_training_from_starting() -> None:
    assert begin(World(forever(AwayError("no route"))), anew=True) == Beginning(None)


def test_a_version_that_cannot_be_resumed_from_is_65() -> None:
    end = begin(World(iter([CheckpointLoadError("v3", "a file is missing")])), anew=False)
    assert end == End(65, failure="CheckpointLoadError: v3: a file is missing")


def test_an_error_that_blames_no_checkpoint_is_1_with_its_name() -> None:
    end = begin(World(iter([PermissionError("read-only")])), anew=True)
    assert end == End(1, failure="PermissionError: read-only")


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda stops: setattr(stops, "terminated_at", 0.0), 143),
        (Stops.stop_by_user, 66),
    ],
)
def test_a_stop_during_the_restore_starts_no_command(
    ask: Callable[[Stops], None], code: int
) -> None:
    stops = Stops()
    world = World(forever(AwayError("no route")), on_pause=lambda: ask(stops))
    end = begin(world, anew=False, stops=stops)
    assert isinstance(end, End)
    assert end.code == code


@pytest.mark.parametrize(
    ("environment", "newest"),
    [
        ({}, None),
        (PINNED, 15),
        ({**PINNED, "RESILIENCE_ATTEMPT": "3"}, 15),
        ({**PINNED, "RESILIENCE_CHECKPOINT_STEP": "unknown"}, -1),
        ({"RESILIENCE_ATTEMPT": "2"}, -1),
    ],
)
def test_a_command_may_find_no_more_than_what_somebody_chose(
    environment: dict[str, str], newest: int | None
) -> None:
    assert newest_allowed(job_from(environment)) == newest


def test_the_command_keeps_what_the_user_has_set_and_not_the_wrappers_service_of_wandb() -> None:
    given = {"WANDB_SERVICE": "3-1", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "90", "MINE": "kept"}
    assert environment_for_command(given, Path("/scratch/error.json")) == {
        "MINE": "kept",
        "PYTHONUNBUFFERED": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "90",
        "TORCHELASTIC_ERROR_FILE": "/scratch/error.json",
    }
