"""ListTrainingJobs and Search: pure functions from all jobs to one page."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.aws.sagemaker import views
from local.aws.sagemaker.errors import unsupported_here, validation
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.pages import page

SORT: dict[str, Callable[[TrainingJob], Any]] = {
    "Name": lambda job: job.name,
    "CreationTime": lambda job: job.state.created,
    "Status": lambda job: job.state.status,
}


def listed(jobs: list[TrainingJob], request: dict[str, Any], size: int) -> dict[str, Any]:
    """Page first and filter by status afterwards, as AWS does: a page may be empty, and go on."""
    chosen = [job for job in jobs if _in_time(job, request) and _named(job, request)]
    chosen.sort(
        key=SORT[request.get("SortBy", "CreationTime")],
        reverse=request.get("SortOrder", "Descending") == "Descending",
    )
    some, token = page(chosen, request.get("NextToken"), size)
    wanted = request.get("StatusEquals")
    shown = [views.summary(job) for job in some if wanted in (None, job.state.status)]
    return {"TrainingJobSummaries": shown, **token}


def _named(job: TrainingJob, request: dict[str, Any]) -> bool:
    return request.get("NameContains", "").lower() in job.name.lower()


def _in_time(job: TrainingJob, request: dict[str, Any]) -> bool:
    for name, moment in (
        ("CreationTime", job.state.created),
        ("LastModifiedTime", job.state.modified),
    ):
        if not request.get(f"{name}After", 0) <= moment <= request.get(f"{name}Before", moment):
            return False
    return True


def searched(jobs: list[TrainingJob], request: dict[str, Any], size: int) -> dict[str, Any]:
    if request["Resource"] != "TrainingJob":
        raise unsupported_here(f"Search for {request['Resource']}")
    expression = request.get("SearchExpression", {})
    records = [views.found(job) for job in jobs]
    matching = [record for record in records if matches(record, expression)]
    key = request.get("SortBy", "LastModifiedTime")
    matching.sort(
        key=lambda record: _sortable(value_of(record, key)),
        reverse=request.get("SortOrder", "Descending") == "Descending",
    )
    some, token = page(matching, request.get("NextToken"), size)
    return {"Results": [{"TrainingJob": record} for record in some], **token}


def _sortable(value: object) -> tuple[int, Any]:
    if value is None:
        return (0, "")
    return (1, value) if isinstance(value, (int, float)) else (2, str(value))


def matches(record: dict[str, Any], expression: dict[str, Any]) -> bool:
    """All of the expression's conditions, or any of them with Operator=Or; no condition: all."""
    if "NestedFilters" in expression:
        raise unsupported_here("NestedFilters in a SearchExpression")
    verdicts = [_passes(record, one) for one in expression.get("Filters", [])]
    verdicts += [matches(record, one) for one in expression.get("SubExpressions", [])]
    if not verdicts:
        return True
    return any(verdicts) if expression.get("Operator") == "Or" else all(verdicts)


def value_of(record: dict[str, Any], name: str) -> object:
    """Look a property up by its path: `Tags.<key>`, or members joined by dots."""
    head, _, rest = name.partition(".")
    if head == "Tags":
        return next((tag["Value"] for tag in record["Tags"] if tag["Key"] == rest), None)
    value = record.get(head)
    if not rest:
        return value
    if not isinstance(value, dict):
        return None
    return value[rest] if rest in value else value_of({"Tags": [], **value}, rest)


def _passes(record: dict[str, Any], one: dict[str, Any]) -> bool:
    value, operator = value_of(record, one["Name"]), str(one.get("Operator", "Equals"))
    if operator in ("Exists", "NotExists"):
        return (value is not None) == (operator == "Exists")
    if "Value" not in one:
        raise validation(f"Value is required for the operator {operator}.")
    if value is None:
        return operator == "NotEquals"
    return TESTS[operator](value, str(one["Value"]))


TESTS: dict[str, Callable[[object, str], bool]] = {
    "Equals": lambda value, given: _compare(value, given) == 0,
    "NotEquals": lambda value, given: _compare(value, given) != 0,
    "GreaterThan": lambda value, given: _compare(value, given) > 0,
    "GreaterThanOrEqualTo": lambda value, given: _compare(value, given) >= 0,
    "LessThan": lambda value, given: _compare(value, given) < 0,
    "LessThanOrEqualTo": lambda value, given: _compare(value, given) <= 0,
    "Contains": lambda value, given: given in str(value),
    "In": lambda value, given: str(value) in [part.strip() for part in given.split(",")],
}


def _compare(value: object, given: str) -> int:
    """Return -1, 0 or 1; a number or a time is compared as such."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return (text > given) - (text < given)
    number = _number(given)
    return (value > number) - (value < number)


def _number(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise validation(f"Invalid filter value: {given}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
