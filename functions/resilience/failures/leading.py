"""The training side's own words (docs/contract.md), which count only where they lead a text. Pure.

Quoted further down they are somebody's log.
"""

import re

from resilience.failures import rules
from resilience.failures.reader import cause_of
from resilience.failures.rules import Rank, Rule

_LONGEST_BEGINNING = 512
_WRAPPED = (
    r"\s*(?:AlgorithmError:\s*)?"
    r'(?:ExecuteUserScriptError:\s*ExitCode\s+\d{1,3}\s+ErrorMessage\s+"\s*)?'
)
_LEADING = tuple(
    (re.compile(rf"{_WRAPPED}{words}(?:\s|$)", re.IGNORECASE), rule)
    for words, rule in (
        (r"CheckpointLoadError:\s*\S{1,200}:", rules.CHECKPOINT_LOAD_ERROR),
        ("StoppedByUser:", rules.STOPPED_IN_WANDB),
        ("Stalled:", rules.STALLED),
        ("PeerLost:", rules.PEER_LOST),
    )
)
# What survivors say of a peer that is gone: no cause, however much it sounds like one.
_OF_SURVIVORS = (rules.TERMINATED, rules.TIMED_OUT, rules.NETWORK_UNREACHABLE)


def leading_rule(text: str) -> Rule | None:
    """What the training side says itself; None: it says nothing, or knows no cause and names one.

    Of several hosts' texts SageMaker shows one, or more than one; how it chooses is not documented.
    So a host that saw only that a peer died gives way to any cause that the same text names.
    """
    beginning = text[:_LONGEST_BEGINNING]
    rule = next((rule for pattern, rule in _LEADING if pattern.match(beginning)), None)
    return None if rule is rules.PEER_LOST and _names_a_cause(text) else rule


def _names_a_cause(text: str) -> bool:
    found = cause_of(text)
    return found is not None and found.rank <= Rank.CAUSE and found.rule not in _OF_SURVIVORS
