from dataclasses import replace

import pytest

from resilient_training.run.ends import End, Resumed, Seen, end_of, unusable
from resilient_training.run.hosts import Hosts
from resilient_training.run.root_cause import Cause

ALONE = Hosts(("algo-1",), "algo-1")
FIRST = Hosts(("algo-1", "algo-2"), "algo-1")
SECOND = Hosts(("algo-1", "algo-2"), "algo-2")
DONE = Seen(0, None)
ERROR = Seen(1, Cause("ValueError: bad batch"))
PEER = Seen(1, Cause("RuntimeError: Connection closed by peer", of_peer=True))


def test_only_a_command_that_ended_well_and_was_not_asked_to_is_complete() -> None:
    assert end_of(DONE, ALONE) == End(0, completed=True)
    for asked in (
        replace(DONE, terminated=True),
        replace(DONE, stopped_by_user=True),
        replace(DONE, stalled_minutes=30.0),
    ):
        assert not end_of(asked, ALONE).completed


def test_the_first_host_alone_says_that_the_training_is_complete() -> None:
    assert end_of(DONE, FIRST) == End(0, completed=True)
    assert end_of(DONE, SECOND) == End(0)


@pytest.mark.parametrize("seen", [DONE, ERROR, PEER])
def test_after_sigterm_the_code_is_143_whatever_the_command_made_of_it(seen: Seen) -> None:
    assert end_of(replace(seen, terminated=True), FIRST) == End(143)


def test_a_persons_stop_counts_above_all_else() -> None:
    seen = replace(ERROR, stopped_by_user=True, terminated=True)
    assert end_of(seen, ALONE) == End(66, failure="StoppedByUser: in W&B")


def test_an_error_ends_with_1_and_its_text() -> None:
    assert end_of(ERROR, ALONE) == End(1, failure="ValueError: bad batch")


def test_of_several_hosts_the_text_names_the_one_that_says_so() -> None:
    assert end_of(ERROR, SECOND) == End(1, failure="ValueError: bad batch (on algo-2)")


def test_who_only_lost_a_peer_says_so_and_knows_that_another_text_is_the_cause() -> None:
    text = "PeerLost: RuntimeError: Connection closed by peer (on algo-2)"
    assert end_of(PEER, SECOND) == End(1, failure=text, lost_peer=True)


def test_on_one_host_no_other_host_can_have_the_cause() -> None:
    assert end_of(PEER, ALONE) == End(1, failure="RuntimeError: Connection closed by peer")


def test_a_silence_is_stalled_whatever_the_killed_command_left_as_its_last_words() -> None:
    end = end_of(Seen(-9, Cause("exit code -9"), stalled_minutes=30.0), FIRST)
    assert end.code == 1
    assert end.failure is not None
    assert end.failure.startswith("Stalled: nothing was heard for 30 min: ")
    assert end.failure.endswith(" (on algo-1)")


def test_a_failure_that_blames_the_restored_checkpoint_has_the_controller_walk_back() -> None:
    blamed = end_of(replace(ERROR, resumed=Resumed("v3", blamed=True)), FIRST)
    assert blamed == End(65, failure="CheckpointLoadError: v3: ValueError: bad batch")
    assert end_of(replace(ERROR, resumed=Resumed("v3")), ALONE).code == 1
    assert unusable("v3: gone") == End(65, failure="CheckpointLoadError: v3: gone")


def test_a_command_that_wrote_the_failure_file_itself_keeps_its_words() -> None:
    own = replace(ERROR, own_failure="LossDiverged: nan")
    assert end_of(own, FIRST) == End(1, failure="LossDiverged: nan")


@pytest.mark.parametrize(
    ("code", "words"), [(65, "CheckpointLoadError: v3: bad"), (66, "StoppedByUser: in W&B")]
)
def test_a_command_that_ends_as_the_contract_says_is_taken_at_its_word(
    code: int, words: str
) -> None:
    assert end_of(Seen(code, None, own_failure=words), ALONE).code == code
    assert end_of(Seen(code, None, own_failure="ValueError: x"), ALONE).code == 1
    assert end_of(Seen(code, None), ALONE).code == 1


def test_what_sagemaker_keeps_of_a_long_text_still_names_the_host() -> None:
    end = end_of(Seen(1, Cause("ValueError: " + "long\n" * 1000)), SECOND)
    assert end.failure is not None
    assert len(end.failure) == 1024
    assert end.failure.endswith(" (on algo-2)")
    assert "\n" not in end.failure
