"""What a person stopped in W&B stays stopped, whatever else the job says and bears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.decisions import Reason, Verdict
from resilience.failures import End, FailureClass, classify
from resilience.wire import tags
from tests.unit.recovery_world import GPU, JOB, TAGS, decide, deliver, event, failed, verdict_of

STOPPED = "AlgorithmError: StoppedByUser: in W&B, at step 120, exit code: 66"
PROVEN = (
    STOPPED,
    'AlgorithmError: ExecuteUserScriptError:\nExitCode 66\nErrorMessage "StoppedByUser: in W&B"',
    # What SageMaker keeps of a text is 1,024 characters, exit code not among them.
    f"AlgorithmError: StoppedByUser: in W&B; then RuntimeError: {GPU * 20}"[:1024],
)
# A script without our training side: the SDK interrupts it. Nothing but the text says so.
SAID = (
    "AlgorithmError: Traceback (most recent call last):\nKeyboardInterrupt, exit code: 130",
    "AlgorithmError: , exit code: 130",
    "AlgorithmError: the worker said StoppedByUser\nStoppedByUser: in W&B, exit code: 1",
)
REASONS = (*PROVEN, *SAID)
LONG_AGO = "2026-01-01T00:00:00Z"
# Every tag that the controller reads or writes, with what it could mean.
ADDED = st.fixed_dictionaries(
    {},
    optional={
        tags.VERDICT: st.sampled_from(["WAIT", "RELAUNCH", "STOP", "IGNORE", "relaunch", ""]),
        tags.REASON: st.sampled_from([*map(str, Reason), "x"]),
        tags.DUE: st.sampled_from([LONG_AGO, "2036-01-01T00:00:00Z", "soon"]),
        tags.WAITING: st.sampled_from([f"1 {LONG_AGO}", "x"]),
        tags.COMPLETED: st.sampled_from(["yes", "no", "x"]),
        tags.MODE: st.sampled_from(["act", "observe"]),
        tags.SUCCESSOR: st.just("night-1-r2"),
        tags.CHECKPOINT_TAG: st.sampled_from(["best", "v0"]),
        tags.RESHUFFLE: st.just("on-divergence"),
        "resilience:max-jobs": st.just("100"),
        "resilience:max-without-work": st.just("100"),
    },
)


@pytest.mark.parametrize("reason", SAID)
def test_what_only_a_text_calls_a_persons_stop_does_not_come_back_and_is_reported(
    reason: str,
) -> None:
    world = failed(reason)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.STOPPED_BY_USER)
    assert [one.facts.job for one in world.topic.published] == [JOB]
    assert world.sagemaker.names() == (JOB,)


@pytest.mark.parametrize("reason", PROVEN)
def test_a_job_that_a_person_stopped_in_wandb_never_comes_back(reason: str) -> None:
    world = failed(reason)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.IGNORE, Reason.STOPPED_BY_USER)
    assert verdict_of(world) == "IGNORE"
    assert decide(world, event()).reason is Reason.ALREADY_DECIDED
    assert world.sagemaker.names() == (JOB,)


@given(st.sampled_from(REASONS), ADDED)
def test_no_tag_brings_back_what_a_person_stopped(reason: str, added: dict[str, str]) -> None:
    world = failed(reason, tags=TAGS | added)
    deliver(world)
    deliver(world, event(TAGS | added))
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.VERDICT: "WAIT", tags.DUE: LONG_AGO})
    deliver(world)
    assert world.sagemaker.names() == (JOB,)
    assert world.schedules.due == {}


@pytest.mark.parametrize(
    ("status", "secondary"),
    [("Failed", "Interrupted"), ("Stopped", "MaxRuntimeExceeded"), ("Stopped", "Interrupted")],
)
def test_a_lost_instance_or_a_limit_that_comes_with_the_stop_does_not_undo_it(
    status: str, secondary: str
) -> None:
    assert classify(End(status, secondary, STOPPED)).failure_class is FailureClass.STOPPED_BY_USER


def test_the_signal_of_a_lost_instance_is_no_person() -> None:
    for text in ("AlgorithmError: , exit code: 143", "received SIGTERM\nKeyboardInterrupt"):
        assert classify(End("Failed", "Failed", text)).failure_class is FailureClass.INTERRUPTED


def test_the_exit_code_alone_is_no_persons_word() -> None:
    """66 is also EX_NOINPUT of sysexits.h: without its text it is any script's own code."""
    bare = End("Failed", "Failed", "AlgorithmError: , exit code: 66")
    assert classify(bare).failure_class is FailureClass.USER_CODE
