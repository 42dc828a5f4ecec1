"""What the account of the matrix keeps, and how it says no."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from local.doubts import Missing

T = TypeVar("T")


class Refused(Exception):  # noqa: N818 — a refusal is an answer
    """The service says no: its code, its text and its HTTP status."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.text, self.status = code, text, status


_MISSING = {
    Missing.KNOWN: ("ValidationException", "Requested resource not found."),
    Missing.OTHER_TEXT: ("ValidationException", "Could not find the training job."),
    Missing.DENIED: ("AccessDeniedException", "The caller is not authorized."),
}


@dataclass(slots=True)
class Kept(Generic[T]):
    """A value, and what it was before its last change."""

    now: T
    before: T | None = None
    since: int = 0

    def become(self, value: T, at: int = 0) -> None:
        self.before, self.now, self.since = self.now, value, at


@dataclass(slots=True)
class TrainingJob:
    described: Kept[dict[str, Any] | None]
    tags: Kept[dict[str, str] | None]
    created: int


def there(found: T | None, how: Missing) -> T:
    """Give what is there; how a call says that nothing is, is in doubt."""
    if found is None:
        raise Refused(*_MISSING[how])
    return found


def moment(expression: str) -> float:
    """When a one-shot schedule fires: `at(2026-01-31T03:00:00)`, in UTC here."""
    text = expression.removeprefix("at(").removesuffix(")")
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
