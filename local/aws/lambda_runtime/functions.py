"""Runs functions: one environment per invocation at a time, warm ones first."""

import atexit
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from local.aws.lambda_runtime import credentials, interpreter, logs, outcomes, processes, variables
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
            ended = _run(lease, asked)
        finally:
            self.pool.release(lease)
        lines = logs.lines(spec, request_id, ended)
        logs.write(spec, lease.log_stream, lines)
        return Report(ended, "\n".join(line.text for line in lines))

    def _create(self, spec: FunctionSpec) -> Lease:
        stream = logs.stream_name(spec, datetime.now(UTC))
        code = self._packages.unpacked(spec.package)
        layers = tuple(map(self._packages.unpacked, spec.layers))
        places = variables.Places(self._endpoint(), code, self._runtime, layers, stream)
        composed = variables.compose(spec, places, credentials.for_role(spec))
        command = interpreter.command(spec.handler)

        def start(address: str) -> Popen[bytes]:
            own = {**composed, "AWS_LAMBDA_RUNTIME_API": address}
            return self._spawner.start(command, own, code)

        now = time.monotonic()
        return Lease(Environment(start, spec.timeout), spec, stream, now, now)

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


def _run(lease: Lease, asked: Invocation) -> Ended:
    """An environment in which something unforeseen happened is not used again."""
    with ExitStack() as unforeseen:
        unforeseen.callback(lease.environment.close)
        ended = lease.environment.invoke(asked)
        unforeseen.pop_all()
    return ended


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
