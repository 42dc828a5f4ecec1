"""The hosts that a job asks the local SageMaker for, and which of them speaks for it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.aws.sagemaker.cluster import (
    address_of,
    cluster_of,
    hosts_file,
    resource_config,
    share_of,
    toolkit_variables,
)
from local.aws.sagemaker.ends import telling
from local.aws.sagemaker.file_systems import beyond_this_machine
from local.aws.sagemaker.inbox import Exited
from local.doubts import FailureOf

FIRST_TO_END, FIRST_HOST = FailureOf.FIRST_TO_END, FailureOf.FIRST_HOST


def asking(**resources: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a request
    return {"ResourceConfig": resources}


def groups(*sizes: int) -> dict[str, Any]:
    named = [
        {"InstanceGroupName": f"g{n}", "InstanceType": f"ml.t{n}", "InstanceCount": size}
        for n, size in enumerate(sizes)
    ]
    return asking(InstanceGroups=named)


@pytest.mark.parametrize(
    ("request_", "hosts"),
    [
        (asking(InstanceType="ml.m5.large"), 1),
        (asking(InstanceType="ml.m5.large", InstanceCount=3), 3),
        (groups(1, 2), 3),
        (groups(0), 0),
        (asking(InstancePreferences=[{"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}]), 2),
        (asking(InstancePreferences=[{"InstanceType": "ml.g5.xlarge"}]), 1),
    ],
)
def test_a_job_has_as_many_hosts_as_it_asks_for(request_: dict[str, Any], hosts: int) -> None:
    names = tuple(f"algo-{number}" for number in range(1, hosts + 1))
    assert cluster_of(request_).hosts == names


def test_addresses_go_on_beyond_the_last_byte() -> None:
    addresses = [address_of(f"algo-{number}") for number in (1, 2, 255, 256, 300)]
    assert addresses == ["127.0.0.1", "127.0.0.2", "127.0.0.255", "127.0.1.0", "127.0.1.44"]


def test_names_of_this_machine_stay_and_do_not_hide_a_host() -> None:
    machine = "127.0.0.1\tlocalhost\n10.0.0.9 db algo-2 # a mirror\n10.0.0.8 algo-20\n# algo-1"
    assert hosts_file(cluster_of(groups(2)), machine).splitlines() == [
        "127.0.0.1\tlocalhost",
        "10.0.0.8 algo-20",
        "# algo-1",
        "127.0.0.1\talgo-1",
        "127.0.0.2\talgo-2",
    ]


def test_a_host_is_told_its_group_and_all_hosts_by_the_alphabet() -> None:
    request = groups(1, 10)
    shown = resource_config(request, "algo-11")
    assert (shown["current_group_name"], shown["current_instance_type"]) == ("g1", "ml.t1")
    assert shown["hosts"][:4] == ["algo-1", "algo-10", "algo-11", "algo-2"]
    assert shown["instance_groups"][0]["hosts"] == ["algo-1"]
    assert toolkit_variables(request, "algo-1")["SM_CURRENT_INSTANCE_GROUP_HOSTS"] == '["algo-1"]'


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 30), st.sampled_from([[], ["g1"]]))
def test_each_object_of_a_sharded_channel_is_on_one_host(
    first: int, second: int, objects: int, named: list[str]
) -> None:
    request, keys = groups(first, second), list(range(objects))
    source = {"S3DataDistributionType": "ShardedByS3Key", "InstanceGroupNames": named}
    hosts = cluster_of(request).hosts[first if named else 0 :]
    channel = {"DataSource": {"S3DataSource": source}}
    shares = [keys[share_of(request, channel, host)] for host in hosts]
    assert sorted(key for share in shares for key in share) == keys
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_host_that_failed_first_speaks_for_the_job() -> None:
    done, failed = Exited(0, host="algo-3"), Exited(3, host="algo-2")
    asked, never = Exited(143, host="algo-1"), Exited(137, "no such program", "algo-2")
    assert telling([done, failed, asked], FIRST_TO_END) == failed
    assert telling([done, failed, asked], FIRST_HOST) == asked
    assert telling([failed, Exited(0)], FIRST_HOST) == failed, "a host that was done has no failure"
    assert telling([done, Exited(0)], FIRST_TO_END).code == 0
    assert telling([never], FIRST_TO_END).not_started == "no such program"


def test_a_path_may_not_leave_its_file_system() -> None:
    vpc = {"VpcConfig": {"Subnets": ["s"], "SecurityGroupIds": ["g"]}}
    for path, refused in (("/fsx/a..b", False), ("/fsx/../x", True), ("..", True), ("", False)):
        said = beyond_this_machine(vpc, {"DirectoryPath": path})
        assert (said is not None) is refused
