"""Families of exceptions: what the name of an exception says before any word of its message."""

import re
from dataclasses import dataclass
from functools import lru_cache

from resilience.failures import rules, services
from resilience.failures.rules import Rule


@dataclass(frozen=True, slots=True)
class Family:
    """`closed`: the name says all, and its message only quotes. `local`: no service speaks it."""

    rule: Rule
    closed: bool = False
    local: bool = False


def _named(family: Family, names: str) -> dict[str, Family]:
    return dict.fromkeys(names.split(), family)


# By the last part of the name, in small letters.
_BY_NAME: dict[str, Family] = {
    **_named(
        Family(rules.PROGRAMMING_ERROR, closed=True),
        """syntaxerror indentationerror taberror modulenotfounderror importerror nameerror
        unboundlocalerror attributeerror typeerror keyerror indexerror notimplementederror
        zerodivisionerror recursionerror notadirectoryerror isadirectoryerror fileexistserror
        overflowerror unpicklableerror""",
    ),
    **_named(
        Family(rules.PROGRAMMING_ERROR, local=True),
        "valueerror assertionerror filenotfounderror lookuperror invalidargumenterror",
    ),
    **_named(
        Family(rules.INPUT_MALFORMED, closed=True),
        """jsondecodeerror parsererror emptydataerror unicodedecodeerror unidentifiedimageerror
        badzipfile badzipfileerror badgzipfile arrowinvalid arrowtypeerror datalosserror
        unpicklingerror datasetgenerationcasterror unexpectedfeatures lzmaerror
        decompressionbomberror""",
    ),
    **_named(
        Family(rules.INPUT_MALFORMED), "datasetgenerationerror safetensorerror zliberror readerror"
    ),
    **_named(Family(rules.INPUT_MISSING), "datasetnotfounderror entrynotfounderror nosuchkey"),
    **_named(Family(rules.OUT_OF_MEMORY, closed=True), "memoryerror"),
    **_named(Family(rules.GPU_OUT_OF_MEMORY, closed=True), "resourceexhaustederror"),
    **_named(Family(rules.DIVERGED, closed=True), "floatingpointerror"),
    **_named(
        Family(rules.CONNECTION_LOST),
        """connectionreseterror brokenpipeerror connectionrefusederror connectionabortederror
        eoferror""",
    ),
    **_named(
        Family(rules.COLLECTIVE),
        "distbackenderror distnetworkerror horovodinternalerror unavailableerror abortederror",
    ),
    **_named(
        Family(rules.LOST_WORKER),
        "rayactorerror workercrashederror nodediederror actordiederror actorunavailableerror",
    ),
    **_named(Family(rules.INTERNAL_ERROR), "internalerror internalservererror"),
    **_named(
        Family(rules.UNEXPLAINED),
        """childfailederror calledprocesserror processraisedexception processexitedexception
        brokenprocesspool raytaskerror trainingfailederror algorithmerror""",
    ),
    **_named(
        Family(rules.NETWORK_UNREACHABLE),
        """commerror servererror oserrorproxy urlerror sslerror gaierror incompleteread
        remotedisconnected localentrynotfounderror responsestreamingerror chunkedencodingerror
        clientpayloaderror clientoserror""",
    ),
    **_named(Family(rules.TERMINATED, closed=True), "keyboardinterrupt sigtermexception"),
    **_named(Family(rules.TERMINATED), "signalexception"),
    **_named(Family(rules.KEY_MISSING), "usageerror"),
    # SageMaker's own: the customer's request or data is at fault.
    **_named(Family(rules.REQUEST_REJECTED), "clienterror"),
    **_named(Family(rules.TIMED_OUT), "timeoutexpired timeout"),
}

# By how the name is made: the first that fits.
_BY_PART: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"outofmemory", rules.OUT_OF_MEMORY),
        (r"^(?:rendezvous|diststore|c10d)", rules.RENDEZVOUS),
        (r"nccl|collective|smddp", rules.COLLECTIVE),
        (r"throttl|ratelimit|toomanyrequests", rules.THROTTLED),
        (r"capacity", rules.CAPACITY),
        (r"(?:limit|quota)exceeded", rules.QUOTA),
        (r"accessdenied|permission|unauthori|forbidden|authenticat|authoriz|gated", rules.ACCESS_DENIED),
        (r"^repositorynotfound", rules.ACCESS_DENIED),
        (r"credential", rules.ACCESS_DENIED),
        (r"(?:connect|read|write|http|server|request|client|pool|fs|socket)timeout", rules.NETWORK_UNREACHABLE),
        (r"timeout|timedout|deadlineexceeded", rules.TIMED_OUT),
        (r"connect|network|protocol|proxy|ssl|dns|socket|resolution|http|disconnect|maxretry|endpoint", rules.NETWORK_UNREACHABLE),
        (r"serviceunavailable|servererror", rules.SERVICE_UNAVAILABLE),
        (r"^(?:invalid|missing|malformed|unsupported)\w*(?:input|parameter|request|value)", rules.REQUEST_REJECTED),
        (r"(?:data|file|image|sample)s?notfound", rules.INPUT_MISSING),
        (r"divergen|nonfinite", rules.DIVERGED),
        (r"decode|parse|corrupt|malformed|tarfile", rules.INPUT_MALFORMED),
        (r"preempt|spotinterrupt", rules.SPOT_INTERRUPTION),
        (r"internalserver|internalservice", rules.INTERNAL_ERROR),
    )
)  # fmt: skip
_GENERIC = Family(rules.EXCEPTION)


@lru_cache(maxsize=512)
def family_of(name: str) -> Family | None:
    """The family of an exception's name; None where there is no name."""
    if not name:
        return None
    last = name.rpartition(".")[2]
    if last in ("error", "exception"):
        last = name.replace(".", "")
    known = _BY_NAME.get(last)
    if known is not None:
        return known
    rule = services.aws_rule((last,)) or next(
        (rule for part, rule in _BY_PART if part.search(last)), None
    )
    return Family(rule) if rule else _GENERIC
