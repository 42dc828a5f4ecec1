"""How many processes a command trains with: its world size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resilient_training.run.hosts import Hosts

_TORCHRUN_MODULES = frozenset({"torch.distributed.run", "torch.distributed.launch"})
# They start processes by options, files or environment of their own, or hide the command in text.
_OTHER_LAUNCHERS = frozenset(
    {"accelerate", "deepspeed", "mpirun", "mpiexec", "srun", "horovodrun", "ray", "sh", "bash"}
)


class ProcessesError(Exception):
    """Nobody here can tell how many processes the command starts."""


@dataclass(frozen=True)
class Machine:
    """What one host has, as far as torchrun's words ask for it."""

    gpus: int
    cpus: int


def world_size(
    command: Sequence[str], hosts: int, machine: Machine, environment: Mapping[str, str]
) -> int:
    """The processes of torchrun over all hosts; a command that is no launcher is one process.

    Raises:
        ProcessesError: it is another launcher, or torchrun is asked for what cannot be counted.
    """
    options = _torchrun_options(command)
    if options is None:
        _refuse_other_launchers(command)
        return 1
    per_host = _value(options, "nproc-per-node") or environment.get("PET_NPROC_PER_NODE") or "1"
    nodes = _value(options, "nnodes") or environment.get("PET_NNODES") or ""
    # `1:4` is elastic: then the hosts of the job count.
    return _count(per_host, machine) * (int(nodes) if nodes.isdecimal() else hosts)


def ranks_here(processes: int, hosts: Hosts) -> range | None:
    """The ranks on this host, as launchers number them in the hosts' order; None: on all disks.

    SageMaker's own driver and a static rendezvous number so. A dynamic one (`--rdzv-backend=c10d`)
    may not: then a host waits for files that lie elsewhere, and commits nothing.
    """
    if hosts.count == 1 or processes % hosts.count:
        return None
    each = processes // hosts.count
    return range(hosts.index * each, (hosts.index + 1) * each)


def _torchrun_options(command: Sequence[str]) -> Sequence[str] | None:
    """The words after torchrun, or after `-m torch.distributed.run`; None: it is neither."""
    words = list(takewhile(_is_no_script, command))
    for place, word in enumerate(words):
        by_module = word in _TORCHRUN_MODULES and words[place - 1] == "-m"
        if PurePath(word).name == "torchrun" or by_module:
            return words[place + 1 :]
    return None


def _is_no_script(word: str) -> bool:
    """What follows a script is the script's own."""
    return not word.endswith(".py")


def _refuse_other_launchers(command: Sequence[str]) -> None:
    names = (PurePath(word).name for word in takewhile(_is_no_script, command))
    launcher = next((name for name in names if name in _OTHER_LAUNCHERS), None)
    if launcher is not None:
        raise ProcessesError(
            f"{launcher} may start several processes: give --processes N, of all hosts together"
        )


def _value(options: Sequence[str], name: str) -> str | None:
    """The value of `--name`, with `-` or `_`, as `--name=value` or as the next word."""
    for place, word in enumerate(options):
        option, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and option.replace("_", "-") == name:
            return value if equals else next(iter(options[place + 1 : place + 2]), None)
    return None


def _count(asked: str, machine: Machine) -> int:
    match asked:
        case "gpu" if machine.gpus:
            return machine.gpus
        case "auto":
            return machine.gpus or machine.cpus
        case "cpu":
            return machine.cpus
        case _ if asked.isdecimal() and int(asked) > 0:
            return int(asked)
        case _:
            raise ProcessesError(
                f"--nproc_per_node={asked} cannot be counted here: give --processes N, of all"
                " hosts together"
            )
