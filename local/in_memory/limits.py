"""What CreateTrainingJob refuses that botocore does not check before it sends."""

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_MOST_TAGS, _MOST_ENTRIES = 50, 100
_LONGEST_KEY, _LONGEST_TAG = 128, 256
_LONGEST = {"Environment": 512, "HyperParameters": 2500}


def broken_limit(request: Mapping[str, object]) -> str | None:
    """Name the first limit that is broken, in the words of the service."""
    return next(_broken(request), None)


def _broken(request: Mapping[str, object]) -> Iterator[str]:
    if not _NAME.fullmatch(str(request["TrainingJobName"])):
        yield "Value at 'trainingJobName' failed to satisfy constraint: regular expression pattern"
    pairs = request.get("Tags")
    yield from _broken_by_tags(pairs if isinstance(pairs, list) else [])
    for member, longest in _LONGEST.items():
        entries = request.get(member)
        values = list(entries.values()) if isinstance(entries, dict) else []
        if len(values) > _MOST_ENTRIES or any(len(str(value)) > longest for value in values):
            yield f"Value at '{member}' failed to satisfy constraint: length"


def _broken_by_tags(pairs: list[Mapping[str, str]]) -> Iterator[str]:
    if len(pairs) > _MOST_TAGS:
        yield "Value at 'tags' failed to satisfy constraint: length less than or equal to 50"
    keys = [pair["Key"] for pair in pairs]
    if len(set(keys)) < len(keys):
        yield "Duplicate tag keys found"
    if any(key.lower().startswith("aws:") for key in keys):
        yield "aws: prefixed tag key names are not allowed for external use"
    for pair in pairs:
        if len(pair["Key"]) > _LONGEST_KEY or len(pair["Value"]) > _LONGEST_TAG:
            yield "Value at 'tags' failed to satisfy constraint: member length"
