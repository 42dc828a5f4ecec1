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


def families(text: str, *, closed: bool = False, local: bool = False) -> dict[str, Family]:
    return {
        name: Family(rule, closed=closed, local=local)
        for rule, entries in rules.chapters(text)
        for name in entries[0].split()
    }


# By the last part of the name, in small letters.
_BY_NAME: dict[str, Family] = {
    **families(
        """
programming_error = syntaxerror indentationerror taberror modulenotfounderror importerror nameerror
    unboundlocalerror attributeerror typeerror keyerror indexerror notimplementederror
    zerodivisionerror recursionerror notadirectoryerror isadirectoryerror fileexistserror
    overflowerror
input_malformed = jsondecodeerror parsererror emptydataerror unicodedecodeerror
    unidentifiedimageerror badzipfile badgzipfile arrowinvalid arrowtypeerror datalosserror
    unpicklingerror datasetgenerationcasterror unexpectedfeatures lzmaerror
out_of_memory = memoryerror
gpu_out_of_memory = resourceexhaustederror
diverged = floatingpointerror
interrupted_by_hand = keyboardinterrupt
terminated = sigtermexception
stop_mentioned = stoppedbyuser
loss_diverged = lossdiverged
""",
        closed=True,
    ),
    **families(
        """
programming_error = valueerror assertionerror filenotfounderror lookuperror invalidargumenterror
""",
        local=True,
    ),
    **families(
        """
input_malformed = datasetgenerationerror safetensorerror zliberror readerror
input_missing = datasetnotfounderror entrynotfounderror
connection_lost = connectionreseterror brokenpipeerror connectionrefusederror
    connectionabortederror eoferror
collective = distbackenderror distnetworkerror horovodinternalerror unavailableerror abortederror
lost_worker = rayactorerror workercrashederror nodediederror actordiederror actorunavailableerror
unexplained_exception = childfailederror calledprocesserror processraisedexception
    processexitedexception brokenprocesspool trainingfailederror
network_unreachable = commerror servererror urlerror sslerror gaierror incompleteread
    remotedisconnected localentrynotfounderror responsestreamingerror chunkedencodingerror
    clientpayloaderror clientoserror
terminated = signalexception
key_missing = usageerror
timed_out = timeoutexpired timeout
request_rejected = clienterror
"""
    ),
}

# By how the name is made: the first that fits.
_BY_PART = tuple(
    (re.compile(entry), rule)
    for rule, entries in rules.chapters(r"""
out_of_memory = outofmemory
rendezvous = ^(?:rendezvous|diststore|c10d)
collective = nccl|collective|smddp
throttled = throttl|ratelimit|toomanyrequests
capacity = capacity
quota = (?:limit|quota)exceeded
access_denied = accessdenied|permission|unauthori|forbidden|authenticat|authoriz|gated|credential;
    ^repositorynotfound
network_unreachable = (?:connect|read|write|http|server|request|client|pool|fs|socket)timeout
timed_out = timeout|timedout|deadlineexceeded
network_unreachable = connect|network|protocol|proxy|ssl|dns|socket|resolution|http|disconnect;
    maxretry|endpoint
service_unavailable = serviceunavailable|servererror
request_rejected = ^(?:invalid|missing|malformed|unsupported)\w*(?:input|parameter|request|value)
input_missing = (?:data|file|image|sample)s?notfound
diverged = divergen|nonfinite
input_malformed = decode|parse|corrupt|malformed|tarfile
spot_interruption = preempt|spotinterrupt
internal_error = internalserver|internalservice|^internalerror
""")
    for entry in entries
)
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
