"""The hosts of a job, as its ResourceConfig asks for them: pure functions of the request.

SageMaker calls them algo-1 to algo-N, through all instance groups, and tells each of them in
`resourceconfig.json`: "hosts: list of names of all containers on the network, sorted
lexicographically" (docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html).
"""

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

FIRST = "algo-1"
HOMOGENEOUS = "homogeneousCluster"
LOOPBACK = ipaddress.ip_address("127.0.0.0")
# All hosts are this machine: what they say to one another goes through its loopback.
INTERFACE = "lo"


@dataclass(frozen=True)
class Group:
    """Hosts of one instance type."""

    name: str
    kind: str
    hosts: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        return {
            "instance_group_name": self.name,
            "instance_type": self.kind,
            "hosts": sorted(self.hosts),
        }


@dataclass(frozen=True)
class Cluster:
    groups: tuple[Group, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host, by its number."""
        return tuple(host for group in self.groups for host in group.hosts)

    @property
    def is_several(self) -> bool:
        return len(self.hosts) > 1

    def group_of(self, host: str) -> Group:
        return next(group for group in self.groups if host in group.hosts)


def cluster_of(request: dict[str, Any]) -> Cluster:
    names = (f"algo-{number}" for number in count(1))
    asked = _asked_for(request["ResourceConfig"])
    groups = (Group(name, kind, tuple(islice(names, size))) for name, kind, size in asked)
    return Cluster(tuple(groups))


def _asked_for(resources: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    for group in resources.get("InstanceGroups", []):
        yield group["InstanceGroupName"], group["InstanceType"], group["InstanceCount"]
    if not resources.get("InstanceGroups"):
        # Of several preferences there is always capacity for the first.
        one = (resources.get("InstancePreferences") or [resources])[0]
        yield HOMOGENEOUS, one.get("InstanceType", ""), one.get("InstanceCount") or 1


def number_of(host: str) -> int:
    return int(host.rpartition("-")[2])


def address_of(host: str) -> str:
    return str(LOOPBACK + number_of(host))


def hosts_file(cluster: Cluster, of_this_machine: str) -> str:
    """Give `/etc/hosts` as a host has it: this machine's, in which the hosts are what they are."""
    own = [f"{address_of(host)}\t{host}" for host in cluster.hosts]
    kept = [line for line in of_this_machine.splitlines() if not _names(line, cluster.hosts)]
    return "\n".join([*kept, *own, ""])


def _names(line: str, hosts: tuple[str, ...]) -> bool:
    return any(word in hosts for word in line.partition("#")[0].split())


def resource_config(request: dict[str, Any], host: str = FIRST) -> dict[str, Any]:
    cluster = cluster_of(request)
    group = cluster.group_of(host)
    return {
        "current_host": host,
        "current_instance_type": group.kind,
        "current_group_name": group.name,
        "hosts": sorted(cluster.hosts),
        "instance_groups": [one.shown() for one in cluster.groups],
        "network_interface_name": INTERFACE,
    }


def toolkit_variables(request: dict[str, Any], host: str) -> dict[str, str]:
    """Give what the SageMaker training toolkit says of the hosts (its `environment.py`)."""
    cluster = cluster_of(request)
    group = cluster.group_of(host)
    shown = [one.shown() for one in cluster.groups]
    return {
        "SM_HOSTS": json.dumps(sorted(cluster.hosts)),
        "SM_CURRENT_HOST": host,
        "SM_CURRENT_INSTANCE_TYPE": group.kind,
        "SM_CURRENT_INSTANCE_GROUP": group.name,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": json.dumps(sorted(group.hosts)),
        "SM_INSTANCE_GROUPS": json.dumps([one.name for one in cluster.groups]),
        "SM_INSTANCE_GROUPS_DICT": json.dumps({one["instance_group_name"]: one for one in shown}),
        "SM_NETWORK_INTERFACE_NAME": INTERFACE,
    }


def channels_of(request: dict[str, Any], host: str) -> list[dict[str, Any]]:
    """Give the channels that a host gets: those of its group, and those of no group."""
    group = cluster_of(request).group_of(host).name
    return [
        channel
        for channel in request.get("InputDataConfig", [])
        if group in (_groups_of(channel) or [group])
    ]


def _groups_of(channel: dict[str, Any]) -> list[str]:
    named: list[str] = channel["DataSource"].get("S3DataSource", {}).get("InstanceGroupNames", [])
    return named


def share_of(request: dict[str, Any], channel: dict[str, Any], host: str) -> slice:
    """Say which of a channel's sorted keys a host gets: all of them, or its part.

    "ShardedByS3Key: […] replicate a subset of data on each ML compute instance […]. If there are n
    ML compute instances launched for a training job, each instance gets approximately 1/n of the
    number of S3 objects" (API reference, S3DataSource). Which ones, it does not say.
    """
    if channel["DataSource"]["S3DataSource"].get("S3DataDistributionType") != "ShardedByS3Key":
        return slice(None)
    asked = _groups_of(channel)
    groups = [one for one in cluster_of(request).groups if not asked or one.name in asked]
    sharing = [name for one in groups for name in one.hosts]
    return slice(sharing.index(host), None, len(sharing))
