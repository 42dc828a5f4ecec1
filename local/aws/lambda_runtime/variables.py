"""The environment of a function's process: what Lambda sets, what the function asks, no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.aws.lambda_runtime.spec import FunctionSpec


@dataclass(frozen=True)
class Places:
    endpoint: str
    code: Path
    runtime: Path
    layers: tuple[Path, ...]
    log_stream: str


def compose(spec: FunctionSpec, places: Places, session: Mapping[str, str]) -> dict[str, str]:
    """The function's own variables may replace a default, never what Lambda reserves."""
    return {
        **_defaults(places),
        **spec.variables,
        **session,
        **_reserved(spec, places),
        **_log_settings(spec),
    }


def _defaults(places: Places) -> dict[str, str]:
    libraries = [*(layer / "python" for layer in places.layers), places.runtime]
    return {
        # Not Lambda's: how the function's clients find this AWS.
        "AWS_ENDPOINT_URL": places.endpoint,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": ":".join(map(str, libraries)),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def _reserved(spec: FunctionSpec, places: Places) -> dict[str, str]:
    return {
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": places.log_stream,
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": str(places.code),
        "LAMBDA_RUNTIME_DIR": str(places.runtime),
    }


def _log_settings(spec: FunctionSpec) -> dict[str, str]:
    if not spec.logs_json:
        return {}
    level = spec.logging.get("ApplicationLogLevel", "INFO")
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level}
