"""Where what is there falls short of what was asked."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from local.deploy.document import Document

# Lists whose members have a name of their own are compared by it, whatever their order.
IDENTITIES = ("Id", "PolicyName", "Sid", "Name", "Key")


BRIEF = 120


@dataclass(frozen=True)
class Difference:
    path: str
    wanted: Document
    found: Document

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.path} was dropped (asked for {_brief(self.wanted)})"
        return f"{self.path} is {_brief(self.found)}, asked for {_brief(self.wanted)}"


def _brief(value: Document) -> str:
    text = json.dumps(value, default=str)
    return textwrap.shorten(text, BRIEF, placeholder="...")


def differences(wanted: Document, found: Document, path: str) -> Iterator[Difference]:
    """Everything asked for that is missing or different; what nobody asked for is left alone."""
    match wanted:
        case Mapping():
            yield from _in_mapping(wanted, _as_mapping(found), path)
        case [*_]:
            yield from _in_list(wanted, found, path)
        case _ if _scalar(wanted) != _scalar(_alone(found)):
            yield Difference(path, wanted, found)


def _in_mapping(
    wanted: Mapping[str, Document], found: Mapping[str, Document] | None, path: str
) -> Iterator[Difference]:
    if found is None:
        yield Difference(path, wanted, None)
        return
    for key, value in wanted.items():
        if value in ("", [], {}):
            continue  # asked for nothing
        inner = f"{path}.{key}"
        if found.get(key) is None:
            yield Difference(inner, value, None)
        else:
            yield from differences(value, found[key], inner)


def _in_list(wanted: Sequence[Document], found: Document, path: str) -> Iterator[Difference]:
    everything = found if isinstance(found, list) else [found]
    # CloudFormation adds tags of its own.
    present = [v for v in everything if not str(_identity(v)).startswith("aws:")]
    if len(present) != len(wanted):
        yield Difference(path, wanted, found)
        return
    for index, (left, right) in enumerate(zip(_ordered(wanted), _ordered(present), strict=True)):
        yield from differences(left, right, f"{path}[{_identity(left) or index}]")


def _ordered(values: Sequence[Document]) -> list[Document]:
    if all(_identity(value) for value in values):
        return sorted(values, key=lambda value: str(_identity(value)))
    if all(not isinstance(value, (Mapping, list)) for value in values):
        return sorted(values, key=str)
    return list(values)


def _identity(value: Document) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return next((str(value[name]) for name in IDENTITIES if name in value), None)


def _as_mapping(found: Document) -> Mapping[str, Document] | None:
    """Services give documents back as text."""
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except json.JSONDecodeError:
            return None
    return found if isinstance(found, Mapping) else None


def _alone(found: Document) -> Document:
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _scalar(value: Document) -> str:
    """One spelling for what templates and services spell differently: "true", 5, "5", 5.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
