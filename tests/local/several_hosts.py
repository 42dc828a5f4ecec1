"""Jobs on several hosts, for tests: what to ask for, and where to look."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.local.local_sagemaker_driver import BUCKET, Driver, ticks

UNTIL_GO = "until [ -e /opt/ml/go ]; do sleep 0.05; done"
FOREVER = "echo up; sleep 600 & wait"


def on(host: str, this: str, others: str) -> str:
    return f'if [ "$(hostname)" = {host} ]; then {this}; else {others}; fi'


def cluster(count: int) -> dict[str, Any]:
    return {
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": count,
            "VolumeSizeInGB": 1,
        }
    }


TWO = cluster(2)


def running(local: Driver, name: str, script: str = FOREVER, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a request
    """Start a job on two hosts; what is known of its hosts once both speak."""
    local.start(name, script, **{**TWO, **more})
    for host in ("algo-1", "algo-2"):
        local.until_said(name, "up", host)
    hosts: dict[str, Any] = local.overview(name)["hosts"]
    return hosts


def until(holds: Callable[[], bool]) -> None:
    assert any(holds() for _ in ticks()), "it never came to that"


def disk(local: Driver, name: str, host: str = "algo-1") -> Path:
    """The host's /opt/ml, as this machine knows it."""
    directories = local.overview(name)["directories"]
    return Path(next(one for one in directories if one.endswith(f"-{host}")))


def code(local: Driver, name: str, program: str) -> dict[str, Any]:
    """A channel in which the job finds its program, and runs."""
    prefix = f"code-of-{name}"
    local.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=program.encode())
    return {**channel(prefix), "ChannelName": "code"}


def channel(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a source
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/", **more}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def shared(name: str, mode: str = "rw") -> dict[str, Any]:
    """A file system that all hosts mount, in the job's VPC."""
    source = {
        "FileSystemId": "fs-0123456789abcdef0",
        "FileSystemType": "FSxLustre",
        "DirectoryPath": f"/fsx/{name}",
        "FileSystemAccessMode": mode,
    }
    return {
        "InputDataConfig": [
            {"ChannelName": "shared", "DataSource": {"FileSystemDataSource": source}}
        ],
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    }


def keys(local: Driver, prefix: str) -> list[str]:
    listed = local.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"].removeprefix(prefix) for one in listed.get("Contents", ())]


def state(pid: int) -> str:
    """`T` for a stopped process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until_stopped(pid: int) -> None:
    until(lambda: state(pid) == "T")


def end_all(local: Driver) -> None:
    for job in local.aws.jobs()["jobs"]:
        if job["status"] == "InProgress":
            with suppress(ValueError):  # it has ended meanwhile
                local.aws.fault("gpu", job["name"])
