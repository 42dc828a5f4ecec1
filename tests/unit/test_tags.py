"""Tags: what they opt in, what they override, and how a verdict is written and read."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide import policy
from resilience.decide.decisions import (
    CheckpointRequest,
    Mode,
    Policy,
    Reason,
    Recorded,
    Verdict,
)
from resilience.failures import FailureClass
from resilience.wire import tags, verdict_tags, words
from resilience.wire.words import UnreadableTagError
from tests.unit.lineages import NOW, checkpoint, ended

STOPPED = policy.decide(ended(FailureClass.PERMISSION, started=False))


OPTED_IN = {
    "WANDB_ENTITY": "team",
    "WANDB_PROJECT": "digits",
    "WANDB_CHECKPOINT_NAME": "model-r1",
}


STOPPED = policy.decide(ended(FailureClass.PERMISSION, started=False))


@pytest.mark.parametrize("missing", OPTED_IN)
def test_a_job_is_opted_in_by_all_three_tags_and_none_is_opted_out_by_emptying_one(
    missing: str,
) -> None:
    assert tags.opted_in(OPTED_IN)
    assert tags.opted_in({**OPTED_IN, missing: ""})
    assert not tags.opted_in({key: value for key, value in OPTED_IN.items() if key != missing})


@pytest.mark.parametrize(
    ("more", "alias"),
    [
        ({}, "latest"),
        ({"WANDB_CHECKPOINT_TAG": "best"}, "best"),
        ({"WANDB_CHECKPOINT_TAG": ""}, "latest"),
        ({"WANDB_CHECKPOINT_NAME": "model-r1:v7"}, "v7"),
        ({"WANDB_CHECKPOINT_NAME": "model-r1:best", "WANDB_CHECKPOINT_TAG": "other"}, "best"),
        ({"WANDB_CHECKPOINT_NAME": "model-r1:", "WANDB_CHECKPOINT_TAG": "best"}, "best"),
    ],
)
def test_an_alias_or_a_version_may_be_asked_for(more: dict[str, str], alias: str) -> None:
    assert tags.checkpoint_request(OPTED_IN | more, ("r1",)) == CheckpointRequest(
        entity="team", project="digits", collection="model-r1", alias=alias, runs=("r1",)
    )


HOSTILE = [
    'x"){project{id}}',
    "{__schema{types}}",
    "../../etc/passwd",
    "a/b",
    "a..b",
    "..",
    ".",
    "name\nsecond line",
    "name\r",
    "tab\there",
    "\x00",
    "modèle",
    "модель",
    "a\u202eb",
    "$(id)",
    "a;b",
    " leading",
    "-flag",
    "x" * 129,
    "x" * 256,
    "a:b:c",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "tag",
    [
        "WANDB_ENTITY",
        "WANDB_PROJECT",
        "WANDB_CHECKPOINT_NAME",
        "WANDB_CHECKPOINT_TAG",
        "WANDB_RUN_ID",
    ],
)
def test_a_tag_that_is_no_wandb_name_is_not_used(tag: str, text: str) -> None:
    with pytest.raises(UnreadableTagError, match=r"^not a W&B name$"):
        tags.checkpoint_request(OPTED_IN | {tag: text}, ())


@pytest.mark.parametrize("tag", ["WANDB_ENTITY", "WANDB_PROJECT", "WANDB_CHECKPOINT_NAME"])
def test_a_place_of_which_a_part_is_missing_is_none(tag: str) -> None:
    rest = {key: value for key, value in OPTED_IN.items() if key != tag}
    with pytest.raises(UnreadableTagError, match=r"^not a W&B name$"):
        tags.checkpoint_request(rest, ())


@pytest.mark.parametrize("stack", Mode)
@pytest.mark.parametrize(
    ("own", "means"),
    [
        ("act", Mode.ACT),
        ("observe", Mode.OBSERVE),
        (" Off", Mode.OFF),
        ("halt", Mode.OBSERVE),
    ],
)
def test_the_more_careful_mode_wins_and_an_unknown_word_observes(
    stack: Mode, own: str, means: Mode
) -> None:
    careful = [Mode.ACT, Mode.OBSERVE, Mode.OFF]
    found = tags.mode({"resilience:mode": own}, stack)
    assert careful.index(found) == max(careful.index(stack), careful.index(means))
    assert tags.mode({}, stack) is stack


@pytest.mark.parametrize("number", [field.name for field in fields(Policy)])
def test_every_number_of_the_policy_can_be_overridden_per_job(number: str) -> None:
    key = "resilience:" + number.replace("_", "-")
    overridden = tags.policy({key: "7"}, Policy())
    assert overridden == replace(Policy(), **{number: 7})


@pytest.mark.parametrize("ceiling", ["max_jobs", "max_age_days"])
def test_a_job_may_lower_the_stacks_ceilings_and_not_raise_them(ceiling: str) -> None:
    key, most = "resilience:" + ceiling.replace("_", "-"), getattr(Policy(), ceiling)
    for asked, got in ((most - 1, most - 1), (most, most), (most + 1, most), (0, 0)):
        found = tags.policy({key: str(asked)}, Policy())
        assert found == replace(Policy(), **{ceiling: got})


@pytest.mark.parametrize("text", ["", "-1", "1.5", "ten", "1e3", "٣", " 5", "9" * 9, "9" * 5000])
def test_an_override_that_is_no_sensible_number_changes_nothing(text: str) -> None:
    assert tags.policy({"resilience:max-jobs": text}, Policy()) == Policy()


def test_a_number_of_eight_digits_is_the_largest_that_is_taken() -> None:
    own = {"resilience:max-lost-seconds": "9" * 8}
    assert tags.policy(own, Policy()).max_lost_seconds == 99_999_999


def test_a_persons_word_asks_until_its_own_hash_says_that_it_was_answered() -> None:
    word = hashlib.sha256(b"Jo").hexdigest()[:16]
    asked = tags.again({"resilience:again": "Jo"})
    assert asked is not None
    assert word.startswith(asked)
    assert tags.again({}) is None
    assert tags.again({tags.ANSWERED: asked}) is None
    assert tags.again({"resilience:again": "Jo", tags.ANSWERED: asked}) is None
    assert tags.again({"resilience:again": "Jo", tags.ANSWERED: "of another"}) == asked
    assert tags.again({"resilience:again": "Al", tags.ANSWERED: asked}) not in (None, asked)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_verdict_that_stands_is_read_back(verdict: Verdict) -> None:
    own = {
        "resilience:verdict": str(verdict),
        "resilience:reason": "no_progress",
        "resilience:due": "2027-01-15T08:00:00Z",
    }
    assert verdict_tags.recorded(own) == Recorded(
        verdict=str(verdict), reason="no_progress", due=NOW
    )
    assert verdict_tags.recorded({}) is None


def test_words_in_a_verdict_that_are_not_ours_are_not_passed_on() -> None:
    canary = {"resilience:verdict": "canary", "resilience:reason": "canary"}
    assert verdict_tags.recorded(canary) == Recorded(verdict="unknown", reason="unknown")


@pytest.fixture
def _clocks_in_nepal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_clocks_in_nepal")
def test_times_in_tags_are_utc_wherever_the_reader_and_the_writer_run() -> None:
    assert words.stamp(NOW) == "2027-01-15T08:00:00Z"
    own = {"resilience:verdict": "WAIT", "resilience:due": "2027-01-15T08:00:00Z"}
    assert verdict_tags.recorded(own) == Recorded(verdict="WAIT", reason="unknown", due=NOW)


def test_a_due_time_that_is_no_time_is_due_now() -> None:
    own = {"resilience:verdict": "WAIT", "resilience:due": "soon"}
    assert verdict_tags.recorded(own) == Recorded(verdict="WAIT", reason="unknown", due=None)


def test_a_wait_is_recorded_with_its_due_time_its_cause_and_its_start() -> None:
    decision = policy.decide(ended(FailureClass.CAPACITY, started=False))
    assert decision.due is not None
    assert verdict_tags.of_verdict(decision) == {
        "resilience:verdict": "WAIT",
        "resilience:reason": "capacity_unavailable",
        "resilience:due": words.stamp(decision.due),
        "resilience:waiting": "1 2027-01-15T08:00:00Z",
    }


def test_a_relaunch_is_recorded_with_its_successor_and_a_stop_without() -> None:
    relaunched = policy.decide(ended(FailureClass.INFRASTRUCTURE, checkpoint("v1", 10)))
    assert verdict_tags.of_verdict(relaunched) == {
        "resilience:verdict": "RELAUNCH",
        "resilience:reason": "resumed_from_checkpoint",
        "resilience:successor": "root-r2",
    }
    assert verdict_tags.of_verdict(STOPPED) == {
        "resilience:verdict": "STOP",
        "resilience:reason": "permission_denied",
    }


@pytest.mark.parametrize(("own", "fits"), [(47, 2), (48, 2), (49, 1), (50, 0), (51, 0)])
def test_a_full_job_takes_as_much_of_a_verdict_as_it_has_room_for(own: int, fits: int) -> None:
    full = {f"k{number}": "" for number in range(own)} | {"aws:x": ""}
    verdict = verdict_tags.of_verdict(STOPPED)
    assert (
        list(verdict_tags.with_room(full, verdict))
        == ["resilience:verdict", "resilience:reason"][:fits]
    )


def test_a_verdict_that_replaces_one_needs_no_room() -> None:
    full = {f"k{number}": "" for number in range(48)} | {
        "resilience:verdict": "WAIT",
        "resilience:reason": "throttled",
    }
    verdict = verdict_tags.of_verdict(STOPPED)
    assert verdict_tags.with_room(full, verdict) == verdict


@given(st.dictionaries(st.sampled_from([*OPTED_IN, "WANDB_RUN_ID"]), st.text(max_size=300)))
def test_a_request_holds_names_only_whatever_the_tags_hold(own: dict[str, str]) -> None:
    if not tags.opted_in(own):
        return
    try:
        request = tags.checkpoint_request(own, ())
    except UnreadableTagError:
        return
    for name in (request.entity, request.project, request.collection, request.alias):
        assert name.isascii()
        assert name.isprintable()
        assert not {"/", "{", '"', "$", "\\"} & set(name)
        assert ".." not in name


def test_reasons_in_tags_are_one_word_that_sagemaker_takes() -> None:
    for reason in Reason:
        assert reason.replace("_", "").isalpha()
