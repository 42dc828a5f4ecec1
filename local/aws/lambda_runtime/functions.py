"""Runs functions: one environment per invocation at a time, warm ones first."""

import atexit
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.aws.lambda_runtime import credentials, interpreter, logs, outcomes, processes
from local.aws.lambda_runtime.environment import Environment
from local.aws.lambda_runtime.outcomes import Ended, Invocation
from local.aws.lambda_runtime.package import Packages
from local.aws.lambda_runtime.pool import Lease, Pool
from local.aws.lambda_runtime.spec import FunctionSpec

REAP_SECONDS = 30.0


@dataclass(frozen=True)
class Report:
    """What one invocation gave, and what it wrote to the log."""

    ended: Ended
    log: str


class Functions:
    def __init__(self, endpoint: Callable[[], str]) -> None:
        self._endpoint = endpoint
        self._root = _root()
        self._packages = Packages(self._root)
        self._runtime = interpreter.runtime_directory(self._root)
        self._spawner = processes.Spawner()
        self.pool = Pool(self._create)
        threading.Thread(target=self._reap, name="lambda-reaper", daemon=True).start()
        atexit.register(self.pool.close)

    def invoke(
        self, spec: FunctionSpec, request_id: str, event: object, function_arn: str
    ) -> Report:
        payload = json.dumps(event).encode()
        asked = Invocation(request_id, payload, function_arn, _trace_id())
        try:
            lease = self.pool.acquire(spec)
        except credentials.RoleCannotBeAssumedError:
            return Report(_refused(request_id), "")
        try:
            ended = lease.environment.invoke(asked)
            peak = processes.peak_memory_mb(lease.environment.process)
        finally:
            self.pool.release(lease)
        lines = logs.lines(spec, request_id, ended, peak)
        logs.write(spec, lease.log_stream, lines)
        return Report(ended, "\n".join(line.text for line in lines))

    def _create(self, spec: FunctionSpec) -> Lease:
        stream = logs.stream_name(spec, datetime.now(UTC))
        code = self._packages.unpacked(spec.package)
        command = interpreter.command(spec.handler)
        variables = self._variables(spec, code, stream)
        environment = Environment(
            lambda address: self._spawner.start(
                command, {**variables, "AWS_LAMBDA_RUNTIME_API": address}, code
            ),
            spec.timeout,
        )
        now = time.monotonic()
        return Lease(environment, spec, stream, now, now)

    def _variables(self, spec: FunctionSpec, code: Path, stream: str) -> Mapping[str, str]:
        """The whole environment of the process: what Lambda sets, and the function's own."""
        runtime = str(self._runtime)
        reserved = {
            **credentials.for_role(spec),
            "AWS_REGION": spec.region,
            "AWS_DEFAULT_REGION": spec.region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "_HANDLER": spec.handler,
            "LAMBDA_TASK_ROOT": str(code),
            "LAMBDA_RUNTIME_DIR": runtime,
        }
        defaults = {
            # Not Lambda's: how the function's clients find this AWS.
            "AWS_ENDPOINT_URL": self._endpoint(),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": runtime,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
        }
        return {**defaults, **spec.variables, **reserved, **_log_settings(spec)}

    def _reap(self) -> None:
        while True:
            time.sleep(REAP_SECONDS)
            self.pool.retire_idle(time.monotonic())


def _root() -> Path:
    """Beside MiniStack's own state, whose owner removes it; without one, a directory of ours."""
    state = os.environ.get("STATE_DIR")
    if state is None:
        made = Path(tempfile.mkdtemp(prefix="local-lambda-"))
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        return made
    return Path(state) / "functions"


def _log_settings(spec: FunctionSpec) -> dict[str, str]:
    if not spec.logs_json:
        return {}
    level = spec.logging.get("ApplicationLogLevel", "INFO")
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level}


def _trace_id() -> str:
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


def _refused(request_id: str) -> Ended:
    error = outcomes.failure(
        "AccessDeniedException",
        request_id,
        "The role defined for the function cannot be assumed by Lambda.",
    )
    return Ended(b"", error, "error", 0.0, None)
