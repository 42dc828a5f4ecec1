"""The successor's CreateTrainingJob request, composed from what Describe shows. Pure.

Every member that both operations share is carried, by the service model itself, so that a member
that SageMaker adds is carried the day the shipped boto3 knows it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from resilience.decide.decisions import CheckpointRequest, Reason, Successor
from resilience.wire import environment, lineage_tags, tags, verdict_tags

# Members that are not carried, each with its reason.
DROPPED = {
    "DebugRuleConfigurations": "starts paid processing jobs; tag resilience:debug-rules=keep",
    "ProfilerRuleConfigurations": "starts paid processing jobs; tag resilience:debug-rules=keep",
}
# Members that no successor gets, each with its reason.
NEVER_CARRIED = {
    "RemoteDebugConfig": "opens a shell; UpdateTrainingJob can set it on a job that runs, and"
    " Describe does not say whether the launch or an update did",
}
# Tags that are not inherited: AWS sets them for a job of its own making, and may refuse them from
# anybody else (ADR 15).
_OWNERS_PREFIX = "sagemaker:"
_OWNERS_TAGS = frozenset({"MANAGED_BY_AWS", "AWS_STEP_FUNCTIONS_EXECUTION_ARN"})
# Members that Describe shows and that a clone would not honour: refused, not lost.
REFUSED = ("ModelPackageConfig", "ServerlessJobConfig", "SessionChainingConfig")
# Members inside ResourceConfig that Describe adds and Create rejects.
_ECHOED_ONLY = ("SelectedInstanceType", "SelectedInstanceCount")
# Members that say of each instance what these say of all: empty, they are another's echo.
_OF_SEVERAL_KINDS = ("InstanceGroups", "InstancePreferences")
_OF_ONE_KIND = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
_RULES = frozenset(DROPPED)
_KEEP_RULES = "keep"
_METRICS, _REFUSED_METRICS = "MetricDefinitions", "metric definition"
_MOST_ENTRIES = 100
_LONGEST = {"Environment": 512, "HyperParameters": 2500}
_LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 128, 256
# SageMaker's [\p{L}\p{Z}\p{N}_.:/=+\-@]*, in Python's words.
_TAG_TEXT = re.compile(r"[\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000.:/=+@-]*")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")

Request = dict[str, object]


class Shape(Protocol):
    """The little that is needed of a botocore shape."""

    type_name: str
    members: Mapping[str, "Shape"]
    member: "Shape"


@dataclass(frozen=True, slots=True)
class Source:
    """The job to continue: what Describe shows of it, its tags, and where its checkpoints are."""

    described: Mapping[str, object]
    tags: Mapping[str, str]
    wandb: CheckpointRequest
    run: str | None


def compose(source: Source, successor: Successor, shape: Shape) -> Request:
    """Compose the request; `shape` is the input of CreateTrainingJob in the client's own model."""
    described = source.described
    keep_rules = source.tags.get(tags.DEBUG_RULES) == _KEEP_RULES
    # A tag that led to no checkpoint would contradict the successor's Environment.
    own = lineage_tags.in_collection(_own(source.tags), source.wandb.collection)
    carried = {
        name: pruned
        for name, member in shape.members.items()
        if name in described and name not in NEVER_CARRIED and (keep_rules or name not in _RULES)
        if not _is_nothing(pruned := _prune(described[name], member))
    }
    request = carried | {
        "TrainingJobName": successor.name,
        "Environment": environment.of_successor(
            described, source.tags, source.wandb, source.run, successor
        ),
        "Tags": [
            {"Key": key, "Value": value}
            for key, value in sorted(lineage_tags.of_successor(own, successor).items())
        ],
    }
    _drop_what_create_rejects(request)
    _rename_in_hyperparameters(request, successor.name)
    return request


def obstacles(
    described: Mapping[str, object],
    own_tags: Mapping[str, str],
    allowed_images: tuple[str, ...],
    allowed_roles: tuple[str, ...],
) -> tuple[tuple[Reason, str], ...]:
    """What forbids a faithful successor of this job, each with the name of the culprit."""
    found = [(Reason.NOT_CLONABLE, member) for member in REFUSED if described.get(member)]
    found += [
        (Reason.IMAGE_NOT_ALLOWED, member)
        for member, image in _images(described, own_tags)
        if not any(_is_of(image, glob) for glob in allowed_images)
    ]
    if allowed_roles and described.get("RoleArn") not in allowed_roles:
        found.append((Reason.ROLE_NOT_ALLOWED, "RoleArn"))
    crowded = _too_many_tags(
        lineage_tags.inherited(_own(own_tags)).keys() | tags.OF_EVERY_SUCCESSOR
    )
    return (*found, *((Reason.LIMIT_REACHED, limit) for limit in crowded))


def without_injected(request: Request, refusal: str) -> Request | None:
    """What to ask for when SageMaker refuses what it had added itself; None: nothing was added.

    For its own algorithms, Describe shows MetricDefinitions that nobody sent, and Create refuses
    them. Which images these are is written nowhere, and users may send metrics to some images of
    the same registries (scikit-learn). So the refusal decides, and not a list.
    """
    algorithm = request.get("AlgorithmSpecification")
    if not isinstance(algorithm, dict) or _METRICS not in algorithm:
        return None
    if _REFUSED_METRICS not in refusal.lower():
        return None
    kept = {name: value for name, value in algorithm.items() if name != _METRICS}
    return {**request, "AlgorithmSpecification": kept}


def _own(own_tags: Mapping[str, str]) -> dict[str, str]:
    """The job's tags without those by which an AWS service marks a job that it made."""
    return {
        key: value
        for key, value in own_tags.items()
        if key not in _OWNERS_TAGS and not key.lower().startswith(_OWNERS_PREFIX)
    }


def _images(
    described: Mapping[str, object], own_tags: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Every image that the successor would start, with the member that names it."""
    algorithm = described.get("AlgorithmSpecification")
    named = algorithm if isinstance(algorithm, dict) else {}
    if image := named.get("TrainingImage") or named.get("AlgorithmName"):
        yield "AlgorithmSpecification", str(image)
    for member in sorted(_RULES) if own_tags.get(tags.DEBUG_RULES) == _KEEP_RULES else ():
        rules = described.get(member)
        for one in rules if isinstance(rules, list) else ():
            yield member, str(one.get("RuleEvaluatorImage"))


def _is_of(image: str, glob: str) -> bool:
    """Match registry and path each on its own, or a star would let another registry in."""
    registry, slash, path = glob.partition("/")
    if not slash:
        return fnmatchcase(image, glob)
    of_image, _, path_of_image = image.partition("/")
    return fnmatchcase(of_image, registry) and fnmatchcase(path_of_image, path)


def limit_reached(request: Mapping[str, object]) -> str | None:
    """Name the first limit of CreateTrainingJob that the request breaks, and the remedy.

    botocore checks none of these; they are found here, before the call and not by its rejection.
    """
    return next(_limits(request), None)


def _limits(request: Mapping[str, object]) -> Iterator[str]:
    if not _NAME.fullmatch(str(request.get("TrainingJobName"))):
        yield "TrainingJobName: at most 63 letters, digits and hyphens; give the first job another"
    pairs = request.get("Tags")
    own = {pair["Key"]: pair["Value"] for pair in pairs} if isinstance(pairs, list) else {}
    yield from _too_many_tags(own.keys())
    if any(len(key) > _LONGEST_TAG_KEY or not _TAG_TEXT.fullmatch(key) for key in own):
        yield f"Tags: a key is over {_LONGEST_TAG_KEY} characters or has a sign that is not allowed"
    if any(
        len(text) > _LONGEST_TAG_VALUE or not _TAG_TEXT.fullmatch(text) for text in own.values()
    ):
        yield f"Tags: a value is over {_LONGEST_TAG_VALUE} characters or has a sign not allowed"
    for member, longest in _LONGEST.items():
        entries = request.get(member)
        yield from _entries(member, entries if isinstance(entries, dict) else {}, longest)


def _too_many_tags(of_the_successor: AbstractSet[str]) -> Iterator[str]:
    """A successor without room for its own verdict could be launched, and never be decided on."""
    needed = len(of_the_successor | tags.OF_THE_DECIDED)
    if needed > verdict_tags.MOST_TAGS:
        most = verdict_tags.MOST_TAGS
        yield f"Tags: {needed} with the next verdict's, {most} allowed; remove {needed - most}"


def _entries(member: str, entries: Mapping[str, object], longest: int) -> Iterator[str]:
    if len(entries) > _MOST_ENTRIES:
        over = len(entries) - _MOST_ENTRIES
        yield f"{member}: {len(entries)} entries, {_MOST_ENTRIES} allowed; remove {over}"
    if any(len(str(value)) > longest for value in entries.values()):
        yield f"{member}: a value is over {longest} characters; shorten it"


def _prune(value: object, shape: Shape) -> object:
    """Drop what Describe shows as empty and Create rejects; a user's own map is left as it is."""
    if shape.type_name == "structure" and isinstance(value, dict):
        pruned = {
            name: _prune(inner, shape.members[name])
            for name, inner in value.items()
            if name in shape.members
        }
        return {name: inner for name, inner in pruned.items() if not _is_nothing(inner)}
    if shape.type_name == "list" and isinstance(value, list):
        return [_prune(inner, shape.member) for inner in value]
    return value


def _is_nothing(value: object) -> bool:
    return value is None or value in ("", {}, [])


def _drop_what_create_rejects(request: Request) -> None:
    stopping, resources = request.get("StoppingCondition"), request.get("ResourceConfig")
    if isinstance(stopping, dict) and not request.get("EnableManagedSpotTraining"):
        stopping.pop("MaxWaitTimeInSeconds", None)
    if isinstance(resources, dict):
        for name in tuple(_echoes(resources)):
            resources.pop(name, None)


def _echoes(resources: Mapping[str, object]) -> Iterator[str]:
    """Members of ResourceConfig that Describe may show and Create may reject."""
    yield from _ECHOED_ONLY
    if resources.get("KeepAlivePeriodInSeconds") == 0:
        yield "KeepAlivePeriodInSeconds"
    if any(resources.get(name) for name in _OF_SEVERAL_KINDS):
        yield from (name for name in _OF_ONE_KIND if not resources.get(name))


def _rename_in_hyperparameters(request: Request, name: str) -> None:
    """Version 2 of the SageMaker SDK keeps the job's own name, JSON-quoted, in a hyperparameter."""
    parameters = request.get("HyperParameters")
    if isinstance(parameters, dict) and "sagemaker_job_name" in parameters:
        request["HyperParameters"] = {**parameters, "sagemaker_job_name": json.dumps(name)}
