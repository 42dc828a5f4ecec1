"""The tags of a lineage: what a successor bears, what is read of it, and what is refused."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide import naming
from resilience.decide.decisions import (
    Ledger,
    Lineage,
    Successor,
    Waiting,
)
from resilience.wire import lineage_tags
from resilience.wire.words import UnreadableTagError
from tests.unit.lineages import NOW, checkpoint
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
    "resilience:ledger": "infrastructure=2 user_code=1 unpaid=3 row=1 code=1"
    " lost=700 same=2 best=40 seen=5 place=0123abcd",
    "resilience:rejected": "v5 v3",
}


def test_an_override_is_inherited_and_so_holds_for_the_lineage() -> None:
    own = OPTED_IN | {"resilience:max-jobs": "2", "resilience:mode": "act"}
    assert lineage_tags.of_successor(own, successor()).items() >= own.items()


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
    own = lineage_tags.of_successor(
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
    from_beginning = lineage_tags.of_successor({}, successor(checkpoint=None))
    assert from_beginning["resilience:checkpoint"] == "none"
    assert from_beginning["resilience:checkpoint-step"] == "0"
    unknown = lineage_tags.of_successor({}, successor(checkpoint=checkpoint("v9", None)))
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
    own = lineage_tags.of_successor(parent, successor())
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
    assert lineage_tags.read("root-r3", LINEAGE) == Lineage(
        root="root",
        attempt=3,
        started_from="v4",
        started_step=40,
        ledger=Ledger(
            ends=(("infrastructure", 2), ("user_code", 1)),
            unpaid=3,
            without_work=1,
            by_program=1,
            lost_seconds=700,
            same=2,
            place="0123abcd",
            best=40,
            seen=5,
        ),
        rejected=("v5", "v3"),
    )


@pytest.mark.parametrize("word", ["unknown"])
def test_an_unknown_step_is_not_read_as_zero(word: str) -> None:
    found = lineage_tags.read("root-r3", LINEAGE | {"resilience:checkpoint-step": word})
    assert found.started_step is None


def test_a_first_attempt_has_spent_nothing() -> None:
    assert lineage_tags.read("digits", OPTED_IN) == Lineage(root="digits", attempt=1)


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
    assert lineage_tags.read("root-r3", LINEAGE | waits | changed) == Lineage(
        root="root-r3", attempt=1
    )
    assert lineage_tags.read("my-own-name", LINEAGE | waits) == Lineage(
        root="my-own-name", attempt=1
    )


def test_a_clone_that_waits_itself_keeps_the_start_of_its_wait() -> None:
    waits = {"resilience:waiting": "1 2027-01-15T08:00:00Z", "resilience:verdict": "WAIT"}
    assert lineage_tags.read("clone", LINEAGE | waits).waiting == Waiting(1, NOW)


def test_an_attempt_number_below_two_makes_no_successor() -> None:
    for number in ("0", "1"):
        name, forged = f"root-r{number}", LINEAGE | {"resilience:attempt": number}
        assert lineage_tags.read(name, forged) == Lineage(root=name, attempt=1)


@pytest.mark.parametrize(
    "missing", ["resilience:checkpoint", "resilience:checkpoint-step", "resilience:ledger"]
)
def test_a_lineage_tag_that_is_gone_is_not_an_empty_one(missing: str) -> None:
    own = {key: value for key, value in LINEAGE.items() if key != missing}
    with pytest.raises(UnreadableTagError, match=r"^a part of the lineage's tags is gone$"):
        lineage_tags.read("root-r3", own)


@pytest.mark.parametrize(
    ("tag", "text", "fault"),
    [
        ("checkpoint", "newest", "not a version"),
        ("checkpoint", "v1 v2", "not a version"),
        ("checkpoint", "v٣", "not a version"),
        ("checkpoint-step", "4e1", "not a whole number"),
        ("checkpoint-step", "-40", "not a whole number"),
        ("ledger", "", "not a ledger of ours"),
        ("ledger", "old", "not a ledger of ours"),
        ("ledger", "new seen=1", "not a ledger of ours"),
        ("ledger", "infrastructure=two seen=0", "not a whole number"),
        ("ledger", "infrastructure seen=0", "not a whole number"),
        ("ledger", "seen=3 seen=0", "not a ledger of ours"),
        ("ledger", "my_own_class=1 seen=0", "not a ledger of ours"),
        ("ledger", "no-progress=1 seen=0", "not a ledger of ours"),
        ("ledger", "infrastructure=-2 seen=0", "not a whole number"),
        ("ledger", "best=-1", "not a whole number"),
        ("ledger", "place=", "not a ledger of ours"),
        ("ledger", "same=1 place=", "not a ledger of ours"),
        ("ledger", "place=0123abcd place=0123abce", "not a ledger of ours"),
        ("ledger", "place=0123abc", "not a ledger of ours"),
        ("ledger", "place=0123abcde", "not a ledger of ours"),
        ("ledger", "place=0123ABCD", "not a ledger of ours"),
        ("ledger", "seen=1 place=../passwd", "not a ledger of ours"),
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
        lineage_tags.read("root-r3", LINEAGE | {f"resilience:{tag}": text})


@pytest.mark.parametrize("length", [1, 59, 60, 61, 62, 63])
@pytest.mark.parametrize("number", [2, 9, 10, 99, 100])
def test_a_root_name_of_any_length_has_successors_of_at_most_63_characters(
    length: int, number: int
) -> None:
    root = "a" * length
    name = naming.successor_name(root, number)
    assert len(name) <= 63
    assert name.endswith(f"-r{number}")
    assert lineage_tags.read(
        name, lineage_tags.of_successor({}, successor(root=root, attempt=number))
    ).root == (root)


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
    assert naming.successor_name(root, number) == name.replace("HASH", digest)


@pytest.mark.parametrize(
    ("root", "kept"),
    [
        ("night", "night"),
        ("a" * 56, "a" * 56),
        ("a" * 57, "a" * 56),
        ("a" * 50 + "-" * 12 + "b", "a" * 50),
        ("a" * 49 + "X" + "-" * 12 + "b", "a" * 49 + "X"),
    ],
)
def test_the_names_of_a_root_used_again_never_change_between_releases(root: str, kept: str) -> None:
    word = sha256(f"{root}/1769828400".encode()).hexdigest()[:6]
    name = naming.root_used_again(root, 1_769_828_400)
    assert name == f"{kept}-{word}"
    assert naming.is_job_name(name)


def test_two_long_roots_that_differ_at_their_end_have_different_successors() -> None:
    one, other = "a" * 62 + "b", "a" * 62 + "c"
    assert naming.successor_name(one, 2) != naming.successor_name(other, 2)


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
).map(lambda one: replace(one, name=naming.successor_name(one.root, one.attempt)))


@given(OWN_TAGS, SUCCESSORS)
def test_what_a_successor_is_tagged_with_is_read_back_exactly(
    own: dict[str, str], successor: Successor
) -> None:
    written = lineage_tags.of_successor(own, successor)
    chosen = successor.checkpoint
    assert lineage_tags.read(successor.name, written) == Lineage(
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
            found = lineage_tags.read(job, own)
        except UnreadableTagError:
            continue
        assert found.attempt >= 1
