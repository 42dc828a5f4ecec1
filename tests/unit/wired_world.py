"""The function as it is deployed, its real clients on a wire that ends in a world in memory.

Everything that is sent is kept. Where an answer may hold words of others (metadata, aliases, error
texts), it holds `whisper`.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from local.in_memory import InMemoryWorld, graphql
from resilience.decide.decisions import Checkpoint, CheckpointRequest, Lookup
from resilience.errors import CreateRefused, NameInUse
from resilience.wire import tags as tag_names

_ONE_TRY = Config(retries={"total_max_attempts": 1})
_STATUS = {Lookup.FOUND: 200, Lookup.REFUSED: 401, Lookup.UNAVAILABLE: 400}


class Refusal(Exception):  # noqa: N818 - it is an answer of the service
    """An error as AWS answers it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Sent:
    """One request as it left the function."""

    operation: str
    body: str


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


@dataclass
class Wire:
    """AWS and W&B, as far as the function asks for them."""

    world: InMemoryWorld
    whisper: str
    wandb_key: str
    mode: str = "act"
    refuse: dict[str, str] = field(default_factory=dict)  # operation: code
    garbled: frozenset[str] = frozenset()  # operations whose answer nobody can parse
    more_versions: tuple[Mapping[str, object], ...] = ()
    wandb_errors: bool = False
    cut_wandb: bool = False
    sent: list[Sent] = field(default_factory=list)

    def client(self, service: str, **more: Any) -> Any:  # noqa: ANN401 - boto3 has no types
        made = _session().client(
            service,
            region_name=more["region_name"],
            config=more["config"].merge(_ONE_TRY),
            aws_access_key_id="nobody",
            aws_secret_access_key=self.wandb_key,
        )
        made.meta.events.register("before-send", self._answer)
        return made

    def pool(self, **_: object) -> urllib3.PoolManager:
        return _Pool(self)

    def bodies(self, operation: str) -> list[str]:
        return [one.body for one in self.sent if one.operation == operation]

    def _answer(self, request: Any, event_name: str, **_: object) -> AWSResponse:  # noqa: ANN401 - the same
        operation = event_name.rsplit(".", 1)[-1]
        sent = request.body or ""  # a GET has none
        body = sent.decode() if isinstance(sent, bytes) else str(sent)
        self.sent.append(Sent(operation, body))
        try:
            status, content = 200, self._content(operation, body, request.url)
        except Refusal as refusal:
            status, content = 400, _error(operation, refusal)
        if operation in self.garbled:
            content = f"{{ {self.whisper}"
        return AWSResponse(request.url, status, {}, _Raw(content.encode()))

    def _content(self, operation: str, body: str, url: str) -> str:
        if operation in self.refuse:
            raise Refusal(self.refuse[operation], f"Value '{self.whisper}' is not allowed")
        if operation == "Publish":
            return _PUBLISHED
        asked = json.loads(body) if body else {}
        answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "DescribeTrainingJob": self._describe,
            "ListTags": self._list_tags,
            "CreateTrainingJob": self._create,
            "AddTags": self._add_tags,
            "Search": self._search,
            "GetParameters": self._parameters,
            "GetSecretValue": lambda _: {"SecretString": self.wandb_key},
            "SendMessage": lambda _: {"MessageId": "a-message"},
            "SendMessageBatch": lambda _: {"Successful": [], "Failed": []},
            "DescribeLogStreams": self._streams,
            "GetLogEvents": self._events,
            "GetSchedule": self._schedule,
            "CreateSchedule": lambda _: {
                "ScheduleArn": f"arn:aws:scheduler:::{urlsplit(url).path}"
            },
        }
        return json.dumps(answers[operation](asked), default=_epoch)

    def _describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self.world.sagemaker.describe(asked["TrainingJobName"])
        if job is None:
            raise Refusal("ValidationException", f"Requested resource not found. {self.whisper}")
        return dict(job.described)

    def _list_tags(self, asked: dict[str, Any]) -> dict[str, Any]:
        own = self.world.sagemaker.tags(asked["ResourceArn"].rpartition("/")[2])
        if own is None:
            raise Refusal("ValidationException", f"Requested resource not found. {self.whisper}")
        return {"Tags": [{"Key": key, "Value": value} for key, value in own.items()]}

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            self.world.sagemaker.create(asked)
        except NameInUse as taken:
            raise Refusal("ResourceInUse", f"{taken} {self.whisper}") from None
        except CreateRefused as refused:
            raise Refusal(refused.code, f"{refused.text} {self.whisper}") from None
        return {"TrainingJobArn": self.world.sagemaker.arn(asked["TrainingJobName"])}

    def _add_tags(self, asked: dict[str, Any]) -> dict[str, Any]:
        added = tag_names.read(asked["Tags"]) or {}
        self.world.sagemaker.add_tags(asked["ResourceArn"], added)
        return {"Tags": asked["Tags"]}

    def _schedule(self, _: dict[str, Any]) -> dict[str, Any]:
        raise Refusal("ResourceNotFoundException", f"Schedule does not exist. {self.whisper}")

    def _search(self, _: dict[str, Any]) -> dict[str, Any]:
        names = self.world.sagemaker.names()
        jobs = [self._describe({"TrainingJobName": name}) for name in names]
        return {"Results": [{"TrainingJob": job} for job in jobs]}

    def _streams(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"logStreams": [{"logStreamName": f"{asked['logStreamNamePrefix']}1769828400"}]}

    def _events(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = asked["logStreamName"].partition("/")[0]
        lines = [line for tail in self.world.logs.tails(job, 1) for line in tail]
        events = [{"timestamp": line.at, "message": line.text} for line in lines]
        return {"events": events, "nextBackwardToken": "b/0", "nextForwardToken": "f/0"}

    def _parameters(self, asked: dict[str, Any]) -> dict[str, Any]:
        mode, breaker = asked["Names"]
        told = {"Name": mode, "Type": "String", "Value": self.mode, "LastModifiedDate": 0}
        return {"Parameters": [told], "InvalidParameters": [breaker]}

    def wandb(self, body: bytes) -> tuple[int, str]:
        """What W&B answers, with the whisper wherever a person's words may stand."""
        self.sent.append(Sent("wandb", body.decode()))
        if self.wandb_errors:
            return 200, json.dumps(
                {"data": {"project": None}, "errors": [{"message": self.whisper}]}
            )
        asked = json.loads(body)["variables"]
        place = CheckpointRequest(
            entity=asked["entity"], project=asked["project"], collection=asked["collection"]
        )
        answer = self.world.wandb.newest(place)
        versions = self.world.wandb.versions(place)
        nodes = None if versions is None else self._nodes(reversed(versions))
        project = graphql.project(asked, nodes) if answer.project_exists else None
        return _STATUS[answer.lookup], json.dumps({"data": {"project": project}})

    def _nodes(self, versions: Iterable[Checkpoint]) -> list[Mapping[str, object]]:
        nodes: list[Mapping[str, object]] = [
            {
                "state": "COMMITTED" if one.committed else "PENDING",
                "digest": one.digest,
                "versionIndex": one.number,
                "aliases": [{"alias": alias} for alias in (*one.aliases, self.whisper)],
                "metadata": json.dumps({"step": one.step, "note": self.whisper}),
                "createdBy": {"name": one.run},
            }
            for one in versions
        ]
        return [*self.more_versions, *nodes]


class _Pool(urllib3.PoolManager):
    """A pool whose connections end in the wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def urlopen(  # type: ignore[override]  # fewer arguments are enough here
        self,
        method: str,
        url: str,
        **more: Any,  # noqa: ANN401 - urllib3's own
    ) -> urllib3.HTTPResponse:
        if self._wire.cut_wandb:
            text = f"{method} {url} {more['headers']} {self._wire.whisper}"
            raise urllib3.exceptions.ProtocolError(text)
        status, content = self._wire.wandb(more["body"])
        return urllib3.HTTPResponse(
            io.BytesIO(content.encode()), status=status, preload_content=False
        )


@cache
def _session() -> Any:  # noqa: ANN401 - boto3 has no types
    """One for all, because it is slow to read what the services look like."""
    return boto3.session.Session()


def _epoch(value: object) -> float:
    if not isinstance(value, datetime):
        raise TypeError(type(value).__name__)
    return value.timestamp()


def _error(operation: str, refusal: Refusal) -> str:
    if operation != "Publish":
        return json.dumps({"__type": refusal.code, "message": refusal.text})
    told = f"<Code>{refusal.code}</Code><Message>{refusal.text}</Message>"
    return f"<ErrorResponse><Error>{told}</Error></ErrorResponse>"


_PUBLISHED = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
    "<PublishResult><MessageId>a</MessageId></PublishResult></PublishResponse>"
)
