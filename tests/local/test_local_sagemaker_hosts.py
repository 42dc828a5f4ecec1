"""A job on several hosts: what each of them is, has and shares."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.local_sagemaker_driver import (
    BUCKET,
    Driver,
    port_of_the_drivers,
    refused,
    sagemaker_in,
)
from tests.local.several_hosts import (
    TWO,
    UNTIL_GO,
    channel,
    cluster,
    code,
    disk,
    end_all,
    keys,
    on,
    running,
    shared,
    until,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    options = ("--stop-grace", "600", "--checkpoint-sync", "0.05")
    with sagemaker_in(tmp_path_factory.mktemp("aws"), *options) as driver:
        yield driver


@pytest.fixture
def local(served: Driver) -> Iterator[Driver]:
    yield served
    end_all(served)


def test_each_host_has_a_name_and_an_address(local: Driver) -> None:
    script = "hostname; getent hosts algo-1 algo-2 algo-3 localhost | awk '{print $1, $2}'"
    assert local.run("named", script, **cluster(3))["TrainingJobStatus"] == "Completed"
    addresses = ["127.0.0.1 algo-1", "127.0.0.2 algo-2", "127.0.0.3 algo-3"]
    for host in ("algo-1", "algo-2", "algo-3"):
        said = local.log("named", host).splitlines()
        assert said[:4] == [host, *addresses]
        assert said[4].endswith("localhost")


CALL = """
import os, pathlib, socket, time
place = pathlib.Path("/opt/ml/input/data/shared/port")
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    server = socket.create_server((socket.gethostname(), 0))
    place.with_suffix(".new").write_text(str(server.getsockname()[1]))
    place.with_suffix(".new").rename(place)
    print(server.accept()[1][0])
while not place.exists():
    time.sleep(0.05)
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    own = (socket.gethostname(), 0)
    socket.create_connection(("algo-1", int(place.read_text())), 30, own).close()
"""


def test_a_host_is_reached_by_its_name(local: Driver) -> None:
    more = shared("called")
    channels = [*more.pop("InputDataConfig"), code(local, "call.py", CALL)]
    job = local.run("called", "python call.py", InputDataConfig=channels, **TWO, **more)
    assert job["TrainingJobStatus"] == "Completed"
    assert local.log("called") == "127.0.0.2\n"


def test_a_host_may_edit_its_own_list_of_names_and_no_other(local: Driver) -> None:
    edit = "echo '127.0.0.9 mine' >> /etc/hosts; getent hosts mine; touch /opt/ml/go; sleep 600"
    local.start("edited", on("algo-1", edit, f"{UNTIL_GO}; getent hosts mine"), **TWO)
    local.until_said("edited", "mine")
    (disk(local, "edited", "algo-2") / "go").touch()
    assert local.until("edited")["FailureReason"] == "AlgorithmError: , exit code: 2"
    assert "mine" not in Path("/etc/hosts").read_text()


def test_resourceconfig_and_variables_name_every_host_and_the_own(local: Driver) -> None:
    script = "cat /opt/ml/input/config/resourceconfig.json; echo; env"
    local.run("config", script, **cluster(11))
    hosts = sorted(f"algo-{number}" for number in range(1, 12))
    for host in ("algo-2", "algo-11"):
        resources, *environment = local.log("config", host).splitlines()
        seen = dict(line.partition("=")[::2] for line in environment)
        assert json.loads(resources) == {
            "current_host": host,
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": hosts,
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": "ml.m5.large",
                    "hosts": hosts,
                }
            ],
            "network_interface_name": "lo",
        }
        assert hosts[:3] == ["algo-1", "algo-10", "algo-11"]
        assert json.loads(seen["SM_HOSTS"]) == hosts
        assert seen["SM_CURRENT_HOST"] == host


def test_instance_groups_are_numbered_through(local: Driver) -> None:
    groups = [
        {"InstanceGroupName": "data", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "gpus", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2},
    ]
    config = {"InstanceGroups": groups, "VolumeSizeInGB": 1}
    local.s3.put_object(Bucket=BUCKET, Key="raw/a", Body=b"")
    channels = [channel("raw", InstanceGroupNames=["data"])]
    script = (
        "cat $SAGEMAKER_BASE_DIR/input/config/resourceconfig.json; echo;"
        "echo $SM_CURRENT_INSTANCE_GROUP $SM_CURRENT_INSTANCE_TYPE; ls /opt/ml/input/data"
    )
    job = local.run("grouped", script, ResourceConfig=config, InputDataConfig=channels)
    assert job["TrainingJobStatus"] == "Completed"
    first, third = (local.log("grouped", host).splitlines() for host in ("algo-1", "algo-3"))
    shown = json.loads(third[0])
    assert (shown["current_host"], shown["current_group_name"]) == ("algo-3", "gpus")
    assert shown["current_instance_type"] == "ml.g5.xlarge"
    assert [group["hosts"] for group in shown["instance_groups"]] == [
        ["algo-1"],
        ["algo-2", "algo-3"],
    ]
    assert first[1:] == ["data ml.c5.xlarge", "raw"]
    assert third[1:] == ["gpus ml.g5.xlarge"], "the channel is of the other group"


def test_a_sharded_channel_gives_each_host_its_part(local: Driver) -> None:
    for name in "abcde":
        local.s3.put_object(Bucket=BUCKET, Key=f"parts/{name}", Body=b"")
    sharded = channel("parts", S3DataDistributionType="ShardedByS3Key")
    local.run("sharded", "ls $SM_CHANNEL_PARTS", InputDataConfig=[sharded], **TWO)
    parts = [local.log("sharded", host).split() for host in ("algo-1", "algo-2")]
    assert sorted([*parts[0], *parts[1]]) == list("abcde")
    assert [len(part) for part in parts] == [3, 2]


def test_each_host_has_a_disk_of_its_own(local: Driver) -> None:
    script = "hostname > /opt/ml/mine; cat /opt/ml/mine; ls /opt/ml"
    local.run("apart", script, **TWO)
    for host in ("algo-1", "algo-2"):
        said = local.log("apart", host).splitlines()
        assert said[0] == host
        assert said.count("mine") == 1
        assert (disk(local, "apart", host) / "mine").read_text() == f"{host}\n"


def test_a_file_system_is_one_disk_for_all_hosts_and_for_the_next_job(local: Driver) -> None:
    folder = "/opt/ml/input/data/shared"
    both = "until [ -e algo-1 ] && [ -e algo-2 ]; do sleep 0.05; done; cat algo-1 algo-2"
    script = f"cd {folder}; hostname > .$(hostname); mv .$(hostname) $(hostname); {both}"
    assert local.run("met", script, **TWO, **shared("met"))["TrainingJobStatus"] == "Completed"
    for host in ("algo-1", "algo-2"):
        assert local.log("met", host) == "algo-1\nalgo-2\n"
    local.run("met-again", f"cat {folder}/algo-2; ln {folder}/algo-2 /opt/ml/x", **shared("met"))
    assert local.log("met-again").splitlines()[0] == "algo-2"
    assert "cross-device link" in local.log("met-again"), "it is a mount of its own, as on AWS"


def test_a_file_system_may_be_for_reading_only(local: Driver) -> None:
    job = local.run("reading", "touch $SM_CHANNEL_SHARED/x", **shared("reading", "ro"))
    assert job["TrainingJobStatus"] == "Failed"
    assert "Read-only file system" in local.log("reading")


def test_a_file_system_needs_a_vpc(local: Driver) -> None:
    request = local.request("no-vpc", **{**shared("x"), "VpcConfig": None})
    del request["VpcConfig"]
    assert "without a VpcConfig" in refused(local.sagemaker.create_training_job, **request)[1]


def test_each_host_has_a_log_stream_of_its_own(local: Driver) -> None:
    local.run("spoken", "echo I am $(hostname)", **TWO)
    logs, group = local.aws.client("logs"), "/aws/sagemaker/TrainingJobs"
    for host in ("algo-1", "algo-2"):
        prefix = f"spoken/{host}-"
        found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
        (stream,) = (one["logStreamName"] for one in found["logStreams"])
        assert stream.removeprefix(prefix).isdigit()
        said = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
        assert [event["message"] for event in said["events"]] == [f"I am {host}"]


def test_the_hosts_share_the_prefix_of_their_checkpoints(local: Driver) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/both"}
    save = "cd /opt/ml/checkpoints; hostname > $(hostname); hostname > same; echo up; sleep 600"
    running(local, "savers", save, CheckpointConfig=config)
    until(lambda: keys(local, "checkpoints/both/") == ["algo-1", "algo-2", "same"])
    local.aws.fault("gpu", "savers")
    local.until("savers")
    local.run("resumers", "ls /opt/ml/checkpoints", CheckpointConfig=config, **TWO)
    for host in ("algo-1", "algo-2"):
        assert local.log("resumers", host).split() == ["algo-1", "algo-2", "same"]


def test_every_host_counts_against_the_quota(local: Driver) -> None:
    request = local.request("many", **cluster(33))
    code, message = refused(local.sagemaker.create_training_job, **request)
    assert (code, "request delta of 33 Instances" in message) == ("ResourceLimitExceeded", True)


def test_without_namespaces_several_hosts_are_refused_in_one_line(tmp_path: Path) -> None:
    with sagemaker_in(tmp_path, "--no-namespaces") as driver:
        assert driver.run("one")["TrainingJobStatus"] == "Completed"
        request = driver.request("two", **TWO)
        code, told = refused(driver.sagemaker.create_training_job, **request)
        assert code == "ValidationException"
        assert told == (
            "The local SageMaker does not support several instances where the kernel grants no "
            "mount and UTS namespaces: ask for one instance, or run it as root."
        )
        job = driver.run("linked", "ls -d $SM_CHANNEL_SHARED", **shared("linked"))
        assert job["TrainingJobStatus"] == "Completed"


ALL_REDUCE = """
import socket, torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor([10.0 ** dist.get_rank()])
dist.all_reduce(total)
print(socket.gethostname(), dist.get_rank(), dist.get_world_size(), total.item(), flush=True)
dist.destroy_process_group()
"""


def test_torchrun_adds_up_over_both_hosts(local: Driver) -> None:
    channels = [code(local, "sum.py", ALL_REDUCE)]
    script = (
        "exec torchrun --nnodes=2 --nproc_per_node=1 --master_addr=algo-1 "
        "--master_port=7777 --node_rank=$((${SM_CURRENT_HOST#algo-} - 1)) sum.py"
    )
    with port_of_the_drivers():
        job = local.run("summed", script, InputDataConfig=channels, **TWO)
    assert job["TrainingJobStatus"] == "Completed", local.log("summed")
    assert "algo-1 0 2 11.0" in local.log("summed", "algo-1")
    assert "algo-2 1 2 11.0" in local.log("summed", "algo-2")
