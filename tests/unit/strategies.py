"""Everything a decision can be taken from: each enum, each absence, each extreme."""

import string
from dataclasses import fields, replace

from hypothesis import strategies as st

from resilience.decide.breaker import Breaker, Circuit
from resilience.decide.decisions import (
    Checkpoint,
    CheckpointRequest,
    Facts,
    Ledger,
    Lineage,
    Lookup,
    Mode,
    Policy,
    Reason,
    Recorded,
    Succession,
    Verdict,
    Waiting,
)
from resilience.decide.stores import NoStore, Store, StoreFault
from resilience.failures import LOSS_DIVERGED, FailureClass
from tests.unit.lineages import NOW, waits

INSTANTS = st.integers(0, 4_000_000_000)
COUNTS = st.integers(0, 12)
STEPS = st.none() | st.integers(0, 100)
NUMBERS = st.integers(0, 12)
VERSIONS = NUMBERS.map("v{}".format)
CLASSES = st.sampled_from(FailureClass)
JOB_NAMES = st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,31}", fullmatch=True) | st.sampled_from(
    ["a" * 63, "a" + "-" * 61 + "b", "root"]
)

CHECKPOINTS = st.builds(
    Checkpoint,
    version=VERSIONS,
    step=STEPS,
    digest=st.text("0123456789abcdef", min_size=32, max_size=32),
    run=st.sampled_from(["r1", "r1", "r2", None]),
    committed=st.sampled_from([True, True, True, False]),
    aliases=st.sampled_from([(), (), ("latest",), ("best",), ("suspect",), ("best", "suspect")]),
    job=st.sampled_from([None, None, "root-r2", "another"]),
    store=st.sampled_from([None, None, Store("b", ("pre",)), NoStore()]),
)
COLLECTIONS = st.lists(CHECKPOINTS, max_size=6, unique_by=lambda one: one.version).map(tuple)
STORE_FAULTS = st.dictionaries(VERSIONS, st.sampled_from(StoreFault), max_size=3).map(
    lambda faults: tuple(faults.items())
)
LEDGERS = st.builds(
    Ledger,
    ends=st.dictionaries(CLASSES.map(str), st.integers(1, 12), max_size=5).map(
        lambda ends: tuple(sorted(ends.items()))
    ),
    unpaid=COUNTS,
    without_work=st.integers(0, 4),
    lost_seconds=st.integers(0, 200_000),
    same=st.integers(0, 3),
    place=st.sampled_from(["", "0123abcd"]),
    best=st.integers(-1, 100),
    seen=st.integers(-1, 12),
)
WAITS = st.none() | st.builds(Waiting, times=st.integers(0, 200), since=INSTANTS)
REJECTED = st.lists(VERSIONS, max_size=3, unique=True).map(tuple)
LINEAGES = st.builds(
    Lineage,
    root=JOB_NAMES,
    attempt=st.integers(1, 120),
    started_from=st.none() | VERSIONS,
    started_step=STEPS,
    ledger=LEDGERS,
    rejected=REJECTED,
    waiting=WAITS,
)
JUDGED = st.none() | st.builds(
    Recorded,
    verdict=st.sampled_from([*Verdict, "unknown"]).map(str),
    reason=st.sampled_from(Reason).map(str),
    due=st.none() | INSTANTS,
)
POLICIES = st.just(Policy()) | st.builds(
    Policy,
    **{field.name: st.integers(0, 200) for field in fields(Policy)},
)
REQUESTS = st.builds(
    CheckpointRequest,
    entity=st.just("team"),
    project=st.just("digits"),
    collection=st.just("model-r1"),
    alias=st.sampled_from(["latest", "best", "v3", "gone"]),
    runs=st.just(("r1",)),
)
OBSTACLES = st.lists(
    st.tuples(
        st.sampled_from([Reason.NOT_CLONABLE, Reason.LIMIT_REACHED, Reason.IMAGE_NOT_ALLOWED]),
        st.just("which"),
    ),
    max_size=2,
).map(tuple)
CAUSES = st.sampled_from(["", "infrastructure", "user_code/0123abcd"])
BREAKERS = st.builds(
    Breaker,
    state=st.sampled_from(Circuit),
    since=INSTANTS,
    cause=st.sampled_from(["infrastructure", "user_code/0123abcd", "several", "unreadable"])
    | CAUSES,
    probe=st.just("") | JOB_NAMES,
    died_within=st.integers(0, 3599),
    mailed=INSTANTS,
)
STATUSES = st.sampled_from(
    ["Failed", "Failed", "Failed", "Stopped", "Completed", "InProgress", "Deleting", "New", "None"]
)
HOW = st.sampled_from(
    ["Failed", "Stopped", "Completed", "Interrupted", "MaxRuntimeExceeded", "Training", "New"]
)


def mostly(usual: object, others: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """The usual value half of the time, so that the interesting paths are reached as well."""
    return st.booleans().flatmap(lambda plain: st.just(usual) if plain else others)


ANY_FACTS = st.builds(
    Facts,
    job=JOB_NAMES,
    status=STATUSES,
    secondary_status=mostly("Failed", HOW),
    observed_at=INSTANTS,
    created_at=st.none() | INSTANTS,
    ended_at=st.none() | INSTANTS,
    started=st.booleans(),
    seconds=st.integers(0, 400_000),
    signature=st.sampled_from(["5191a7e0", "0ddba115"]),
    mode=mostly(Mode.ACT, st.sampled_from(Mode)),
    request=st.none() | REQUESTS | REQUESTS | REQUESTS,
    tags_invalid=mostly(usual=False, others=st.booleans()),
    contradictions=mostly((), st.just(("WANDB_RUN_ID",))),
    project_allowed=mostly(usual=True, others=st.booleans()),
    owner=mostly(None, st.just("AWSBatch")),
    lineage=mostly(None, LINEAGES) | LINEAGES,
    recorded=mostly(None, JUDGED),
    again=mostly(None, st.just("0a1b2c3d")),
    failure_class=st.none() | CLASSES | CLASSES | CLASSES,
    failure_rule=st.sampled_from(["some_rule", LOSS_DIVERGED]),
    checkpoint_load_error=st.booleans(),
    run=st.sampled_from(["r1", "r1", "r2", None]),
    lookup=mostly(Lookup.FOUND, st.sampled_from(Lookup)),
    checkpoints=COLLECTIONS,
    store_faults=mostly((), STORE_FAULTS),
    pending=mostly(0, st.integers(0, 3)),
    elsewhere=mostly((), st.just(("model-other",))),
    obstacles=mostly((), OBSTACLES),
    policy=POLICIES,
    heartbeat_at=mostly(None, INSTANTS),
    succession=mostly(Succession.UNKNOWN, st.sampled_from(Succession)),
    refusal=mostly(None, st.tuples(CLASSES, st.just("some_rule"))),
    breaker=mostly(Breaker(), BREAKERS),
    cause=CAUSES,
)
# A failed attempt that is ours to decide on: what is behind the gates of the policy.
FAILED_FACTS = st.builds(
    replace,
    ANY_FACTS,
    job=st.just("root-r2"),
    status=st.just("Failed"),
    secondary_status=st.just("Failed"),
    observed_at=st.just(NOW),
    ended_at=st.integers(NOW - 200, NOW),
    mode=st.just(Mode.ACT),
    request=REQUESTS,
    tags_invalid=st.just(value=False),
    contradictions=st.just(()),
    project_allowed=st.just(value=True),
    owner=st.none(),
    lineage=LINEAGES,
    recorded=st.none() | st.builds(waits, st.sampled_from(Reason), st.just(NOW)),
    failure_class=CLASSES.filter(lambda one: one is not FailureClass.STOPPED_BY_USER),
    lookup=st.just(Lookup.FOUND),
    elsewhere=st.just(()),
    obstacles=st.just(()),
    policy=st.just(Policy()),
    heartbeat_at=mostly(None, st.integers(NOW - 400, NOW)),
    succession=st.just(Succession.UNKNOWN),
    refusal=st.none() | st.none() | st.tuples(CLASSES, st.just("some_rule")),
)
FACTS = ANY_FACTS | FAILED_FACTS | FAILED_FACTS

# Tags that people set and SageMaker takes.
TAG_TEXT = st.text(string.ascii_letters + string.digits + " _.:/=+-@äß", max_size=256)
TAG_KEYS = st.text(string.ascii_letters + string.digits + "_.:/=+-@", min_size=1, max_size=128)
OWN_TAGS = st.dictionaries(TAG_KEYS, TAG_TEXT, max_size=50)
