"""What W&B tells of a version, and which one the next attempt resumes from."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import urllib3
from hypothesis import given

from local.in_memory import graphql
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.decide import checkpoints
from resilience.decide.checkpoints import Choice
from resilience.decide.decisions import Checkpoint, Facts, Lookup, Progress
from resilience.decide.stores import NoStore, Store, StoreFault
from resilience.failures import FailureClass
from resilience.ports import Answer
from tests.unit.lineages import REQUEST, V1, V2, V3, attempt, checkpoint, ended
from tests.unit.strategies import FACTS

INFRASTRUCTURE = FailureClass.INFRASTRUCTURE


def chosen(facts: Facts, *rejected: str) -> Choice:
    return checkpoints.choose(facts, rejected)


def test_trap_clock_skew_cannot_matter_because_no_time_is_compared() -> None:
    early, late = ended(INFRASTRUCTURE, V1, V2, lineage=attempt(2)), 10**6
    for skewed in (
        replace(early, observed_at=early.observed_at - late),
        replace(early, ended_at=early.observed_at + late),
        replace(early, ended_at=None),
    ):
        assert checkpoints.progress(skewed) is Progress.ADVANCED
        assert chosen(skewed) == chosen(early)


# --- what W&B tells of a version


class Wandb(urllib3.PoolManager):
    """A W&B that knows one version, with the metadata and the aliases that a test is about."""

    def __init__(self, metadata: object, *aliases: str) -> None:
        super().__init__()
        self.node = {
            "state": "COMMITTED",
            "digest": "d",
            "versionIndex": 2,
            "aliases": [{"alias": alias} for alias in aliases],
            "metadata": metadata,
            "createdBy": {"name": "r1"},
        }

    def request(self, *_: Any, **sent: Any) -> Any:  # noqa: ANN401 — urllib3's own signature is wider
        project = graphql.project(sent["json"]["variables"], [self.node])
        body = io.BytesIO(json.dumps({"data": {"project": project}}).encode())
        return urllib3.HTTPResponse(body, status=200, preload_content=False)


def looked_up(metadata: object, *aliases: str) -> Answer:
    wandb = Wandb(metadata, *aliases)
    answer = WandbCheckpoints(wandb, "http://wandb.test", lambda: "key").newest(REQUEST)
    assert answer.lookup is Lookup.FOUND
    return answer


@pytest.mark.parametrize(
    ("metadata", "step"),
    [
        ({"step": 20}, 20),
        ({"step": "20"}, 20),
        ({"step": 20.0}, 20),
        ('{"step": 20}', 20),
        ('{"step": "20"}', 20),
        ({"original_filename": "epoch=1-step=20.ckpt"}, 20),
        ({"step": 0}, 0),
        ({}, None),
        (None, None),
        ("not json", None),
        ([20], None),
        ({"step": None}, None),
        ({"step": "20 steps"}, None),
        ({"step": "٢٠"}, None),
        ({"step": -1}, None),
        ({"step": True}, None),
        ({"step": 20.5}, None),
        ({"step": "9" * 5000}, None),
        ({"step": 10**300}, None),
        ({"step": float("inf")}, None),
        ({"step": float("nan")}, None),
    ],
)
def test_trap_a_step_may_be_text_or_missing_and_is_never_guessed(
    metadata: object, step: int | None
) -> None:
    assert [one.step for one in looked_up(metadata).checkpoints] == [step]


SAVED = "checkpoint_global_step_30"


@pytest.mark.parametrize(
    ("metadata", "aliases", "step"),
    [
        ({"train/global_step": 20}, [], 20),
        ({"train/global_step": 20}, ["latest", "epoch_0.5", SAVED], 30),
        ({}, [SAVED], 30),
        # A summary that carries a `step` of somebody else's beside Hugging Face's own.
        ({"train/global_step": 20, "step": 9}, [SAVED], 30),
        ({"train/global_step": 20, "step": 9}, [], 20),
        # What our own callbacks write stands, whatever alias a person adds.
        ({"step": 9}, [SAVED], 9),
        ({}, ["checkpoint_global_step_", "checkpoint_global_step_3x", "a" + SAVED], None),
    ],
)
def test_a_step_of_hugging_faces_is_read_as_it_names_it(
    metadata: object, aliases: list[str], step: int | None
) -> None:
    assert [one.step for one in looked_up(metadata, *aliases).checkpoints] == [step]


@pytest.mark.parametrize("mark", ["initial_model", "final_model"])
def test_what_hugging_face_logs_beside_its_checkpoints_is_none(mark: str) -> None:
    assert looked_up({mark: True, "train/global_step": 400}).checkpoints == ()
    assert len(looked_up({mark: False}).checkpoints) == 1


@pytest.mark.parametrize(
    ("metadata", "job"),
    [
        ({"training_job": "night-1-r2"}, "night-1-r2"),
        ('{"training_job": "night-1-r2"}', "night-1-r2"),
        ({"training_job": "a" * 63}, "a" * 63),
        ({"training_job": "a" * 64}, None),
        ({"training_job": ""}, None),
        ({"training_job": "night 1"}, None),
        ({"training_job": "night-1\n"}, None),
        ({"training_job": "../night"}, None),
        ({"training_job": 7}, None),
        ({"training_job": ["night-1"]}, None),
        ({"job": "night-1"}, None),
        (None, None),
    ],
)
def test_the_job_that_made_a_version_is_read_from_its_metadata_and_never_guessed(
    metadata: object, job: str | None
) -> None:
    assert [one.job for one in looked_up(metadata).checkpoints] == [job]


@pytest.mark.parametrize(
    ("metadata", "store"),
    [
        ({"store": "s3://b/pre/"}, Store("b", ("pre",))),
        ({"store": "s3://b/pre/../"}, NoStore()),
        ({"store": ""}, NoStore()),
        ({"store": 7}, NoStore()),
        ({"store": False}, NoStore()),
        ({"store": {"bucket": "b"}}, NoStore()),
        ({"store": None}, None),
        ({}, None),
        ("not json", None),
    ],
)
def test_where_the_bytes_of_a_version_lie_is_read_from_its_metadata(
    metadata: object, store: Store | NoStore | None
) -> None:
    assert [one.store for one in looked_up(metadata).checkpoints] == [store]


# --- what is resumed from


def test_the_highest_good_step_is_chosen_whatever_the_order_of_the_answer() -> None:
    facts = ended(INFRASTRUCTURE, V2, V3, V1)
    assert chosen(facts) == Choice(V3, ())


def test_of_two_versions_at_one_step_the_later_is_chosen() -> None:
    again = checkpoint("v4", 30)
    assert chosen(ended(INFRASTRUCTURE, V3, again)).chosen == again


def test_each_better_version_is_passed_over_with_its_reason() -> None:
    facts = ended(
        INFRASTRUCTURE,
        checkpoint("v9", 90, committed=False),
        checkpoint("v8", 80, run="r2"),
        checkpoint("v7", 70, "suspect"),
        checkpoint("v6", 60),
        V3,
        V2,
    )
    assert chosen(facts, "v6") == Choice(
        V3,
        (
            ("v9", "not_committed"),
            ("v8", "other_run"),
            ("v7", "suspect"),
            ("v6", "rejected"),
        ),
    )


def test_step_zero_is_a_step_and_less_than_one() -> None:
    zero, one = checkpoint("v2", 0), checkpoint("v1", 1)
    assert chosen(ended(INFRASTRUCTURE, zero, one)).chosen == one
    assert chosen(ended(INFRASTRUCTURE, zero, checkpoint("v9", None))).chosen == zero


def test_versions_of_unknown_step_come_last_and_newest_first() -> None:
    unknown = [checkpoint("v5", None), checkpoint("v6", None)]
    assert chosen(ended(INFRASTRUCTURE, *unknown, V1)).chosen == V1
    assert chosen(ended(INFRASTRUCTURE, *unknown)).chosen == unknown[1]


@pytest.mark.parametrize(
    ("metadata", "hashed"), [({"sha256": "ab12"}, True), ({"sha256": 7}, False), ({}, False)]
)
def test_a_version_of_the_training_side_is_known_by_the_hash_of_its_file(
    metadata: object, *, hashed: bool
) -> None:
    assert [one.hashed for one in looked_up(metadata).checkpoints] == [hashed]


def test_what_another_callback_logs_beside_the_training_side_is_the_last_choice() -> None:
    ours = replace(V1, hashed=True)
    assert chosen(ended(INFRASTRUCTURE, ours, V2, V3)).chosen == ours
    assert chosen(ended(INFRASTRUCTURE, ours, V2, V3), "v1").chosen == V3


@pytest.mark.parametrize(("alias", "version"), [("best", "v2"), ("v1", "v1"), ("latest", "v3")])
def test_an_alias_or_a_version_is_resumed_from_on_request(alias: str, version: str) -> None:
    facts = ended(INFRASTRUCTURE, V1, replace(V2, aliases=("best",)), V3)
    wanted = replace(facts, request=replace(REQUEST, alias=alias))
    found = chosen(wanted)
    assert found.chosen is not None
    assert found.chosen.version == version
    better = [one for one in ("v3", "v2", "v1") if one > version]
    assert found.passed_over == tuple((one, "not_named") for one in better)


def test_from_an_alias_whose_version_is_rejected_the_next_older_is_taken() -> None:
    facts = ended(INFRASTRUCTURE, V1, replace(V2, aliases=("best",)), V3)
    wanted = replace(facts, request=replace(REQUEST, alias="best"))
    assert chosen(wanted, "v2") == Choice(V1, (("v3", "not_named"), ("v2", "rejected")))


@pytest.mark.parametrize(
    "there",
    [(V1,), (), (V1, checkpoint("v2", 20, "best", run="r2"))],
)
def test_an_alias_that_names_nothing_of_ours_is_missing(there: tuple[Checkpoint, ...]) -> None:
    facts = replace(ended(INFRASTRUCTURE, *there), request=replace(REQUEST, alias="best"))
    assert chosen(facts) == Choice(None, (), alias_missing=True)


def test_where_no_run_is_named_the_maker_of_the_only_versions_is_not_taken_for_one() -> None:
    unnamed = replace(REQUEST, runs=())
    facts = ended(INFRASTRUCTURE, V1, V2, request=unnamed)
    assert chosen(facts) == Choice(None, (("v2", "other_run"), ("v1", "other_run")))


@pytest.mark.parametrize("fault", StoreFault)
def test_a_version_whose_bytes_lie_where_nobody_allows_it_is_passed_over(fault: StoreFault) -> None:
    facts = ended(INFRASTRUCTURE, V1, V2, V3, store_faults=(("v3", fault),))
    assert chosen(facts) == Choice(V2, (("v3", "store_not_allowed"),))
    assert checkpoints.best_step(facts) == 20


def test_it_is_no_work_of_the_attempt_that_logged_it() -> None:
    nowhere = (("v2", StoreFault.NOT_OF_THE_STACK),)
    facts = ended(INFRASTRUCTURE, V1, V2, lineage=attempt(2))
    assert checkpoints.progress(facts) is Progress.ADVANCED
    assert checkpoints.progress(replace(facts, store_faults=nowhere)) is Progress.SAME


def test_what_a_store_is_not_all_that_is_against_is_not_called_so() -> None:
    """To allow the store of such a version would change nothing."""
    nowhere = tuple((f"v{number}", StoreFault.NOT_OF_THE_STACK) for number in range(5, 10))
    there = (
        checkpoint("v9", 90, committed=False),
        checkpoint("v8", 80, run="r2"),
        checkpoint("v7", 70, "suspect"),
        checkpoint("v6", 60),
        checkpoint("v5", 50),
        replace(V2, aliases=("best",)),
    )
    facts = ended(INFRASTRUCTURE, *there, store_faults=nowhere)
    faults = ["not_committed", "other_run", "suspect", "rejected", "store_not_allowed"]
    assert [why for _, why in chosen(facts, "v6").passed_over] == faults
    wanted = replace(facts, request=replace(REQUEST, alias="best"))
    assert chosen(wanted, "v6").passed_over[-1] == ("v5", "not_named")


def test_versions_of_each_run_that_is_named_count() -> None:
    renamed = replace(REQUEST, runs=("night-1", "night-1-algo-1"))
    own = checkpoint("v4", 40, run="night-1-algo-1")
    facts = ended(INFRASTRUCTURE, V3, own, request=renamed)
    assert chosen(facts).chosen == own


def _known(step: int | None) -> int:
    return -1 if step is None else step


@given(FACTS)
def test_never_is_a_better_good_one_passed_over_without_a_reason(facts: Facts) -> None:
    rejected = facts.lineage.rejected if facts.lineage else ()
    found = checkpoints.choose(facts, rejected)
    passed_over = dict(found.passed_over)
    if found.chosen is not None:
        assert found.chosen.committed
        assert found.chosen.version not in rejected
        assert facts.request is not None
        assert found.chosen.run in facts.request.runs
        for one in facts.checkpoints:
            better = _known(one.step) > _known(found.chosen.step)
            assert one.version in passed_over or not better
    elif not found.alias_missing:
        assert {one.version for one in facts.checkpoints} == passed_over.keys()
