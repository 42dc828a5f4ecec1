"""Channels of a FileSystemDataSource: the disks that all hosts of a job, and later jobs, share.

Amazon EFS and FSx for Lustre are not here. A folder of the data directory stands for each file
system, `file-systems/<id>/<DirectoryPath>`, and is made where it is missing: there is nobody else
who would. It is a mount of its own for a host, as theirs are, so that no hard link crosses it.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from local.aws.sagemaker.cluster import channels_of
from local.isolation import Mount

FOLDER = "file-systems"


def source_of(channel: dict[str, Any]) -> dict[str, Any] | None:
    source: dict[str, Any] | None = channel["DataSource"].get("FileSystemDataSource")
    return source


def folder_of(source: dict[str, Any], data: Path) -> Path:
    return data.joinpath(FOLDER, source["FileSystemId"], source["DirectoryPath"].strip("/"))


def beyond_this_machine(request: dict[str, Any], source: dict[str, Any]) -> str | None:
    """What AWS does with such a source and the local SageMaker does not; None: nothing."""
    if ".." in PurePosixPath(source["DirectoryPath"]).parts:
        return f"a DirectoryPath that leads out of its file system: {source['DirectoryPath']}"
    # A file system is reached through the VPC; without one a job does not get to its start.
    return None if request.get("VpcConfig") else "a FileSystemDataSource without a VpcConfig"


def attach(
    request: dict[str, Any], host: str, root: Path, data: Path, *, mounts: bool
) -> tuple[Mount, ...]:
    """Give what a host has to mount; where it can mount nothing, lay links in its directory."""
    attached = []
    for channel in channels_of(request, host):
        source = source_of(channel)
        if source is None:
            continue
        folder, place = folder_of(source, data), f"input/data/{channel['ChannelName']}"
        folder.mkdir(parents=True, exist_ok=True)
        if mounts:
            (root / place).mkdir(parents=True, exist_ok=True)
            read_only = source["FileSystemAccessMode"] == "ro"
            attached.append(Mount(str(folder), f"/opt/ml/{place}", read_only))
        else:
            (root / place).symlink_to(folder)
    return tuple(attached)
