"""SageMaker, as the recovery and the sweep need it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as NoConnectionError

from resilience.errors import CreateRefused, NameInUse, Retry
from resilience.fleet.jobs import Pages, SeenJob
from resilience.ports import Job
from resilience.relaunch import Request, Shape, without_injected
from resilience.wire import tags as tag_names
from resilience.wire.tags import read

# A missing job is a ValidationException with a text ("Requested resource not found." from Describe,
# "Could not find …" elsewhere), where the service model names ResourceNotFound.
_MISSING = frozenset({"ResourceNotFound", "ResourceNotFoundException"})
_MISSING_TEXT = re.compile(r"not found|could not find|does not exist", re.IGNORECASE)
_IN_USE = "ResourceInUse"
_ENDED = ("Failed", "Stopped", "Completed")
_MOST_FILTERS = 20  # that one SearchExpression takes
# Refusals that are answers. Everything else may pass, or may have had its effect: try again.
_REFUSALS = frozenset(
    {"ValidationException", "ResourceLimitExceeded", "ResourceNotFound", "AccessDeniedException"}
)
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})


class SageMakerTrainingJobs:
    """Fulfils ports.TrainingJobs. `arn_prefix` ends in `:training-job/`."""

    def __init__(self, client: Any, arn_prefix: str) -> None:  # noqa: ANN401 — boto3 has no types
        self._client = client
        self._arn_prefix = arn_prefix

    def describe(self, name: str) -> Job | None:
        described = self._read(self._client.describe_training_job, TrainingJobName=name)
        return None if described is None else Job(described["TrainingJobArn"], described)

    def tags(self, name: str) -> dict[str, str] | None:
        """Read all tags; None where there is no such job.

        What ListTags answers for a job that is gone is not documented: neither the text nor the
        code, and a policy with a condition on tags denies it. DescribeTrainingJob's answer is
        known, so it decides what a refusal of ListTags means.
        """
        try:
            return self._all_tags(name)
        except _Refused:
            if self.describe(name) is None:
                return None
            raise

    def _all_tags(self, name: str) -> dict[str, str] | None:
        found: dict[str, str] = {}
        page: dict[str, Any] | None = {"NextToken": ""}
        while page and (token := page.get("NextToken")) is not None:
            more = {"NextToken": token} if token else {}
            page = self._read(
                self._client.list_tags, ResourceArn=self._arn_prefix + name, MaxResults=100, **more
            )
            if page is None:
                return None
            found |= read(page["Tags"]) or {}
        return found

    def create(self, request: Request) -> None:
        """Create; without what SageMaker had added to the parent itself, where it refuses that."""
        try:
            self._create(request)
        except CreateRefused as refusal:
            smaller = without_injected(request, refusal.text)
            if smaller is None:
                raise
            self._create(smaller)

    def _create(self, request: Request) -> None:
        try:
            answer = self._client.create_training_job(**request)
        except ClientError as error:
            code, text = _code(error), _text(error)
            if code == _IN_USE:
                raise NameInUse(str(request["TrainingJobName"])) from None
            if code in _REFUSALS | _THROTTLED:
                raise CreateRefused(code, text) from None
            raise Retry(f"CreateTrainingJob: {code}") from None
        except ParamValidationError:
            # Its text quotes the request, which may hold a secret.
            raise CreateRefused("ParamValidation", "") from None
        except (HTTPClientError, NoConnectionError):
            raise Retry("CreateTrainingJob: no answer") from None
        if "TrainingJobArn" not in answer:  # whoever said 200 did not say that there is a job
            raise Retry("CreateTrainingJob: no job in the answer")

    def add_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._read(self._client.add_tags, ResourceArn=arn, Tags=pairs)

    def request_shape(self) -> Shape:
        shape: Shape = self._client.meta.service_model.operation_model(
            "CreateTrainingJob"
        ).input_shape
        return shape

    def opted_in(self, *, since: int) -> Pages:
        # Without NotExists on the verdict: whether Search takes it on a tag is not documented.
        modified = _condition("LastModifiedTime", "GreaterThanOrEqualTo", _iso(since))
        return self._of_each_end([modified, _exists(tag_names.CHECKPOINT_NAME)])

    def waiting(self) -> Pages:
        waits = _condition(f"Tags.{tag_names.VERDICT}", "Equals", "WAIT")
        return self._of_each_end([waits, _exists(tag_names.CHECKPOINT_NAME)])

    def again(self) -> Pages:
        return self._of_each_end([_exists(tag_names.AGAIN)])

    def failed(self, *, since: int) -> Pages:
        filters = [
            _condition("LastModifiedTime", "GreaterThanOrEqualTo", _iso(since)),
            _exists(tag_names.CHECKPOINT_NAME),
            _condition("TrainingJobStatus", "Equals", "Failed"),
        ]
        return self._pages(filters)

    def named(self, names: Sequence[str]) -> Iterator[SeenJob]:
        for start in range(0, len(names), _MOST_FILTERS):
            some = names[start : start + _MOST_FILTERS]
            filters = [_condition("TrainingJobName", "Equals", name) for name in some]
            yield from chain.from_iterable(self._pages(filters, operator="Or"))

    def _of_each_end(self, filters: list[dict[str, str]]) -> Pages:
        for status in _ENDED:
            yield from self._pages([_condition("TrainingJobStatus", "Equals", status), *filters])

    def _pages(self, filters: list[dict[str, str]], *, operator: str = "And") -> Pages:
        arguments: dict[str, Any] = {
            "Resource": "TrainingJob",
            "SearchExpression": {"Filters": filters, "Operator": operator},
            "SortBy": "LastModifiedTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        }
        while True:
            page = self._ask(self._client.search, **arguments)
            yield tuple(_seen(result["TrainingJob"]) for result in page.get("Results", ()))
            if not page.get("NextToken"):
                return
            arguments["NextToken"] = page["NextToken"]

    def _read(self, call: Any, **arguments: Any) -> Any:  # noqa: ANN401 — boto3 has no types
        """Ask about one job; None where the service says that there is no such job."""
        try:
            return self._ask(call, **arguments)
        except _Refused as refused:
            if refused.is_missing:
                return None
            raise

    def _ask(self, call: Any, **arguments: Any) -> Any:  # noqa: ANN401 — boto3 has no types
        try:
            return call(**arguments)
        except ClientError as error:
            raise _Refused(error) from None
        except (HTTPClientError, NoConnectionError):
            raise Retry("SageMaker: no answer") from None


class _Refused(Retry):
    """The service answered, and not as asked; its text may quote what a job holds."""

    def __init__(self, error: ClientError) -> None:
        super().__init__(f"{error.operation_name}: {_code(error)}")
        invalid = _code(error) == "ValidationException"
        self.is_missing = _code(error) in _MISSING or (
            invalid and _MISSING_TEXT.search(_text(error)) is not None
        )


def _seen(job: Mapping[str, Any]) -> SeenJob:
    """Read what the sweep needs of a record; SageMaker may leave out the end of a failed job."""
    return SeenJob(
        name=job["TrainingJobName"],
        status=job.get("TrainingJobStatus", ""),
        tags=read(job.get("Tags")) or {},
        environment=read(job.get("Environment")) or {},
        ended_at=_instant(job.get("TrainingEndTime") or job.get("LastModifiedTime")),
        started_at=_instant(job.get("TrainingStartTime")),
        described=job,
    )


def _instant(value: object) -> int | None:
    return int(value.timestamp()) if isinstance(value, datetime) else None


def _exists(tag: str) -> dict[str, str]:
    return _condition(f"Tags.{tag}", "Exists")


def _condition(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    condition = {"Name": name, "Operator": operator}
    return condition if value is None else {**condition, "Value": value}


def _iso(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))
