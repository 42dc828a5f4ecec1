"""A job on several hosts: what befalls one of them or all, and how the job ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.local_sagemaker_driver import (
    BUCKET,
    Driver,
    alive,
    archive,
    port_of_the_drivers,
    sagemaker_in,
)
from tests.local.several_hosts import (
    FOREVER,
    TWO,
    UNTIL_GO,
    code,
    disk,
    end_all,
    keys,
    on,
    running,
    until,
    until_stopped,
)

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    options = ("--stop-grace", "600", "--checkpoint-sync", "0.05")
    with sagemaker_in(tmp_path_factory.mktemp("aws"), *options) as driver:
        yield driver


@pytest.fixture
def local(served: Driver) -> Iterator[Driver]:
    yield served
    end_all(served)


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


WITHOUT_END = """
import datetime, time, torch, torch.distributed as dist
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=10))
while True:
    dist.all_reduce(torch.ones(1))
    print("up", flush=True)
    time.sleep(0.05)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "seen"), [("host-lost", "by peer"), ("host-frozen", "Timed out waiting 10000ms")]
)
def test_torchruns_other_host_sees_that_one_is_gone(local: Driver, kind: str, seen: str) -> None:
    """A lost host is seen at once, a frozen one when the process group's time is over."""
    script = (
        "exec torchrun --nnodes=2 --nproc_per_node=1 --master_addr=algo-1 "
        "--master_port=7777 --node_rank=$((${SM_CURRENT_HOST#algo-} - 1)) loop.py"
    )
    name, channels = f"torchrun-{kind}", [code(local, "loop.py", WITHOUT_END)]
    with port_of_the_drivers():
        running(local, name, script, InputDataConfig=channels)
        local.aws.fault(kind, name, host="algo-2")
        local.until_said(name, seen)
        if kind == "host-frozen":  # its job would wait for the grace of the frozen host
            local.aws.fault("host-lost", name, host="algo-2")
        job = local.until(name)
    assert job["FailureReason"] == "AlgorithmError: , exit code: 1"
