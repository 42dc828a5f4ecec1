"""SageMaker, as the recovery and the sweep need it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as NoConnectionError

from resilience import tags as tag_names
from resilience.decisions import Mode
from resilience.errors import CreateRefused, NameInUse, Retry
from resilience.ports import Job
from resilience.relaunch import Request, Shape
from resilience.tags import read

_NOT_FOUND = "Requested resource not found"
_IN_USE = "ResourceInUse"
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
        try:
            answer = self._client.create_training_job(**request)
        except ClientError as error:
            code, text = _code(error), str(error.response["Error"].get("Message", ""))
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

    def unjudged(self, *, after: int, before: int) -> Iterator[tuple[str, dict[str, str]]]:
        """Opted-in jobs that ended in the window (epoch seconds) without a verdict; name, tags."""
        window = [
            _condition("LastModifiedTime", "GreaterThanOrEqualTo", _iso(after)),
            _condition("LastModifiedTime", "LessThanOrEqualTo", _iso(before)),
        ]
        no_verdict = _condition(f"Tags.{tag_names.VERDICT}", "NotExists")
        for status in ("Failed", "Stopped", "Completed"):
            yield from self._found([*window, no_verdict, *_opted_in(status)])

    def waiting(self) -> Iterator[tuple[str, str]]:
        """Names of jobs that wait and are not switched off, each with the text of its due time."""
        waits = _condition(f"Tags.{tag_names.VERDICT}", "Equals", "WAIT")
        for status in ("Failed", "Stopped", "Completed"):
            for name, tags in self._found([waits, *_opted_in(status)]):
                if _acts(tags):
                    yield name, tags.get(tag_names.DUE, "")

    def failed_successors(self, *, after: int) -> Iterator[str]:
        """Names of relaunched jobs that failed since then (epoch seconds)."""
        filters = [
            _condition("LastModifiedTime", "GreaterThanOrEqualTo", _iso(after)),
            _condition(f"Tags.{tag_names.PARENT}", "Exists"),
            _condition("TrainingJobStatus", "Equals", "Failed"),
        ]
        return (name for name, _ in self._found(filters))

    def _found(self, filters: list[dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
        arguments: dict[str, Any] = {
            "Resource": "TrainingJob",
            "SearchExpression": {"Filters": filters},
            "MaxResults": 100,
        }
        while True:
            page = self._read(self._client.search, **arguments) or {}
            for result in page.get("Results", ()):
                job = result["TrainingJob"]
                yield job["TrainingJobName"], read(job.get("Tags")) or {}
            if not page.get("NextToken"):
                return
            arguments["NextToken"] = page["NextToken"]

    def _read(self, call: Any, **arguments: Any) -> Any:  # noqa: ANN401 — boto3 has no types
        """Call; None where the service says that there is no such thing."""
        try:
            return call(**arguments)
        except ClientError as error:
            text = str(error.response["Error"].get("Message", ""))
            if _NOT_FOUND in text or _code(error) == "ResourceNotFound":
                return None
            raise Retry(f"{error.operation_name}: {_code(error)}") from None
        except (HTTPClientError, NoConnectionError):
            raise Retry("SageMaker: no answer") from None


def _acts(tags: Mapping[str, str]) -> bool:
    return tag_names.mode(tags, Mode.ACT) is Mode.ACT


def _opted_in(status: str) -> list[dict[str, str]]:
    return [
        _condition("TrainingJobStatus", "Equals", status),
        _condition(f"Tags.{tag_names.CHECKPOINT_NAME}", "Exists"),
    ]


def _condition(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    condition = {"Name": name, "Operator": operator}
    return condition if value is None else {**condition, "Value": value}


def _iso(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))
