"""The rules: what a text can be read as. How a rule is found stands in the tables beside this one.

A rule's name is stable: it goes into decisions, tags and logs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from resilience.failures.classes import FailureClass

_INFRA = FailureClass.INFRASTRUCTURE
_MEMORY = FailureClass.OUT_OF_MEMORY
_CODE = FailureClass.USER_CODE
_CONFIG = FailureClass.CONFIGURATION

LOSS_DIVERGED = "loss_diverged"  # a rule's name that the policy knows


class Rank(IntEnum):
    """How much a statement explains. A text's cause is its first statement of the best rank."""

    DECISIVE = 0  # a broken machine, a refusal for ever: nothing else in the text matters
    CAUSE = 1
    KILLED = 2  # a process that was killed makes its peers complain, and says nothing itself
    PEER = 3  # a complaint about another process: somebody else knows the cause
    ECHO = 4  # that something ended, and how: exit codes, wrappers, tracebacks cut short


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    failure_class: FailureClass
    rank: Rank = Rank.CAUSE


# The training side's own words (docs/contract.md).
CHECKPOINT_LOAD_ERROR = Rule("checkpoint_load_error", FailureClass.DATA, Rank.DECISIVE)
STOPPED_IN_WANDB = Rule("stopped_in_wandb", FailureClass.STOPPED_BY_USER, Rank.DECISIVE)
# Where it does not lead the text it is not the contract's word, but somebody's.
STOP_MENTIONED = Rule("stop_mentioned", FailureClass.STOPPED_BY_USER, Rank.DECISIVE)
# Nothing was heard for too long: mostly a machine or a network, which the next try does not have.
# torch's own watchdog says the same of the same freeze (`collective`); whose clock rang first must
# not matter. A program that comes to a standstill does so alike each time, which is not forgiven.
STALLED = Rule("stalled", _INFRA)
# A host saw that another one died, and not why.
PEER_LOST = Rule("peer_lost", _INFRA, Rank.PEER)
DIVERGED_WITH_MARKS = Rule(LOSS_DIVERGED, _CODE)

# Machines.
GPU_MEMORY_ERROR = Rule("gpu_memory_error", _INFRA, Rank.DECISIVE)
GPU_LOST = Rule("gpu_lost", _INFRA, Rank.DECISIVE)
GPU_LINK = Rule("gpu_link", _INFRA, Rank.DECISIVE)
GPU_XID = Rule("gpu_xid", _INFRA, Rank.DECISIVE)
NEURON_DEVICE = Rule("neuron_device", _INFRA, Rank.DECISIVE)
INSTANCE_UNHEALTHY = Rule("instance_unhealthy", _INFRA, Rank.DECISIVE)
# A GPU library that does not start, and does not say why: another machine is the quickest test.
GPU_DOES_NOT_START = Rule("gpu_does_not_start", _INFRA)
STORAGE_UNREACHABLE = Rule("storage_unreachable", _INFRA)

# Memory and disk.
SHARED_MEMORY = Rule("shared_memory", _MEMORY)
GPU_OUT_OF_MEMORY = Rule("gpu_out_of_memory", _MEMORY)
OUT_OF_MEMORY = Rule("out_of_memory", _MEMORY)
# SIGKILL comes from the kernel's memory killer, far more often than from anyone else.
KILLED = Rule("killed", _MEMORY, Rank.KILLED)
# A disk that is too small fills again each time; VolumeSizeInGB is a setting of the job.
DISK_FULL = Rule("disk_full", _CONFIG)

# What AWS says of its service and of the request.
SPOT_INTERRUPTION = Rule("spot_interruption", FailureClass.INTERRUPTED)
TIME_LIMIT = Rule("time_limit", FailureClass.TIMEOUT)
CAPACITY = Rule("capacity", FailureClass.CAPACITY)
QUOTA = Rule("quota", FailureClass.QUOTA)
# Addresses come back when other jobs of the account end: worth a wait, as any used-up limit.
VPC_USED_UP = Rule("vpc_used_up", FailureClass.QUOTA)
THROTTLED = Rule("throttled", _INFRA)
NOT_IN_REGION = Rule("not_in_region", _CONFIG)
IMAGE_MISSING = Rule("image_missing", _CONFIG)
IMAGE_PULL_TIMEOUT = Rule("image_pull_timeout", _INFRA)
IMAGE_REFUSED = Rule("image_refused", FailureClass.PERMISSION)
ROLE_NOT_ASSUMED = Rule("role_not_assumed", FailureClass.PERMISSION)
KMS = Rule("kms", FailureClass.PERMISSION)
NETWORK_ROUTE = Rule("network_route", _CONFIG)
FILE_SYSTEM_MOUNT = Rule("file_system_mount", _CONFIG)
ENTRY_POINT = Rule("entry_point", _CONFIG)
OUTPUT_BUCKET = Rule("output_bucket", _CONFIG)
REQUEST_REJECTED = Rule("request_rejected", _CONFIG)
ARTIFACT_UPLOAD = Rule("artifact_upload", _INFRA)
DATA_DOWNLOAD = Rule("data_download", FailureClass.DATA)
SERVICE = (SPOT_INTERRUPTION, TIME_LIMIT, CAPACITY, QUOTA, THROTTLED)

# What the program was refused, or was given.
ACCESS_DENIED = Rule("access_denied", FailureClass.PERMISSION)
# The permission is there; a new container has new credentials.
CREDENTIALS_EXPIRED = Rule("credentials_expired", _INFRA)
# W&B never takes a deleted run's id again; the time-out that follows is an echo of that.
RUN_DELETED = Rule("run_deleted", _CONFIG, Rank.DECISIVE)
KEY_MISSING = Rule("key_missing", _CONFIG)
GPU_SETUP = Rule("gpu_setup", _CONFIG)
ARGUMENTS = Rule("arguments", _CONFIG)
INPUT_MISSING = Rule("input_missing", FailureClass.DATA)
INPUT_MALFORMED = Rule("input_malformed", FailureClass.DATA)

# Services that the program asks.
SERVICE_UNAVAILABLE = Rule("service_unavailable", _INFRA)
NETWORK_UNREACHABLE = Rule("network_unreachable", _INFRA)
INTERNAL_ERROR = Rule("internal_error", _INFRA)
TIMED_OUT = Rule("timed_out", _INFRA)
RUN_NOT_STARTED = Rule("run_not_started", _INFRA, Rank.PEER)

# The program's own errors.
GPU_PROGRAM_FAULT = Rule("gpu_program_fault", _CODE)
DIVERGED = Rule("diverged", _CODE)
PROGRAMMING_ERROR = Rule("programming_error", _CODE)
DEPENDENCY = Rule("dependency", _CODE)
EXCEPTION = Rule("exception", _CODE)
CRASHED = Rule("crashed", _CODE, Rank.KILLED)
UNEXPLAINED = Rule("unexplained_exception", _CODE, Rank.ECHO)
EXIT_CODE = Rule("exit_code", _CODE, Rank.ECHO)

# Complaints about peers.
COLLECTIVE = Rule("collective", _INFRA, Rank.PEER)
RENDEZVOUS = Rule("rendezvous", _INFRA, Rank.PEER)
LOST_WORKER = Rule("lost_worker", _INFRA, Rank.PEER)
CONNECTION_LOST = Rule("connection_lost", _INFRA, Rank.PEER)

# SIGINT: a person at a terminal, or W&B's stop of a script without our training side (ADR 11). A
# script that turns SIGTERM into KeyboardInterrupt names SIGTERM too, and that explains more.
INTERRUPTED_BY_HAND = Rule("interrupted_by_hand", FailureClass.STOPPED_BY_USER, Rank.KILLED)
# A signal to the whole job comes first of all; to one process, it is how its launcher cleans up.
TERMINATED = Rule("terminated", FailureClass.INTERRUPTED)
PROCESS_TERMINATED = Rule("process_terminated", FailureClass.INTERRUPTED, Rank.ECHO)

RULES: tuple[Rule, ...] = tuple(
    each for each in tuple(globals().values()) if isinstance(each, Rule)
)
_BY_NAME = {rule.name: rule for rule in RULES}


def chapters(text: str) -> Iterator[tuple[Rule, list[str]]]:
    """Reads `rule = entry; entry` lines, of which each may go on in indented lines."""
    for chapter in re.split(r"\n(?=\w)", text.strip()):
        name, _, entries = chapter.partition("=")
        yield _BY_NAME[name.strip()], [" ".join(entry.split()) for entry in entries.split(";")]
