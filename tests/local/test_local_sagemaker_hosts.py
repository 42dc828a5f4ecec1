"""A job on several hosts: what each of them is, and what befalls one of them or all."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.local.local_sagemaker_driver import (
    BUCKET,
    Driver,
    alive,
    archive,
    port_of_the_drivers,
    refused,
    sagemaker_in,
    ticks,
)

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    options = ("--stop-grace", "600", "--checkpoint-sync", "0.05")
    with sagemaker_in(tmp_path_factory.mktemp("aws"), *options) as driver:
        yield driver


@pytest.fixture
def local(served: Driver) -> Iterator[Driver]:
    yield served
    for job in served.aws.jobs()["jobs"]:
        if job["status"] == "InProgress":
            with suppress(ValueError):  # it has ended meanwhile
                served.aws.fault("gpu", job["name"])


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


def code(local: Driver, name: str, program: str) -> dict[str, Any]:
    """A channel in which the job finds its program, and runs."""
    prefix = f"code-of-{name}"
    local.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=program.encode())
    return {**channel(prefix), "ChannelName": "code"}


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


def channel(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a source
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/", **more}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


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


def test_the_job_goes_on_until_the_last_host_is_done(local: Driver) -> None:
    local.start("last", on("algo-1", "echo up", f"echo up; {UNTIL_GO}"), **TWO)
    for host in ("algo-1", "algo-2"):
        local.until_said("last", "up", host)
    until(lambda: list(local.overview("last")["hosts"]) == ["algo-2"])
    assert local.describe("last")["SecondaryStatus"] == "Training"
    (disk(local, "last", "algo-2") / "go").touch()
    assert local.until("last")["TrainingJobStatus"] == "Completed"


def test_the_hosts_models_are_one_archive_and_the_first_hosts_file_wins(local: Driver) -> None:
    script = (
        "cd /opt/ml/model; mkdir deep; hostname > deep/$(hostname); hostname > same;"
        "hostname > /opt/ml/output/data/$(hostname)"
    )
    model = local.run("merged", script, **TWO)["ModelArtifacts"]["S3ModelArtifacts"]
    assert archive(local, model) == {
        "deep/algo-1": "algo-1\n",
        "deep/algo-2": "algo-2\n",
        "same": "algo-1\n",
    }
    other = f"s3://{BUCKET}/runs/merged/output/output.tar.gz"
    assert archive(local, other) == {"algo-1": "algo-1\n", "algo-2": "algo-2\n"}


def test_one_hosts_failure_ends_the_job_by_its_own_words(local: Driver) -> None:
    fail = f"{UNTIL_GO}; echo 'ValueError: mine' > /opt/ml/output/failure; exit 3"
    asked = "trap 'echo asked; echo theirs > /opt/ml/output/failure; exit 143' TERM"
    running(local, "failed", on("algo-2", f"echo up; {fail}", f"{asked}; {FOREVER}"))
    (disk(local, "failed", "algo-2") / "go").touch()
    job = local.until("failed")
    assert job["FailureReason"] == "AlgorithmError: ValueError: mine, exit code: 3"
    assert "asked" in local.log("failed", "algo-1")


def test_a_stop_reaches_every_host(local: Driver) -> None:
    script = f"trap 'hostname > /opt/ml/model/$(hostname); exit 143' TERM; {FOREVER}"
    hosts = running(local, "stopped", script)
    local.sagemaker.stop_training_job(TrainingJobName="stopped")
    job = local.until("stopped")
    assert job["SecondaryStatus"] == "Stopped"
    model = archive(local, job["ModelArtifacts"]["S3ModelArtifacts"])
    assert model == {"algo-1": "algo-1\n", "algo-2": "algo-2\n"}
    assert not alive([pid for host in hosts.values() for pid in host["pids"]])


def test_a_sigterm_reaches_every_process_of_every_host(local: Driver) -> None:
    running(local, "termed", f"trap 'echo $(hostname) termed; exit 143' TERM; {FOREVER}")
    local.aws.fault("sigterm", "termed")
    assert local.until("termed")["FailureReason"] == "AlgorithmError: , exit code: 143"
    for host in ("algo-1", "algo-2"):
        assert f"{host} termed" in local.log("termed", host)


def test_a_lost_host_takes_its_processes_and_its_disk(local: Driver) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/lost"}
    fail = f"echo up; {UNTIL_GO}; echo 'PeerLost: algo-2' > /opt/ml/output/failure; exit 1"
    script = on("algo-1", fail, FOREVER)
    hosts = running(local, "lost", script, CheckpointConfig=config)
    assert len(hosts["algo-2"]["pids"]) >= 2
    local.aws.fault("host-lost", "lost", host="algo-2")
    until(lambda: not alive(hosts["algo-2"]["pids"]))
    assert alive([hosts["algo-1"]["pid"]])
    assert local.describe("lost")["SecondaryStatus"] == "Training"
    (disk(local, "lost", "algo-2") / "checkpoints/late").touch()
    (disk(local, "lost", "algo-1") / "checkpoints/kept").touch()
    (disk(local, "lost", "algo-1") / "go").touch()
    job = local.until("lost")
    assert job["FailureReason"] == "AlgorithmError: PeerLost: algo-2, exit code: 1"
    assert keys(local, "checkpoints/lost/") == ["kept"]


def keys(local: Driver, prefix: str) -> list[str]:
    listed = local.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"].removeprefix(prefix) for one in listed.get("Contents", ())]


def test_a_lost_host_that_nobody_misses_is_an_internal_error(local: Driver) -> None:
    running(local, "unmissed", on("algo-1", f"echo up; {UNTIL_GO}", FOREVER))
    local.aws.fault("host-lost", "unmissed")
    (disk(local, "unmissed") / "go").touch()
    job = local.until("unmissed")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", INTERNAL)
    assert "ModelArtifacts" not in job


def test_the_only_host_that_is_lost_is_an_internal_error(local: Driver) -> None:
    local.start("alone", FOREVER)
    local.until_said("alone", "up")
    local.aws.fault("host-lost", "alone")
    assert local.until("alone")["FailureReason"] == INTERNAL


def state(pid: int) -> str:
    """`T` for a stopped process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_frozen_host_stands_still_and_the_others_go_on(local: Driver) -> None:
    hosts = running(local, "frozen", "echo up; while :; do echo x >> /opt/ml/n; sleep 0.05; done")
    local.aws.fault("host-frozen", "frozen", host="algo-2")
    frozen = hosts["algo-2"]["pids"]
    until_stopped(hosts["algo-2"]["pid"])
    still, moves = (disk(local, "frozen", host) / "n" for host in ("algo-2", "algo-1"))
    before, size = still.stat().st_size, moves.stat().st_size
    until(lambda: moves.stat().st_size > size + 20)
    assert still.stat().st_size == before
    assert local.describe("frozen")["SecondaryStatus"] == "Training"
    local.aws.fault("gpu", "frozen")
    assert local.until("frozen")["FailureReason"] == INTERNAL
    assert not alive(frozen)


def test_a_frozen_host_is_killed_after_the_grace_and_leaves_nothing(tmp_path: Path) -> None:
    leave = f"hostname > /opt/ml/output/data/$(hostname); echo up; {UNTIL_GO}; exit 4"
    with sagemaker_in(tmp_path, "--stop-grace", "0.2") as driver:
        hosts = running(driver, "cold", leave)
        driver.aws.fault("host-frozen", "cold", host="algo-1")
        until_stopped(hosts["algo-1"]["pid"])
        (disk(driver, "cold", "algo-2") / "go").touch()
        assert driver.until("cold")["FailureReason"] == "AlgorithmError: , exit code: 4"
        assert not alive(hosts["algo-1"]["pids"])
        other = f"s3://{BUCKET}/runs/cold/output/output.tar.gz"
        assert archive(driver, other) == {"algo-2": "algo-2\n"}


def until_stopped(pid: int) -> None:
    until(lambda: state(pid) == "T")


def test_a_host_that_is_frozen_for_a_while_goes_on(local: Driver) -> None:
    running(local, "thawed", f"echo up; {UNTIL_GO}; echo on")
    local.aws.fault("host-frozen", "thawed", host="algo-2", seconds=0.2)
    for host in ("algo-1", "algo-2"):
        (disk(local, "thawed", host) / "go").touch()
    assert local.until("thawed")["TrainingJobStatus"] == "Completed"
    assert local.log("thawed", "algo-2").endswith("on\n")


def test_a_slow_host_gets_behind_the_others(local: Driver) -> None:
    script = f"echo up; {UNTIL_GO}; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done"
    hosts = running(local, "slow", script)
    local.aws.fault("host-slow", "slow", host="algo-1", speed=0.05)
    until_stopped(hosts["algo-1"]["pid"])
    for host in ("algo-1", "algo-2"):
        (disk(local, "slow", host) / "go").touch()
    local.until_said("slow", "done", "algo-2")
    assert "done" not in local.log("slow", "algo-1")
    assert local.until("slow")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("host-lost", {"host": "algo-3"}, "has no host 'algo-3'; it has algo-1, algo-2"),
        ("host-slow", {"speed": 1}, "speed is a part of the time, between 0 and 1, not 1"),
        ("host-frozen", {"seconds": 0}, "seconds are a number above 0, not 0"),
    ],
)
def test_an_order_that_means_nothing_is_refused(
    local: Driver, kind: str, more: dict[str, Any], told: str
) -> None:
    name = f"ordered-{kind}"
    running(local, name)
    with pytest.raises(ValueError, match=told):
        local.aws.fault(kind, name, **more)


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


def test_what_nobody_knows_of_several_hosts_may_be_the_other_way(tmp_path: Path) -> None:
    options = ("--doubt", "failure-of", "--doubt", "lost-host-noticed")
    with sagemaker_in(tmp_path, *options) as driver:
        running(driver, "noticed")
        driver.aws.fault("host-lost", "noticed")
        assert driver.until("noticed")["FailureReason"] == INTERNAL
        fail = f"{UNTIL_GO}; echo cause > /opt/ml/output/failure; exit 3"
        running(driver, "hidden", on("algo-2", f"echo up; {fail}", FOREVER))
        (disk(driver, "hidden", "algo-2") / "go").touch()
        assert driver.until("hidden")["FailureReason"] == "AlgorithmError: , exit code: 143"


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
        "exec python -m torch.distributed.run --nnodes=2 --nproc_per_node=1 --master_addr=algo-1 "
        "--master_port=7777 --node_rank=$((${SM_CURRENT_HOST#algo-} - 1)) sum.py"
    )
    with port_of_the_drivers():
        job = local.run("summed", script, InputDataConfig=channels, **TWO)
    assert job["TrainingJobStatus"] == "Completed", local.log("summed")
    assert "algo-1 0 2 11.0" in local.log("summed", "algo-1")
    assert "algo-2 1 2 11.0" in local.log("summed", "algo-2")
