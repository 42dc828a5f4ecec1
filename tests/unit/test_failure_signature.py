"""The same death has the same signature, and another has another."""

import pytest

from resilience.failures import signature
from tests.unit.failure_page import texts
from tests.unit.harmless_lines import LINES, PREFIXES, WRAPPERS

DEATH = (
    "[rank1]: Traceback (most recent call last):\n"
    '[rank1]:   File "/opt/ml/code/train.py", line 214, in step\n'
    "[rank1]:     loss = model(batch)\n"
    "[rank1]: RuntimeError: The size of tensor a (3) must match the size of tensor b (4) at"
    " non-singleton dimension 1 at step 1200, see /tmp/tmp8f3a/trace.1 and 0x7f2a3c0d5b80"
)
SAME_DEATH = (
    "2026-11-26 03:14:15,926 - [rank6]: RuntimeError: The size of tensor a (7) must match the size"
    " of tensor b (8) at non-singleton dimension 1 at step 1300, see /tmp/tmp11aa/trace.2 and"
    " 0x55d0c1"
)


def test_numbers_addresses_paths_ranks_and_times_are_no_difference() -> None:
    assert signature(DEATH) == signature(SAME_DEATH)


def test_another_message_is_another_death() -> None:
    assert signature(DEATH) != signature("RuntimeError: element of tensors does not require grad")
    assert signature("KeyError: 'label'") != signature("KeyError: 'image'")
    assert signature("ValueError: bad") != signature("TypeError: bad")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:30])
def test_a_harmless_line_is_no_difference(line: str) -> None:
    assert signature(f"{DEATH}\n{line}") == signature(DEATH) == signature(f"{line}\n{DEATH}")


@pytest.mark.parametrize("prefix", PREFIXES, ids=repr)
def test_a_prefix_is_no_difference(prefix: str) -> None:
    assert signature("\n".join(prefix + line for line in DEATH.split("\n"))) == signature(DEATH)


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=repr)
def test_a_wrapper_is_no_difference(wrapper: str) -> None:
    assert signature(wrapper.replace("{}", DEATH)) == signature(DEATH)


def test_a_cut_after_the_cause_began_is_no_difference() -> None:
    end = DEATH.index("at step")
    assert {signature(DEATH[:length]) for length in range(end, len(DEATH))} == {signature(DEATH)}


@pytest.mark.parametrize("words", ["Stalled", "PeerLost"])
def test_of_a_stall_or_a_lost_peer_the_words_of_the_others_are_no_difference(words: str) -> None:
    """Who complains, and what was heard last, is chance; step and time tell such deaths apart."""
    said = ("Connection reset by peer", "NCCL error, remote process exited", "algo-2 is gone", "")
    assert len({signature(f"AlgorithmError: {words}: {text}") for text in said}) == 1


def test_a_stall_a_lost_peer_and_a_named_cause_are_three_deaths() -> None:
    lost, named = "PeerLost: Connection reset by peer", "PeerLost: KeyError: 'label'"
    deaths = {signature(text) for text in (lost, named, "Stalled: for 1800 s", lost[10:])}
    assert len(deaths) == 4


def test_a_text_that_no_rule_knows_has_a_signature_of_its_own_words() -> None:
    assert signature("Something odd, 17 times") == signature("Something odd, 18 times")
    assert signature("Something odd") != signature("Something even")


def test_deaths_from_the_wild_are_told_apart() -> None:
    signatures = {signature(text.text) for text in texts()}
    assert len(signatures) > len(texts()) * 0.85
