"""Whatever the controller chooses for a successor, retention keeps: by its own code."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from resilience.decide import policy
from resilience.decide.decisions import Checkpoint, CheckpointRequest, Facts
from resilience.decide.stores import StoreFault
from resilience.failures import FailureClass
from resilient_training.job import Job
from resilient_training.run.retention import Listed, kept
from tests.unit.lineages import RUN, attempt, checkpoint, ended
from tests.unit.retained import job_of, listed, name_of

STORES = (None, "s3://bucket/a/", "s3://bucket/b/")
ALIASES = ("best", "mine", "suspect")


@dataclass(frozen=True)
class Scene:
    """An attempt at its end: what it and its lineage have in W&B, and what the controller sees."""

    versions: tuple[Listed, ...]
    job: Job
    facts: Facts
    made: tuple[str, ...]

    def kept(self, keep: int) -> frozenset[str]:
        return kept(self.versions, self.job, keep, self.made)


def seen(one: Listed) -> Checkpoint:
    found = checkpoint(one.name, one.version.step, *sorted(one.marks), committed=one.committed)
    return replace(found, hashed=True, job=one.version.training_job)


RARELY = st.integers(0, 7).map(lambda number: number == 7)
STEPS = st.integers(0, 400)


@st.composite
def _versions(draw: st.DrawFn, place: int, attempts: int) -> Listed:
    marks = [draw(st.sampled_from([*ALIASES, f"suspect-v{place}"]))] if draw(RARELY) else []
    step = None if draw(RARELY) else draw(STEPS)
    found = listed(place, step, *marks, attempt=draw(st.integers(1, attempts)))
    return replace(
        found,
        store=draw(st.sampled_from(STORES)) if draw(RARELY) else None,
        committed=not draw(RARELY),
        by_wrapper=not draw(RARELY),
    )


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    number = draw(st.integers(1, 3))
    versions = tuple(draw(_versions(place, number)) for place in range(draw(st.integers(8, 24))))
    pin = draw(st.sampled_from(versions)) if number > 1 else None
    rejected = tuple(draw(st.sets(st.sampled_from([one.name for one in versions]), max_size=3)))
    pinned = None if pin is None else pin.name
    step = 0 if pin is None else pin.step
    refused = draw(st.sets(st.sampled_from(STORES[1:])))
    wanted = draw(st.sampled_from(["latest", *ALIASES[:2]]))
    lineage = attempt(
        number,
        started_from=pinned,
        started_step=step,
        rejected=rejected,
        best=draw(st.sampled_from([-1, 200, 400])),
        same=draw(st.integers(0, 3)),
    )
    facts = ended(
        draw(st.sampled_from(FailureClass)),
        *map(seen, versions),
        lineage=replace(lineage, root="root"),
        job=name_of(number),
        checkpoint_load_error=draw(st.booleans()),
        request=CheckpointRequest(
            entity="team", project="digits", collection="model-x", runs=(RUN,), alias=wanted
        ),
        store_faults=tuple(
            (one.name, StoreFault.NOT_OF_THE_STACK) for one in versions if one.store in refused
        ),
    )
    since = draw(st.integers(0, len(versions)))
    own = [one for one in versions[since:] if one.version.training_job == name_of(number)]
    made = tuple(one.name for one in own)
    return Scene(versions, job_of(number, pinned, step, *rejected), facts, made)


@settings(max_examples=400, deadline=None)
@given(scenes(), st.integers(2, 4))
def test_whatever_the_controller_chooses_at_that_moment_is_never_deleted(
    scene: Scene, keep: int
) -> None:
    successor = policy.decide(scene.facts).successor
    if successor is not None and successor.checkpoint is not None:
        assert successor.checkpoint.version in scene.kept(keep)


@settings(max_examples=200, deadline=None)
@given(scenes(), st.integers(2, 4))
def test_what_stays_when_the_rest_is_gone_is_chosen_from_as_if_nothing_had_been_deleted(
    scene: Scene, keep: int
) -> None:
    stays = scene.kept(keep)
    left = tuple(one for one in scene.facts.checkpoints if one.version in stays)
    before, after = (
        policy.decide(replace(scene.facts, checkpoints=found)).successor
        for found in (scene.facts.checkpoints, left)
    )
    assert (before and before.checkpoint) == (after and after.checkpoint)
