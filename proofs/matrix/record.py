"""What a run leaves to be recorded: all that the services saw, and what people did."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from proofs.matrix.line import Act, Call, Delivery, Taken
from proofs.matrix.run import Rest
from proofs.matrix.steps import Step

ENDED = frozenset({"Completed", "Failed", "Stopped"})
History = tuple[Call | Act | Taken, ...]


@dataclass(frozen=True)
class Record:
    """All that a run leaves to be judged."""

    history: History
    rest: Rest
    lines: tuple[str, ...]
    canaries: Mapping[str, str]
    repeated_from: int
    forgiven: frozenset[str] = frozenset()  # invariants that an assumption stands for

    def calls(self, step: Step) -> Iterator[Call]:
        """Give the requests that the service answered well."""
        yield from self._answered[step]

    def all_calls(self) -> Iterator[Call]:
        return (one for one in self.history if isinstance(one, Call))

    def acts(self, what: str) -> Iterator[Act]:
        return (one for one in self.history if isinstance(one, Act) and one.what == what)

    def is_deleted(self, successor: str, job: str, after: int, before: int) -> bool:
        """Whether a person deleted one of the two in between."""
        gone = (act for act in self.acts("deleted") if after < act.place < before)
        return any(act.job in {successor, job} for act in gone)

    def seen(self, delivery: Delivery, step: Step, before: int) -> Iterator[Call]:
        """What this delivery had been answered until then, the latest last."""
        for one in self._of_delivery[id(delivery)]:
            if one.step is step and one.place < before and one.answer is not None:
                yield one

    def asked(self, delivery: Delivery, *steps: Step) -> Iterator[Call]:
        """All that this delivery ever asked at these steps, whether or not it was answered."""
        return (one for one in self._of_delivery[id(delivery)] if one.step in steps)

    @cached_property
    def _answered(self) -> Mapping[Step, list[Call]]:
        by_step: defaultdict[Step, list[Call]] = defaultdict(list)
        for one in self.history:
            if isinstance(one, Call) and one.answer is not None:
                by_step[one.step].append(one)
        return by_step

    @cached_property
    def _of_delivery(self) -> Mapping[int, list[Call]]:
        by_delivery: defaultdict[int, list[Call]] = defaultdict(list)
        for one in self.history:
            if isinstance(one, Call):
                by_delivery[id(one.delivery)].append(one)
        return by_delivery


def tags_of(call: Call) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in call.asked["Tags"]}
