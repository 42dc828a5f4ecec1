"""Tags: what they opt in, what they override, what they carry forward, and what they cannot do."""

import time
from collections.abc import Iterator
from dataclasses import fields, replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience import policy, tags
from resilience.decisions import (
    CheckpointRequest,
    Judged,
    Ledger,
    Lineage,
    Mode,
    Policy,
    Reason,
    Successor,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from resilience.tags import UnreadableTagError
from tests.unit.lineages import NOW, checkpoint, ended
from tests.unit.strategies import CHECKPOINTS, JOB_NAMES, LEDGERS, OWN_TAGS, REJECTED, WAITS

OPTED_IN = {
    "WANDB_ENTITY": "team",
    "WANDB_PROJECT": "digits",
    "WANDB_CHECKPOINT_NAME": "model-r1",
}
LINEAGE = {
    "resilience:root": "root",
    "resilience:parent": "root-r2",
    "resilience:attempt": "3",
    "resilience:checkpoint": "v4",
    "resilience:checkpoint-step": "40",
    "resilience:ledger": "infrastructure=2 user_code=1 unpaid=3 same=1 seen=5 place=0a1b2c3d",
    "resilience:rejected": "v5 v3",
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


@pytest.mark.parametrize("text", ["", "-1", "1.5", "ten", "1e3", "٣", " 5", "9" * 9, "9" * 5000])
def test_an_override_that_is_no_sensible_number_changes_nothing(text: str) -> None:
    assert tags.policy({"resilience:max-attempts": text}, Policy()) == Policy()


def test_an_override_is_inherited_and_so_holds_for_the_lineage() -> None:
    own = OPTED_IN | {"resilience:max-attempts": "2", "resilience:mode": "act"}
    assert tags.of_successor(own, successor()).items() >= own.items()


def successor(**more: object) -> Successor:
    plain = Successor(
        name="root-r4",
        root="root",
        parent="root-r3",
        attempt=4,
        checkpoint=checkpoint("v9", 90),
        ledger=Ledger(ends=(("infrastructure", 3),)),
        rejected=(),
        waiting=None,
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # dataclasses.replace checks the names


def test_a_successor_is_tagged_with_all_that_the_contract_names() -> None:
    own = tags.of_successor(
        OPTED_IN, successor(rejected=("v8", "v7"), waiting=Waiting(2, NOW))
    ).items() - set(OPTED_IN.items())
    assert dict(own) == {
        "resilience:root": "root",
        "resilience:parent": "root-r3",
        "resilience:attempt": "4",
        "resilience:checkpoint": "v9",
        "resilience:checkpoint-step": "90",
        "resilience:ledger": "infrastructure=3",
        "resilience:rejected": "v8 v7",
        "resilience:waiting": "2 2027-01-15T08:00:00Z",
    }


def test_a_successor_from_the_beginning_starts_at_step_0_and_one_of_unknown_step_says_so() -> None:
    from_beginning = tags.of_successor({}, successor(checkpoint=None))
    assert from_beginning["resilience:checkpoint"] == "none"
    assert from_beginning["resilience:checkpoint-step"] == "0"
    unknown = tags.of_successor({}, successor(checkpoint=checkpoint("v9", None)))
    assert unknown["resilience:checkpoint-step"] == "unknown"


def test_a_successor_inherits_no_verdict_no_wait_and_nothing_of_aws() -> None:
    parent = (
        OPTED_IN
        | LINEAGE
        | {
            "aws:cloudformation:stack-name": "x",
            "AWS:odd": "x",
            "resilience:verdict": "WAIT",
            "resilience:reason": "capacity_unavailable",
            "resilience:due": "2026-01-31T03:00:00Z",
            "resilience:waiting": "1 2026-01-31T03:00:00Z",
            "resilience:successor": "elsewhere",
            "resilience:completed": "yes",
        }
    )
    own = tags.of_successor(parent, successor())
    assert not {key for key in own if key.lower().startswith("aws:")}
    assert not own.keys() & {
        "resilience:verdict",
        "resilience:reason",
        "resilience:due",
        "resilience:waiting",
        "resilience:successor",
        "resilience:rejected",
    }
    assert own["resilience:completed"] == "no"


def test_the_lineage_is_read_from_a_successors_own_tags() -> None:
    assert tags.lineage("root-r3", LINEAGE) == Lineage(
        root="root",
        attempt=3,
        started_from="v4",
        started_step=40,
        ledger=Ledger(
            ends=(("infrastructure", 2), ("user_code", 1)),
            unpaid=3,
            same=1,
            seen=5,
            place="0a1b2c3d",
        ),
        rejected=("v5", "v3"),
    )


@pytest.mark.parametrize("word", ["unknown"])
def test_an_unknown_step_is_not_read_as_zero(word: str) -> None:
    found = tags.lineage("root-r3", LINEAGE | {"resilience:checkpoint-step": word})
    assert found.started_step is None


def test_a_first_attempt_has_spent_nothing() -> None:
    assert tags.lineage("digits", OPTED_IN) == Lineage(root="digits", attempt=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"resilience:attempt": "2"},
        {"resilience:attempt": "three"},
        {"resilience:attempt": ""},
        {"resilience:root": "other"},
        {"resilience:root": "../root"},
    ],
)
def test_lineage_tags_on_another_job_are_a_clones_and_start_a_lineage(
    changed: dict[str, str],
) -> None:
    waits = {"resilience:waiting": "9 2020-01-01T00:00:00Z"}
    assert tags.lineage("root-r3", LINEAGE | waits | changed) == Lineage(root="root-r3", attempt=1)
    assert tags.lineage("my-own-name", LINEAGE | waits) == Lineage(root="my-own-name", attempt=1)


def test_a_clone_that_waits_itself_keeps_the_start_of_its_wait() -> None:
    waits = {"resilience:waiting": "1 2027-01-15T08:00:00Z", "resilience:verdict": "WAIT"}
    assert tags.lineage("clone", LINEAGE | waits).waiting == Waiting(1, NOW)


def test_an_attempt_number_below_two_makes_no_successor() -> None:
    for number in ("0", "1"):
        name, forged = f"root-r{number}", LINEAGE | {"resilience:attempt": number}
        assert tags.lineage(name, forged) == Lineage(root=name, attempt=1)


def test_a_ledger_in_which_nothing_is_spent_is_a_word_and_not_empty() -> None:
    assert tags.ledger_text(Ledger()) == "new"
    assert tags.lineage("root-r3", LINEAGE | {"resilience:ledger": "new"}).ledger == Ledger()


def test_a_number_of_eight_digits_is_the_largest_that_is_taken() -> None:
    own = {"resilience:max-lost-seconds": "9" * 8}
    assert tags.policy(own, Policy()).max_lost_seconds == 99_999_999


@pytest.mark.parametrize(
    "missing", ["resilience:checkpoint", "resilience:checkpoint-step", "resilience:ledger"]
)
def test_a_lineage_tag_that_is_gone_is_not_an_empty_one(missing: str) -> None:
    own = {key: value for key, value in LINEAGE.items() if key != missing}
    with pytest.raises(UnreadableTagError, match=r"^a part of the lineage's tags is gone$"):
        tags.lineage("root-r3", own)


@pytest.mark.parametrize(
    ("tag", "text", "fault"),
    [
        ("checkpoint", "newest", "not a version"),
        ("checkpoint", "v1 v2", "not a version"),
        ("checkpoint", "v٣", "not a version"),
        ("checkpoint-step", "4e1", "not a whole number"),
        ("checkpoint-step", "-40", "not a whole number"),
        ("ledger", "", "not a ledger of ours"),
        ("ledger", "infrastructure=two same=1", "not a whole number"),
        ("ledger", "infrastructure same=1", "not a whole number"),
        ("ledger", "same=3 same=1", "not a ledger of ours"),
        ("ledger", "place=0a1b2c3d place=0a1b2c3d", "not a ledger of ours"),
        ("ledger", "my_own_class=1 same=1", "not a ledger of ours"),
        ("ledger", "infrastructure=-2 same=1", "not a whole number"),
        ("ledger", "new same=1", "not a ledger of ours"),
        ("ledger", "place=step 40", "not a ledger of ours"),
        ("ledger", "place=0A1B2C3D", "not a ledger of ours"),
        ("rejected", "v3,v4", "not a version"),
        ("waiting", "1", "a waiting tag without its start"),
        ("waiting", "1 yesterday", "not a UTC time"),
        ("waiting", "often 2027-01-15T08:00:00Z", "not a whole number"),
    ],
)
def test_lineage_tags_that_we_never_write_are_refused_not_guessed(
    tag: str, text: str, fault: str
) -> None:
    with pytest.raises(UnreadableTagError, match=f"^{fault}$"):
        tags.lineage("root-r3", LINEAGE | {f"resilience:{tag}": text})


@pytest.mark.parametrize("length", [1, 59, 60, 61, 62, 63])
@pytest.mark.parametrize("number", [2, 9, 10, 99, 100])
def test_a_root_name_of_any_length_has_successors_of_at_most_63_characters(
    length: int, number: int
) -> None:
    root = "a" * length
    name = tags.successor_name(root, number)
    assert len(name) <= 63
    assert name.endswith(f"-r{number}")
    assert tags.lineage(name, tags.of_successor({}, successor(root=root, attempt=number))).root == (
        root
    )


@pytest.mark.parametrize(
    ("root", "number", "name"),
    [
        ("night", 2, "night-r2"),
        ("a" * 60, 2, "a" * 60 + "-r2"),
        ("a" * 61, 2, "a" * 51 + "-HASH-r2"),
        ("a" * 60, 10, "a" * 50 + "-HASH-r10"),
        ("a" * 50 + "-" * 12 + "b", 2, "a" * 50 + "-HASH-r2"),
        ("a" * 49 + "X" + "-" * 12 + "b", 2, "a" * 49 + "X-HASH-r2"),
    ],
)
def test_a_name_never_changes_between_releases_or_a_running_lineage_would_fork(
    root: str, number: int, name: str
) -> None:
    digest = sha256(root.encode()).hexdigest()[:8]
    assert tags.successor_name(root, number) == name.replace("HASH", digest)


def test_two_long_roots_that_differ_at_their_end_have_different_successors() -> None:
    one, other = "a" * 62 + "b", "a" * 62 + "c"
    assert tags.successor_name(one, 2) != tags.successor_name(other, 2)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_verdict_that_stands_is_read_back(verdict: Verdict) -> None:
    own = {
        "resilience:verdict": str(verdict),
        "resilience:reason": "no_progress",
        "resilience:due": "2027-01-15T08:00:00Z",
    }
    assert tags.judged(own) == Judged(verdict=str(verdict), reason="no_progress", due=NOW)
    assert tags.judged({}) is None


def test_words_in_a_verdict_that_are_not_ours_are_not_passed_on() -> None:
    canary = {"resilience:verdict": "canary", "resilience:reason": "canary"}
    assert tags.judged(canary) == Judged(verdict="unknown", reason="unknown")


@pytest.fixture
def _clocks_in_nepal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_clocks_in_nepal")
def test_times_in_tags_are_utc_wherever_the_reader_and_the_writer_run() -> None:
    assert tags.stamp(NOW) == "2027-01-15T08:00:00Z"
    own = {"resilience:verdict": "WAIT", "resilience:due": "2027-01-15T08:00:00Z"}
    assert tags.judged(own) == Judged(verdict="WAIT", reason="unknown", due=NOW)


def test_a_due_time_that_is_no_time_is_due_now() -> None:
    own = {"resilience:verdict": "WAIT", "resilience:due": "soon"}
    assert tags.judged(own) == Judged(verdict="WAIT", reason="unknown", due=None)


def test_a_wait_is_recorded_with_its_due_time_its_cause_and_its_start() -> None:
    decision = policy.decide(ended(FailureClass.CAPACITY, started=False))
    assert decision.due is not None
    assert tags.of_verdict(decision) == {
        "resilience:verdict": "WAIT",
        "resilience:reason": "capacity_unavailable",
        "resilience:due": tags.stamp(decision.due),
        "resilience:waiting": "1 2027-01-15T08:00:00Z",
    }


def test_a_relaunch_is_recorded_with_its_successor_and_a_stop_without() -> None:
    relaunched = policy.decide(ended(FailureClass.INFRASTRUCTURE, checkpoint("v1", 10)))
    assert tags.of_verdict(relaunched) == {
        "resilience:verdict": "RELAUNCH",
        "resilience:reason": "resumed_from_checkpoint",
        "resilience:successor": "root-r2",
    }
    assert tags.of_verdict(STOPPED) == {
        "resilience:verdict": "STOP",
        "resilience:reason": "permission_denied",
    }


@pytest.mark.parametrize(("own", "fits"), [(47, 2), (48, 2), (49, 1), (50, 0), (51, 0)])
def test_a_full_job_takes_as_much_of_a_verdict_as_it_has_room_for(own: int, fits: int) -> None:
    full = {f"k{number}": "" for number in range(own)} | {"aws:x": ""}
    verdict = tags.of_verdict(STOPPED)
    assert list(tags.with_room(full, verdict)) == ["resilience:verdict", "resilience:reason"][:fits]


def test_a_verdict_that_replaces_one_needs_no_room() -> None:
    full = {f"k{number}": "" for number in range(48)} | {
        "resilience:verdict": "WAIT",
        "resilience:reason": "throttled",
    }
    verdict = tags.of_verdict(STOPPED)
    assert tags.with_room(full, verdict) == verdict


SUCCESSORS = st.builds(
    Successor,
    name=st.just(""),
    root=JOB_NAMES,
    parent=JOB_NAMES,
    attempt=st.integers(2, 999),
    checkpoint=st.none() | CHECKPOINTS,
    ledger=LEDGERS,
    rejected=REJECTED,
    waiting=WAITS,
).map(lambda one: replace(one, name=tags.successor_name(one.root, one.attempt)))


@given(OWN_TAGS, SUCCESSORS)
def test_what_a_successor_is_tagged_with_is_read_back_exactly(
    own: dict[str, str], successor: Successor
) -> None:
    written = tags.of_successor(own, successor)
    chosen = successor.checkpoint
    assert tags.lineage(successor.name, written) == Lineage(
        root=successor.root,
        attempt=successor.attempt,
        started_from=chosen.version if chosen else None,
        started_step=chosen.step if chosen else 0,
        ledger=successor.ledger,
        rejected=successor.rejected,
        waiting=successor.waiting,
    )
    assert written["resilience:parent"] == successor.parent


@given(st.dictionaries(st.sampled_from([*LINEAGE, "resilience:waiting"]), st.text(max_size=20)))
def test_no_tag_breaks_the_reader_but_by_saying_that_it_is_unreadable(
    own: dict[str, str],
) -> None:
    for job in ("root", "root-r3"):
        try:
            found = tags.lineage(job, own)
        except UnreadableTagError:
            continue
        assert found.attempt >= 1


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


def test_the_ledger_of_the_longest_lineage_fits_into_a_tag() -> None:
    never_counted = {FailureClass.STOPPED_BY_USER, FailureClass.CAPACITY, FailureClass.QUOTA}
    full = Ledger(
        ends=tuple(sorted((str(name), 999) for name in FailureClass if name not in never_counted)),
        unpaid=999,
        without_work=99,
        by_program=9,
        lost_seconds=999_999,
        same=9,
        place="0a1b2c3d",
        best=999_999_999_999,
        seen=99_999_999,
    )
    assert len(tags.ledger_text(full)) <= 256
