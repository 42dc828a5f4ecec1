# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""What one published state of a function asks for, read once from MiniStack's record of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import lambda_svc


@dataclass(frozen=True)
class FunctionSpec:
    name: str
    arn: str
    version: str
    handler: str
    runtime: str
    role: str
    timeout: float
    memory_mb: int
    variables: Mapping[str, str]
    logging: Mapping[str, str]
    layers: tuple[bytes, ...]
    revision: str
    package: bytes

    @property
    def account(self) -> str:
        return str(parse_arn(self.arn).account_id)

    @property
    def region(self) -> str:
        return str(parse_arn(self.arn).region)

    @property
    def log_group(self) -> str:
        return self.logging.get("LogGroup") or f"/aws/lambda/{self.name}"

    @property
    def logs_json(self) -> bool:
        return self.logging.get("LogFormat") == "JSON"

    @property
    def owner(self) -> tuple[str, str, str]:
        """Whose environments these are, whatever their version or revision."""
        return self.account, self.region, self.name


def from_record(record: Mapping[str, Any]) -> FunctionSpec:
    config = record.get("config") or record
    return FunctionSpec(
        name=config["FunctionName"],
        arn=config["FunctionArn"],
        version=config.get("Version", "$LATEST"),
        handler=config.get("Handler", ""),
        runtime=config.get("Runtime", ""),
        role=config.get("Role", ""),
        timeout=float(config.get("Timeout", 3)),
        memory_mb=int(config.get("MemorySize", 128)),
        variables=_texts((config.get("Environment") or {}).get("Variables") or {}),
        logging=config.get("LoggingConfig") or {},
        layers=tuple(filter(None, map(lambda_svc._resolve_layer_zip, config.get("Layers") or ()))),
        revision=_revision(config),
        package=record.get("code_zip") or b"",
    )


def _texts(variables: Mapping[str, object]) -> dict[str, str]:
    """A template may give numbers and truths."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in variables.items()}


def _revision(config: Mapping[str, Any]) -> str:
    """Everything an environment is started from, so that any change of it starts a new one.

    MiniStack's RevisionId does not change on every update, hence the content itself.
    """
    members = ("CodeSha256", "Handler", "Role", "Timeout", "MemorySize", "Environment")
    more = ("LoggingConfig", "Layers", "Version")
    return json.dumps([config.get(member) for member in (*members, *more)], default=str)
