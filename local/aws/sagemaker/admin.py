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

At once, on one `host` of every such job (default: the one with the highest number):
    host-lost    every process of it is killed, and nothing of its disk is seen again. The others
                 may fail for want of it, which ends the job by their word; else SageMaker sees
                 the loss (--lost-host-notice), and the job fails with an internal error
    host-frozen  every process of it stops where it is, and nothing of it reaches S3, as where its
                 network is dead; for `seconds`, or for ever
    host-slow    it runs for the part `speed` of the time (default 0.1)

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
from local.aws.sagemaker.faults import ARMED, ON_ONE_HOST, ON_RUNNING, Fault
from local.aws.sagemaker.inbox import (
    HostFrozen,
    HostLost,
    HostSlowed,
    Killed,
    Message,
    Repaired,
    Signalled,
    SpotReclaimed,
)
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.processes import main_of, tree_of

Answer = tuple[int, dict[str, Any]]
SLOW = 0.1


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
    if kind in ON_RUNNING | ON_ONE_HOST:
        return strike(control, asked)
    if kind in ARMED:
        control.faults.arm(fault_of(asked))
        return 200, {"armed": control.faults.shown()}
    known = ", ".join(sorted(ON_RUNNING | ON_ONE_HOST | ARMED))
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
    try:
        messages = [(job, _message(job, asked)) for job in struck]
    except ValueError as error:
        return 400, {"message": str(error)}
    for job, message in messages:
        job.inbox.put(message)
    return 200, {"struck": [job.name for job in struck]}


def _message(job: TrainingJob, asked: dict[str, Any]) -> Message:
    """What to tell the job; raises ValueError for an order that means nothing to it."""
    if asked["kind"] in STRIKES:
        return STRIKES[asked["kind"]](asked)
    hosts = job.cluster.hosts
    host = asked.get("host", hosts[-1])
    if host not in hosts:
        raise ValueError(f"{job.name} has no host {host!r}; it has {', '.join(hosts)}")
    return ON_HOST[asked["kind"]](host, asked)


STRIKES: dict[str, Callable[[dict[str, Any]], Message]] = {
    "gpu": lambda asked: Killed(asked.get("reason", ends.INTERNAL)),
    "oom": lambda asked: Killed(asked.get("reason", ends.OUT_OF_MEMORY)),
    "spot": lambda asked: SpotReclaimed(comes_back=bool(asked.get("resume", False))),
    "sigterm": lambda _: Signalled(),
    "repair": lambda _: Repaired(),
}


def _slowed(host: str, asked: dict[str, Any]) -> HostSlowed:
    speed = asked.get("speed", SLOW)
    if not isinstance(speed, (int, float)) or not 0 < speed < 1:
        raise ValueError(f"speed is a part of the time, between 0 and 1, not {speed!r}")
    return HostSlowed(host, speed)


def _frozen(host: str, asked: dict[str, Any]) -> HostFrozen:
    seconds = asked.get("seconds")
    if seconds is not None and (not isinstance(seconds, (int, float)) or seconds <= 0):
        raise ValueError(f"seconds are a number above 0, not {seconds!r}")
    return HostFrozen(host, seconds)


ON_HOST: dict[str, Callable[[str, dict[str, Any]], Message]] = {
    "host-lost": lambda host, _: HostLost(host),
    "host-frozen": _frozen,
    "host-slow": _slowed,
}


def overview(control: ControlPlane) -> dict[str, Any]:
    return {
        "jobs": [_shown(job) for job in control.registry.everywhere()],
        "calls": dict(control.calls),
        "faults": control.faults.shown(),
    }


def _shown(job: TrainingJob) -> dict[str, Any]:
    hosts = {name: _processes(pid) for name, pid in list(job.processes.items())}
    first = next(iter(hosts.values()), {"pid": None})
    return {
        "name": job.name,
        "status": job.state.status,
        "secondary": job.state.secondary,
        "reason": job.state.failure_reason,
        "pid": first["pid"],
        "pids": [pid for host in hosts.values() for pid in host["pids"]],
        "directories": job.directories,
        "hosts": hosts,
    }


def _processes(supervisor: int) -> dict[str, Any]:
    return {"pid": main_of(supervisor), "pids": tree_of(supervisor)}
