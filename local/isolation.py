"""What a container sees of this machine: namespaces and mounts, by the kernel's own calls.

Read by the bare interpreter of `supervisor.py` (`python -I -S`), so it needs nothing but the
standard library.
"""

import ctypes
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
LINUX = sys.platform == "linux"


@dataclass(frozen=True)
class Isolation:
    """Which namespaces the kernel grants; `user` is how an ordinary user gets the others."""

    pid: bool = False
    mount: bool = False
    user: bool = False
    uts: bool = False


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine, laid over one that the container knows."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Placement:
    """What tells a container from others on this machine, beside its `/opt/ml`."""

    hostname: str = ""
    mounts: tuple[Mount, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        mounts = tuple(Mount(**one) for one in document["mounts"])
        return cls(document["hostname"], mounts)


def libc_call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    of_kind = kind.encode() if kind else None
    libc_call("mount", source.encode(), target.encode(), of_kind, ctypes.c_ulong(flags), None)


def bind(one: Mount) -> None:
    mount(one.source, one.target, None, MS_BIND | MS_REC)
    if one.read_only:
        # The kernel takes the flag of a bind mount only when that is made again, and lets an
        # ordinary user drop none of those that it has.
        kept = os.statvfs(one.target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("none", one.target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def enter_namespaces(isolation: Isolation, opt_ml: str, placement: Placement) -> None:
    """Make the private world whose `/opt/ml` is this host's directory."""
    if not (isolation.pid or isolation.mount):
        return
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS
    flags |= CLONE_NEWUSER if isolation.user else 0
    flags |= CLONE_NEWPID if isolation.pid else 0
    flags |= CLONE_NEWUTS if isolation.uts else 0
    libc_call("unshare", flags)
    if isolation.user:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    if isolation.uts:
        socket.sethostname(placement.hostname)
    if isolation.mount:
        for one in (Mount(opt_ml, "/opt/ml"), *placement.mounts):
            bind(one)
