"""Which properties a condition is about: `$.a.b`, `$.list[0]`, `$.list[*]`, `$.['a.b']`."""

import re
from dataclasses import dataclass
from typing import Any

from local.aws.filter_patterns.errors import InvalidPatternError

STEP = re.compile(
    r"""\.(?P<name>[A-Za-z0-9_:-]+) | (?P<every>\.\*) | \.?\[\s*(?: (?P<index>\d+) | (?P<all>\*)
    | '(?P<single>[^']*)' | "(?P<double>[^"]*)" )\s*\]""",
    re.VERBOSE,
)

# The name of a member, a place in a list, or None: whatever is there.
Step = str | int | None


@dataclass(frozen=True)
class Selector:
    steps: tuple[Step, ...]

    def values(self, event: object) -> list[Any]:
        """All that it selects; nothing where the event has no such property."""
        found = [event]
        for step in self.steps:
            found = [below for value in found for below in _below(value, step)]
        return found


def parse_selector(text: str) -> Selector:
    if not text.startswith("$"):
        raise InvalidPatternError(f"{text or 'the end'} is no property: those begin with $")
    steps: list[Step] = []
    at = 1
    while at < len(text):
        step = STEP.match(text, at)
        if step is None:
            raise InvalidPatternError(f"{text} is no property")
        steps.append(_read(step))
        at = step.end()
    if steps.count(None) > 1:
        raise InvalidPatternError(f"{text} has more than one wildcard")
    return Selector(tuple(steps))


def _read(step: "re.Match[str]") -> Step:
    if step["every"] or step["all"]:
        return None
    if step["index"] is not None:
        return int(step["index"])
    return next(step[kind] for kind in ("name", "single", "double") if step[kind] is not None)


def _below(value: object, step: Step) -> list[Any]:
    if isinstance(value, dict) and isinstance(step, str):
        return [value[step]] if step in value else []
    if isinstance(value, list) and isinstance(step, int):
        return value[step : step + 1]
    if step is None and isinstance(value, (dict, list)):
        return list(value.values() if isinstance(value, dict) else value)
    return []
