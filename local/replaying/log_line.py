"""A canonical log line's decision, taken once more from the facts in that line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from local.replaying.surroundings import ReplayError
from resilience import telemetry
from resilience.decide import policy
from resilience.decide.decisions import Facts

_FACTS = TypeAdapter(Facts)


@dataclass(frozen=True)
class Redecided:
    """The record of a decision as it was logged and as it is taken now, each as its text."""

    job: str
    logged: str
    now: str

    @property
    def same(self) -> bool:
        return self.logged == self.now

    def difference(self) -> str:
        return "\n".join(
            unified_diff(_indented(self.logged), _indented(self.now), "logged", "now", lineterm="")
        )


def lines(given: str) -> Iterator[str]:
    """Take a line as it is, or those of the file that `given` names."""
    if given.lstrip().startswith("{"):
        yield given
        return
    try:
        yield from Path(given).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"{given[:80]}: neither a log line nor a readable file") from error


def redecide_all(given: str) -> tuple[Redecided, ...]:
    """Decide again on every canonical line; raises ReplayError where there is none."""
    logged = [line for text in lines(given) if (line := _decision_in(text)) is not None]
    if not logged:
        raise ReplayError("no canonical line of a decision in it: such a line has `facts`")
    return tuple(redecide(line) for line in logged)


def redecide(logged: Mapping[str, Any]) -> Redecided:
    try:
        facts = _FACTS.validate_json(json.dumps(logged["facts"]), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("facts", *first["loc"])))
        raise ReplayError(f"not facts of this version: {where}: {first['msg']}") from error
    record = telemetry.record(policy.decide(facts))
    return Redecided(
        facts.job,
        _text({name: value for name, value in logged.items() if name in record}),
        # Powertools leaves out what is None.
        _text({name: value for name, value in record.items() if value is not None}),
    )


def _decision_in(text: str) -> dict[str, Any] | None:
    """The line's object; what stands before it, such as a log service's own time, is skipped."""
    try:
        parsed = json.loads(text[text.index("{") :])
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and isinstance(parsed.get("facts"), dict) else None


def _text(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _indented(text: str) -> list[str]:
    return json.dumps(json.loads(text), indent=1, ensure_ascii=False).splitlines()
