"""`/_local/sagemaker/…`: misfortunes to order and an overview, for tests and for the curious.

A request is signed like any other (Signature Version 4, any service name), by the root user.

    GET    /_local/sagemaker/jobs     what runs, where, as which processes; calls by operation
    DELETE /_local/sagemaker/faults   forget what is armed
    POST   /_local/sagemaker/faults   {"kind": …, "job": name or pattern (default "*"), …}

At once, on every running job that matches:
    gpu      every process is killed; Failed with `reason` (default: an internal error)
    oom      the same, with the reason that AWS gives for a host out of memory
    spot     Interrupted, SIGTERM, grace, kill; Stopped/MaxWaitTimeExceeded, or with `resume`
             the job starts again in new capacity
    repair   killed, and started again within the job, on a new disk
    sigterm  SIGTERM to every process; what follows is the job's own doing

Armed, for the next `count` times (default: once; slow and the events: until cleared):
    capacity          a job that is created fails without ever starting
    pending           a job that is created waits for its instances for longer than it may
    create_throttle, create_quota   CreateTrainingJob is refused
    create_lost       the job is created and the caller is told of an internal failure
    throttle, slow    any call, or `operation`; slow takes `seconds`
    describe_stale    DescribeTrainingJob tells of the state before the last change
    drop_events       changes are not told
    duplicate_events  each change is told `copies` times
"""

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from local.aws.sagemaker import ends
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.faults import ARMED, ON_RUNNING, Fault
from local.aws.sagemaker.inbox import Killed, Message, Repaired, Signalled, SpotReclaimed
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.processes import main_of, tree_of

Answer = tuple[int, dict[str, Any]]


def handle(control: ControlPlane, method: str, path: str, body: bytes) -> Answer:
    match method, path:
        case "GET", "/_local/sagemaker/jobs":
            return 200, overview(control)
        case "POST", "/_local/sagemaker/faults":
            return order(control, body)
        case "DELETE", "/_local/sagemaker/faults":
            control.faults.clear()
            return 200, {"armed": []}
        case _:
            return 404, {"message": f"nothing at {method} {path}"}


def order(control: ControlPlane, body: bytes) -> Answer:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return 400, {"message": "the body must be a JSON object"}
    kind = asked.get("kind")
    if kind in ON_RUNNING:
        return strike(control, asked)
    if kind in ARMED:
        control.faults.arm(fault_of(asked))
        return 200, {"armed": control.faults.shown()}
    known = ", ".join(sorted(ON_RUNNING | ARMED))
    return 400, {"message": f"unknown kind {kind!r}; one of: {known}"}


def fault_of(asked: dict[str, Any]) -> Fault:
    """Refusals happen once unless a count is given; slowness and events go on until cleared."""
    kind, count = asked["kind"], asked.get("count")
    lasting = kind in ("slow", "drop_events", "duplicate_events")
    return Fault(
        kind=kind,
        job=asked.get("job", "*"),
        left=count if count is not None or lasting else 1,
        reason=asked.get("reason", ""),
        operation=asked.get("operation", "*"),
        value=asked.get("seconds", asked.get("copies", 0)),
    )


def strike(control: ControlPlane, asked: dict[str, Any]) -> Answer:
    pattern = asked.get("job", "*")
    struck = [
        job
        for job in control.registry.everywhere()
        if not job.state.is_over and fnmatchcase(job.name, pattern)
    ]
    if not struck:
        return 404, {"message": f"no running job matches {pattern!r}"}
    for job in struck:
        job.inbox.put(STRIKES[asked["kind"]](asked))
    return 200, {"struck": [job.name for job in struck]}


STRIKES: dict[str, Callable[[dict[str, Any]], Message]] = {
    "gpu": lambda asked: Killed(asked.get("reason", ends.INTERNAL)),
    "oom": lambda asked: Killed(asked.get("reason", ends.OUT_OF_MEMORY)),
    "spot": lambda asked: SpotReclaimed(comes_back=bool(asked.get("resume", False))),
    "sigterm": lambda _: Signalled(),
    "repair": lambda _: Repaired(),
}


def overview(control: ControlPlane) -> dict[str, Any]:
    return {
        "jobs": [_shown(job) for job in control.registry.everywhere()],
        "calls": dict(control.calls),
        "faults": control.faults.shown(),
    }


def _shown(job: TrainingJob) -> dict[str, Any]:
    supervisor = job.process
    return {
        "name": job.name,
        "status": job.state.status,
        "secondary": job.state.secondary,
        "reason": job.state.failure_reason,
        "pid": main_of(supervisor) if supervisor else None,
        "pids": tree_of(supervisor) if supervisor else [],
        "directories": job.directories,
    }
