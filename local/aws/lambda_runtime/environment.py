"""One execution environment: a process of the function, and the Runtime API it talks to.

It serves one invocation at a time and is driven by the thread that invokes; nobody else touches it.
"""

import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen

from local.aws.lambda_runtime import outcomes, processes
from local.aws.lambda_runtime.outcomes import Ended, Invocation, LogLine
from local.aws.lambda_runtime.runtime_api import PREFIX, Call, RuntimeApi

INIT_SECONDS = 10.0
JSON_BODY = [("Content-Type", "application/json")]
ACCEPTED = b'{"status":"OK"}\n'

Start = Callable[[str], Popen[bytes]]


@dataclass(frozen=True)
class Exited:
    code: int


@dataclass(frozen=True)
class OutOfTime:
    pass


@dataclass(frozen=True)
class InitFailed:
    error: dict[str, object]


class Output:
    """What the process printed since it was last asked, in lines with the time of their arrival."""

    def __init__(self) -> None:
        self._lines: list[LogLine] = []
        self._rest = b""

    def feed(self, received: bytes) -> None:
        *complete, self._rest = (self._rest + received).split(b"\n")
        self._lines += [_line(text) for text in complete if text.strip()]

    def take(self) -> tuple[LogLine, ...]:
        if self._rest.strip():
            self._lines.append(_line(self._rest))
        taken, self._lines, self._rest = tuple(self._lines), [], b""
        return taken


def _line(text: bytes) -> LogLine:
    # The runtime client ends the lines of one error with \r, so that they stay one log event.
    return LogLine(time.time_ns() // 1_000_000, text.decode(errors="replace").replace("\r", "\n"))


class Environment:
    def __init__(self, start: Start, timeout: float) -> None:
        self._selector = selectors.DefaultSelector()
        self._api = RuntimeApi(self._selector)
        self._timeout = timeout
        self._start = start
        self._waiting: Call | None = None
        self._init_seconds: float | None = None
        self.output = Output()
        self.usable = True
        self._boot()

    def _boot(self) -> None:
        self._booted = time.monotonic()
        self._exit: Exited | None = None
        self.process = self._start(self._api.address)
        if self.process.stdout is None:
            raise ValueError("the process was started without a pipe for its output")
        self._pipe = self.process.stdout.fileno()
        self._exits = os.pidfd_open(self.process.pid)
        self._selector.register(self._pipe, selectors.EVENT_READ, self._read_output)
        self._selector.register(self._exits, selectors.EVENT_READ, self._note_exit)

    def invoke(self, invocation: Invocation) -> Ended:
        began = time.monotonic()
        cold = self._waiting is None and self._init_seconds is None
        problem = self._initialise(invocation) if cold else None
        started = time.monotonic() if cold and problem is None else began
        ended = problem or self._run(invocation, started + self._timeout)
        payload, error, status = ended
        peak_mb = processes.peak_memory_mb(self.process)
        if status is not None:
            self.close()
        self._drain()
        seconds, init = time.monotonic() - started, self._init_seconds if cold else None
        return Ended(payload, error, status, seconds, init, peak_mb, self.output.take())

    def _initialise(self, invocation: Invocation) -> "_End | None":
        """Wait for the first request of the runtime; what went wrong, or None."""
        reached = self._await_next(self._booted + INIT_SECONDS)
        if isinstance(reached, OutOfTime):
            # As AWS: an init beyond ten seconds starts again, within the invocation's own time.
            self._stop_process()
            self._boot()
            reached = self._await_next(self._booted + self._timeout)
        self._init_seconds = time.monotonic() - self._booted
        return None if isinstance(reached, Call) else self._problem(reached, invocation)

    def _run(self, invocation: Invocation, deadline: float) -> "_End":
        reached = self._waiting or self._await_next(deadline)
        if not isinstance(reached, Call):
            return self._problem(reached, invocation)
        self._waiting = None
        self._hand_over(reached, invocation, deadline)
        answered = self._next_call(deadline)
        if not isinstance(answered, Call):
            return self._problem(answered, invocation)
        return self._result(answered)

    def _hand_over(self, call: Call, invocation: Invocation, deadline: float) -> None:
        epoch = time.time() + deadline - time.monotonic()
        headers = [
            *JSON_BODY,
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(int(epoch * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ]
        try:
            call.client.answer(200, headers, invocation.payload)
        except ConnectionError:
            return  # it died while it waited; the exit is what is found next

    def _result(self, call: Call) -> "_End":
        length = len(call.body)
        if call.path.endswith("/response") and length > outcomes.RESPONSE_LIMIT:
            self._acknowledge(call, 413)
            return b"", outcomes.too_large(length), None
        self._acknowledge(call, 202)
        if call.path.endswith("/response"):
            return call.body, None, None
        return call.body, outcomes.parsed(call.body), None

    def _problem(self, reached: "Exited | OutOfTime | InitFailed", asked: Invocation) -> "_End":
        match reached:
            case OutOfTime():
                return b"", outcomes.timed_out(asked.request_id, self._timeout), "timeout"
            case Exited(code):
                return b"", outcomes.exited(asked.request_id, code), "error"
            case InitFailed(error):
                return b"", dict(error), "error"

    def _await_next(self, deadline: float) -> "Call | Exited | OutOfTime | InitFailed":
        reached = self._next_call(deadline)
        if isinstance(reached, Call) and reached.path == f"{PREFIX}/init/error":
            self._acknowledge(reached, 202)
            return InitFailed(outcomes.parsed(reached.body))
        if isinstance(reached, Call):
            self._waiting = reached
        return reached

    def _acknowledge(self, call: Call, status: int) -> None:
        try:
            call.client.answer(status, JSON_BODY, ACCEPTED)
        except ConnectionError:
            return  # it posted and died; what it posted counts

    def _next_call(self, deadline: float) -> "Call | Exited | OutOfTime":
        while True:
            if self._api.calls:
                return self._api.calls.popleft()
            if self._exit is not None:
                return self._exit
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return OutOfTime()
            self._turn(remaining)

    def _turn(self, seconds: float) -> bool:
        ready = self._selector.select(seconds)
        # The exit last: what the process still said counts.
        for key, _ in sorted(ready, key=lambda pair: pair[0].fd == self._exits):
            key.data()
        return bool(ready)

    def _read_output(self) -> None:
        received = os.read(self._pipe, 1 << 16)
        if received:
            self.output.feed(received)
        else:
            self._selector.unregister(self._pipe)

    def _note_exit(self) -> None:
        self._exit = Exited(self.process.wait())
        self._selector.unregister(self._exits)

    def _drain(self) -> None:
        """Read what was printed before the answer was sent; both have arrived by now."""
        while self.usable and self._pipe_is_ready():
            self._read_output()

    def _pipe_is_ready(self) -> bool:
        if self._pipe not in self._selector.get_map():
            return False
        return any(key.fd == self._pipe for key, _ in self._selector.select(0))

    def alive(self) -> bool:
        return self.usable and self.process.poll() is None

    def _stop_process(self) -> None:
        processes.kill(self.process)
        for descriptor in (self._pipe, self._exits):
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)
        self._take_rest()
        os.close(self._exits)

    def _take_rest(self) -> None:
        """What a killed process had printed is still in the pipe."""
        if self.process.stdout is None:
            return
        os.set_blocking(self._pipe, False)
        with self.process.stdout as pipe:
            self.output.feed(pipe.read() or b"")

    def close(self) -> None:
        if self.usable:
            self.usable = False
            self._stop_process()
            self._api.close()
            self._selector.close()


_End = tuple[bytes, dict[str, object] | None, str | None]
