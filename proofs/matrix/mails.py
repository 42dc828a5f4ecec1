"""How often a person may be notified: I14."""

from collections.abc import Iterator
from itertools import pairwise

from proofs.matrix.line import Call
from proofs.matrix.record import Record, tags_of
from proofs.matrix.steps import Step

HOUR = 3600
DAY = 24 * HOUR
# A wait is reported at the last look before another day of it ends.
_APART = DAY - 2 * HOUR
# Of one verdict of one job in a day, whatever goes wrong and however often.
MOST_A_DAY = 4


def told_in_measure(record: Record) -> Iterator[str]:
    """I14: nobody is notified twice in a day of what was recorded, or could be seen as reported."""
    by_subject: dict[str, list[Call]] = {}
    for call in record.calls(Step.PUBLISH):
        by_subject.setdefault(call.asked["Subject"], []).append(call)
    for subject, mails in by_subject.items():
        for earlier, later in pairwise(mails):
            if later.at - earlier.at < _APART and not _excused(record, earlier, later):
                yield f"{subject!r} was sent at {earlier.place} and at {later.place}"
        yield from _too_many(subject, mails)
    yield from _fleet_told_in_measure(record)


def _fleet_told_in_measure(record: Record) -> Iterator[str]:
    """Of one cause once a day, where it could be recorded that this was done."""
    mails = list(record.calls(Step.TELL_OF_BREAKER))
    for earlier, later in pairwise(mails):
        same = earlier.asked["Message"].split("\n")[0] == later.asked["Message"].split("\n")[0]
        recorded = any(
            earlier.place < one.place < later.delivery.began
            for one in record.calls(Step.SET_BREAKER)
        )
        resent = earlier.logical == later.logical
        if same and recorded and not resent and later.at - earlier.at < DAY:
            yield f"the breaker's mail was sent at {earlier.place} and at {later.place}"
    yield from _too_many("of the breaker", mails)


def _too_many(subject: str, mails: list[Call]) -> Iterator[str]:
    for call in mails:
        within = sum(call.at <= one.at < call.at + DAY for one in mails)
        if within > MOST_A_DAY:
            yield f"{subject!r} was sent {within} times in a day"
            return


def _excused(record: Record, earlier: Call, later: Call) -> bool:
    """Whether the later delivery could not know: nothing stood yet, or it was not shown."""
    if any(
        act.job == later.delivery.job and earlier.place < act.place < later.place
        for act in record.acts("deleted")
    ):
        return True  # another job has the name
    if earlier.delivery is later.delivery:
        return earlier.logical == later.logical  # the SDK's own resending
    return not (_stands(record, earlier, later) and _saw(record, later))


def _stands(record: Record, earlier: Call, later: Call) -> bool:
    """Whether the verdict or a reminder of it stood before the later delivery could still look.

    Who is refused a name because it is in use looks again.
    """
    creates = record.asked(later.delivery, Step.CREATE)
    in_use = (one.place for one in creates if one.refused == "ResourceInUse")
    before = range(earlier.place, max((later.delivery.began, *in_use)))
    tagged = (
        call
        for call in record.calls(Step.ADD_TAGS)
        if call.place in before and _is_of(call, earlier.asked["Subject"])
    )
    reminded = (
        call
        for call in record.calls(Step.REMIND)
        if call.place in before and call.delivery is earlier.delivery
    )
    return any(tagged) or any(reminded)


def _is_of(call: Call, subject: str) -> bool:
    job = call.asked["ResourceArn"].rpartition("/")[2]
    return bool(f"{tags_of(call).get('resilience:verdict')} {job}"[:100] == subject)


def _saw(record: Record, later: Call) -> bool:
    """Whether the delivery was shown tags and reminders as they were."""
    asked = list(
        record.asked(
            later.delivery,
            Step.LIST_TAGS,
            Step.LIST_MORE_TAGS,
            Step.LOOK_AGAIN,
            Step.GET_SCHEDULE,
        )
    )
    broken = any(one.refused not in (None, "ResourceNotFoundException") for one in asked)
    return not broken and not any(one.stale for one in asked) and not _is_unread(record, later)


def _is_unread(record: Record, later: Call) -> bool:
    """Whether nobody could read what Scheduler answered: a call that is made once, and not seen."""
    return not any(record.asked(later.delivery, Step.GET_SCHEDULE))
