"""Open beliefs about AWS: each may be so or so, and nobody can know without an account.

docs/decisions/0015-both-ways.md has each with its source. Every double of AWS in this repository
(the local AWS, the fakes in memory, the account of the matrix) can behave either way, so that what
the controller does is shown under both. The default is what the sources make likely.

On a command line a doubt is a word: `tags-lag` flips it, `list-tags-of-missing=denied` chooses
among several, `all` flips every one.
"""

from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

ALL = "all"


class Missing(StrEnum):
    """How a call answers for a training job that does not exist."""

    KNOWN = "known"  # ValidationException, "Requested resource not found."
    OTHER_TEXT = "other-text"
    DENIED = "denied"


class PendingTimeOut(StrEnum):
    """The secondary status of a job that waited too long for its instances: Stopped in any case."""

    STOPPED = "stopped"  # with a message that says so
    OWN_WORD = "own-word"  # one that the service model does not have


class FailureOf(StrEnum):
    """Which of several hosts that failed gives its failure file and exit code to the job."""

    FIRST_TO_END = "first-to-end"
    FIRST_HOST = "first-host"  # algo-1, even where it only ended because it was asked to


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """How AWS behaves where nobody knows; each field is one open belief."""

    list_tags_of_missing: Missing = Missing.KNOWN
    describe_of_missing: Missing = Missing.KNOWN
    tags_lag: bool = False  # ListTags shows nothing for a moment after a create
    search_refuses_not_exists: bool = False
    past_schedules_refused: bool = False
    zero_counts_echoed: bool = False  # beside InstanceGroups and InstancePreferences
    sagemaker_tags_refused: bool = False  # `sagemaker:` keys in a create
    add_tags_modifies: bool = False  # LastModifiedTime
    metrics_injected: bool = False  # MetricDefinitions for SageMaker's own algorithms
    pending_time_out: PendingTimeOut = PendingTimeOut.STOPPED
    failure_of: FailureOf = FailureOf.FIRST_TO_END
    lost_host_noticed: bool = False  # before any other host fails for want of it


KNOWN = Doubts()
TAGS_LAG_SECONDS = 2.0
# Schedules that come sooner than this are as good as past: a call takes its time.
PAST_SECONDS = 5
# A registry of SageMaker's own algorithms; see sagemaker-core, image_uri_config/xgboost.json.
ALGORITHM_REGISTRY = "683313688378.dkr.ecr."
INJECTED_METRICS = [{"Name": "train:loss", "Regex": "loss: (.*)"}]
_SEVERAL_KINDS = ("InstanceGroups", "InstancePreferences")
_OF_ONE_KIND = ("InstanceType", "InstanceCount")
_FLIPPED = {
    "list_tags_of_missing": Missing.OTHER_TEXT,
    # Describe's text is evidenced, so that only the text may be another.
    "describe_of_missing": Missing.OTHER_TEXT,
    "pending_time_out": PendingTimeOut.OWN_WORD,
    "failure_of": FailureOf.FIRST_HOST,
}
HELP = "have AWS behave the other way where nobody knows (see local/doubts.py); repeatable"
NAMES = tuple(field.name.replace("_", "-") for field in fields(Doubts))


def flipped(names: Iterable[str]) -> Doubts:
    """Doubts of which these are the other way; raises ValueError that names those there are."""
    doubts = KNOWN
    for word in names:
        doubts = every_one() if word == ALL else _one(doubts, word)
    return doubts


def options_of(names: Iterable[str]) -> list[str]:
    """Give the names as options of `python -m local.aws`."""
    return [word for name in names for word in ("--doubt", name)]


def word(text: str) -> str:
    """Check a doubt's name as argparse does; raises ArgumentTypeError."""
    try:
        flipped([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def every_one() -> Doubts:
    return flipped(NAMES)


def _one(doubts: Doubts, word: str) -> Doubts:
    name, _, choice = word.partition("=")
    field = name.replace("-", "_")
    known: object = getattr(KNOWN, field, None)
    kind: type = type(known)
    if name not in NAMES or (choice and choice not in _choices(kind)):
        raise ValueError(f"no doubt is called {word!r}; there are: {', '.join((*NAMES, ALL))}")
    other = kind(choice) if choice else _FLIPPED.get(field, True)
    return replace(doubts, **{field: other})  # type: ignore[arg-type]  # name and kind are checked


def _choices(kind: type) -> list[str]:
    return [str(one) for one in kind] if issubclass(kind, StrEnum) else []


def echoed(described: Mapping[str, Any], doubts: Doubts) -> dict[str, Any]:
    """A job as Describe shows it: with what SageMaker adds to what was asked for."""
    shown = dict(described)
    if doubts.zero_counts_echoed and of_several_kinds(shown):
        shown["ResourceConfig"] = {"InstanceCount": 0, **shown["ResourceConfig"]}
    if doubts.metrics_injected and is_algorithm(shown):
        algorithm = shown["AlgorithmSpecification"]
        shown["AlgorithmSpecification"] = {**algorithm, "MetricDefinitions": INJECTED_METRICS}
    return shown


def unechoed(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A job as it was asked for: without what `echoed` adds."""
    asked = dict(shown)
    if of_several_kinds(asked):
        resources = asked["ResourceConfig"].items()
        asked["ResourceConfig"] = {name: value for name, value in resources if value != 0}
    if is_algorithm(asked):
        algorithm = asked["AlgorithmSpecification"].items()
        kept = {name: value for name, value in algorithm if value != INJECTED_METRICS}
        asked["AlgorithmSpecification"] = kept
    return asked


def refusal(request: Mapping[str, Any], doubts: Doubts) -> str | None:
    """What Create says where it refuses a request for a reason that is in doubt."""
    resources = request.get("ResourceConfig") or {}
    if of_several_kinds(request) and any(name in resources for name in _OF_ONE_KIND):
        return "InstanceType or InstanceCount cannot be specified with InstanceGroups."
    if doubts.metrics_injected and is_algorithm(request) and _defines_metrics(request):
        return (
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please "
            "retry the request without specifying metric definitions."
        )
    if doubts.sagemaker_tags_refused and _sagemakers_tags(request):
        return "Tag keys cannot start with 'sagemaker:'. This prefix is reserved for AWS use."
    return None


def of_several_kinds(job: Mapping[str, Any]) -> bool:
    resources = job.get("ResourceConfig") or {}
    return any(resources.get(name) for name in _SEVERAL_KINDS)


def is_algorithm(job: Mapping[str, Any]) -> bool:
    """Whether the job runs one of SageMaker's own algorithms."""
    algorithm = job.get("AlgorithmSpecification") or {}
    return str(algorithm.get("TrainingImage", "")).startswith(ALGORITHM_REGISTRY)


def _defines_metrics(request: Mapping[str, Any]) -> bool:
    return "MetricDefinitions" in request["AlgorithmSpecification"]


def _sagemakers_tags(request: Mapping[str, Any]) -> bool:
    return any(one["Key"].lower().startswith("sagemaker:") for one in request.get("Tags") or ())
