"""What a run leaves to be judged: all that the services saw, and what people did."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proofs.matrix.line import Act, Call, Delivery, Taken
from proofs.matrix.run import Rest
from proofs.matrix.steps import Step

ENDED = frozenset({"Completed", "Failed", "Stopped"})
History = tuple[Call | Act | Taken, ...]


@dataclass(frozen=True, slots=True)
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
        for one in self.history:
            if isinstance(one, Call) and one.step is step and one.answer is not None:
                yield one

    def acts(self, what: str) -> Iterator[Act]:
        return (one for one in self.history if isinstance(one, Act) and one.what == what)

    def seen(self, delivery: Delivery, step: Step, before: int) -> Iterator[Call]:
        """What this delivery had been answered until then, the latest last."""
        return (one for one in self.calls(step) if one.delivery is delivery and one.place < before)


def tags_of(call: Call) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in call.asked["Tags"]}
