"""A verdict as tags: written on the decided job, and read again. Pure (docs/contract.md)."""

from collections.abc import Mapping
from enum import StrEnum

from resilience.decide.decisions import Decision, Reason, Recorded, Verdict
from resilience.wire import tags
from resilience.wire.lineage_tags import waiting_text
from resilience.wire.words import UnreadableTagError, instant, stamp

MOST_TAGS = 50  # that SageMaker lets one job have; aws: ones do not count
_NOT_OURS = "unknown"


def recorded(own: Mapping[str, str]) -> Recorded | None:
    """The verdict that stands on the job, if one does; a due time that is no time is due now."""
    verdict = own.get(tags.VERDICT)
    if not verdict:
        return None
    try:
        due = instant(own.get(tags.DUE))
    except UnreadableTagError:
        due = None
    return Recorded(
        verdict=_ours(verdict, Verdict), reason=_ours(own.get(tags.REASON), Reason), due=due
    )


def _ours(word: str | None, ours: type[StrEnum]) -> str:
    return next((str(one) for one in ours if one == word), _NOT_OURS)


def of_verdict(decision: Decision) -> dict[str, str]:
    """Tags that record a verdict on the job that was decided on."""
    written = {tags.VERDICT: str(decision.verdict), tags.REASON: str(decision.reason)}
    if decision.facts.again is not None:
        written[tags.ANSWERED] = decision.facts.again
    if decision.successor is not None:
        written[tags.SUCCESSOR] = decision.successor.name
    if decision.due is not None:
        written[tags.DUE] = stamp(decision.due)
    if decision.waiting is not None:
        written[tags.WAITING] = waiting_text(decision.waiting)
    return written


def with_room(own: Mapping[str, str], verdict: Mapping[str, str]) -> dict[str, str]:
    """As many of a verdict's tags, the most telling first, as the decided job has room for."""
    room = MOST_TAGS - sum(not key.lower().startswith("aws:") for key in own)
    fresh = [key for key in verdict if key not in own][: max(0, room)]
    return {key: value for key, value in verdict.items() if key in own or key in fresh}
