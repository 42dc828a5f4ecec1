"""Which rule a failure text falls under: the first statement of the best rank is the cause."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resilience.failures import devices, rules, services, system
from resilience.failures.causes import CAUSES
from resilience.failures.names import Family, family_of
from resilience.failures.phrasebook import words_of
from resilience.failures.rules import Rank, Rule
from resilience.failures.statements import Statement, statements_of
from resilience.failures.troubles import FALLBACK, TROUBLES

# What an exception of the program alone says: any better word in the same text outweighs it.
_OF_PROGRAMS = (rules.PROGRAMMING_ERROR, rules.EXCEPTION, rules.UNEXPLAINED)
_PEERS = (rules.COLLECTIVE, rules.RENDEZVOUS, rules.LOST_WORKER, rules.CONNECTION_LOST)
_SAGEMAKERS = "clienterror"  # a prefix that SageMaker puts before almost anything
_ECHOES = (rules.EXIT_CODE, rules.UNEXPLAINED)
_NAMES = ("error", "exception", "timeout")


@dataclass(frozen=True, slots=True)
class Finding:
    rule: Rule
    rank: Rank
    statement: Statement


def rule_of(text: str) -> Rule | None:
    found = cause_of(text)
    return found.rule if found else None


def cause_of(text: str) -> Finding | None:
    """The cause that a text names; notices are heard only where nothing else says one."""
    statements, notices = statements_of(text)
    return _best(statements) or _best(notices)


def stated_cause_of(text: str) -> Finding | None:
    """The cause that a text states; in a log, notices are about trouble that was overcome."""
    return _best(statements_of(text)[0])


def _best(statements: Iterable[Statement]) -> Finding | None:
    return min(_findings(statements), key=lambda finding: finding.rank, default=None)


def _findings(statements: Iterable[Statement]) -> Iterator[Finding]:
    for statement in statements:
        rule = _rule_of(statement)
        if rule is not None:
            yield Finding(rule, _rank(rule, statement), statement)


def _rank(rule: Rule, statement: Statement) -> Rank:
    if statement.in_thread:
        return max(rule.rank, Rank.PEER)
    if statement.handled and rule in _OF_PROGRAMS:
        return Rank.ECHO
    if statement.text[:20].strip(": ").startswith("caught "):
        return Rank.ECHO if rule in _OF_PROGRAMS else max(rule.rank, Rank.PEER)
    return rule.rank


def _rule_of(statement: Statement) -> Rule | None:
    family = family_of(statement.name)
    words = words_of(statement.text)
    if statement.name == _SAGEMAKERS and words.isspace():
        return None
    if family is not None and family.closed:
        return rules.KEY_MISSING if words.startswith((" wandb ", " hf token ")) else family.rule
    named = f" {statement.name.rpartition('.')[2]}{words}" if statement.name else words
    rule = _spoken(statement.text, named, local=family is not None and family.local)
    if family is None:
        return rule or FALLBACK.find(words, words.split())
    if family.rule is rules.EXCEPTION:
        return rule or FALLBACK.find(words, words.split(), _ECHOES) or family.rule
    return _of_both(family, rule)


def _spoken(text: str, words: str, *, local: bool) -> Rule | None:
    """What a statement's own words say, from cause to symptom."""
    vocabulary = words.split()
    without = rules.SERVICE + _PEERS if local else ()
    rule = (
        devices.xid_rule(text)
        or devices.neuron_rule(text)
        or CAUSES.find(words, vocabulary, without)
        or _code(text, () if local else vocabulary)
        or TROUBLES.find(words, vocabulary, without)
        or system.errno_rule(text)
        or (None if local else _quoted(vocabulary))
    )
    if rule is not None and rule.rank < Rank.PEER:
        return rule
    ended = system.ending_rule(text) or services.grpc_rule(text)
    return min((each for each in (rule, ended) if each), key=_strength, default=None)


def _strength(rule: Rule) -> Rank:
    return rule.rank


def _code(text: str, vocabulary: Iterable[str]) -> Rule | None:
    called = services.code_of_call(text)
    if called:
        family = family_of(called)
        if family is not None and family.rule is not rules.EXCEPTION:
            return family.rule
    return services.aws_rule(vocabulary) or services.http_rule(text)


def _quoted(vocabulary: Iterable[str]) -> Rule | None:
    """The family of an exception that a statement names in passing."""
    families = (
        family_of(word) for word in vocabulary if word.endswith(_NAMES) and word not in _NAMES
    )
    return next((each.rule for each in families if each and each.rule not in _OF_PROGRAMS), None)


def _of_both(family: Family, rule: Rule | None) -> Rule:
    """A lost connection is a peer's complaint, but for a client of a service it is the cause."""
    if rule is None:
        return family.rule
    if rule.rank >= Rank.PEER and family.rule.failure_class is rule.failure_class:
        return min(family.rule, rule, key=_strength)
    return rule
