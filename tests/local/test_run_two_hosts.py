"""A training on two hosts, each with a disk of its own, loses one and ends as if it had not.

Real frameworks under torchrun in the local SageMaker, the real SDK against the local W&B, and the
local S3: `resilient-run` is process 1 of each host.
"""

import hashlib
import io
import shlex
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from tests.local.local_sagemaker_driver import (
    BUCKET,
    ENDED,
    Driver,
    port_of_the_drivers,
    sagemaker_in,
)
from tests.local.several_hosts import TWO, channel, end_all
from tests.local.wrapped_training import SCRIPTS, TRAINING, Lineage, files_of, until

OUT = "/opt/ml/work/out"
STORE = f"s3://{BUCKET}/checkpoints-of-nights"
HOSTS = ("algo-1", "algo-2")
# The last line of SageMaker's own driver: a static rendezvous, ranks in the order of the hosts.
TORCHRUN = (
    "torchrun --nnodes=2 --nproc_per_node=1 --master_addr=algo-1 --master_port=7777"
    " --node_rank=$((${SM_CURRENT_HOST#algo-} - 1))"
)


@dataclass(frozen=True)
class Framework:
    """A script, and what is known of it.

    Attributes:
        model: Where the first host has the result.
        parts: In any checkpoint of it, what each of the hosts has written.
        hangs_at: The last rank hangs, and all wait for it, after the checkpoint of step `saved`.
    """

    script: str
    options: str
    model: str
    parts: tuple[str, str]
    hangs_at: int
    saved: int


TRAINER = Framework(
    "train_with_trainer.py",
    f"--output_dir {OUT} --save_steps 3 --save_total_limit 2 --max_steps 12"
    " --per_device_train_batch_size 2 --use_cpu true --ddp_backend gloo --disable_tqdm true"
    " --logging_strategy no --report_to none",
    f"{OUT}/model.safetensors",
    ("rng_state_0.pth", "rng_state_1.pth"),
    22,  # samples: the eleventh step has them, and the twelfth is fetched before it
    9,
)
FSDP = Framework(
    "train_with_fsdp.py", OUT, "/opt/ml/work/model.pt", ("__0_0.distcp", "__1_0.distcp"), 10, 8
)


@dataclass(frozen=True)
class Cluster:
    driver: Driver
    wandb: LocalWandb

    def request(self, framework: Framework, *options: str, **environment: str) -> dict[str, Any]:
        """A job on two hosts; with options it is wrapped."""
        train = f"{TORCHRUN} {framework.script} {framework.options}"
        wrapper = f"python -m resilient_training.run --checkpoints {OUT} {shlex.join(options)} --"
        command = f"{wrapper} {train}" if options else train
        keep = f"if [ -e {framework.model} ]; then cp {framework.model} /opt/ml/model/; fi"
        script = f"mkdir -p /opt/ml/work; {command} || exit $?; {keep}"
        prefix = f"code-of-{hashlib.sha256(script.encode()).hexdigest()[:8]}"
        files = {"run.sh": script.encode()}
        files[framework.script] = (SCRIPTS / framework.script).read_bytes()
        for name, content in files.items():
            self.driver.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=content)
        return {
            "script": "bash run.sh",
            "InputDataConfig": [{**channel(prefix), "ChannelName": "code"}],
            "Environment": {
                **self.wandb.environment(Path("/opt/ml/home")),
                "PYTHONPATH": str(TRAINING),
                # Else each process takes all cores, and nothing is the same twice.
                "OMP_NUM_THREADS": "1",
                **environment,
            },
            **TWO,
        }

    def result(self, name: str) -> bytes:
        job = self.driver.until(name)
        logs = "\n".join(self.driver.log(name, host) for host in HOSTS)
        assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{logs}"
        uri = job["ModelArtifacts"]["S3ModelArtifacts"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content = self.driver.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            (file,) = [tar.extractfile(one) for one in tar.getmembers() if one.isfile()]
            assert file is not None
            return file.read()

    def failure(self, name: str, host: str) -> str:
        folder = self.driver.overview(name)["directories"]
        (disk,) = [Path(one) for one in folder if one.endswith(f"-{host}")]
        file = disk / "output" / "failure"
        return file.read_text() if file.exists() else ""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with (
        sagemaker_in(folder / "aws") as driver,
        LocalWandb.start(folder / "wandb") as wandb,
        port_of_the_drivers(),
    ):
        driver.s3.put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        yield Cluster(driver, wandb)
        end_all(driver)


def is_over(cluster: Cluster, name: str) -> bool:
    return cluster.driver.describe(name)["TrainingJobStatus"] in ENDED


@pytest.mark.parametrize(
    "framework",
    [
        pytest.param(TRAINER, id="transformers"),
        pytest.param(FSDP, id="fsdp2-and-dcp", marks=pytest.mark.long),
    ],
)
def test_a_host_is_lost_and_two_fresh_ones_end_with_the_bytes_of_an_unbroken_job(
    framework: Framework, cluster: Cluster
) -> None:
    driver, night = cluster.driver, f"night-{framework.hangs_at}"
    lineage = Lineage(cluster.wandb, "nights", night)
    driver.start(f"{night}-whole", **cluster.request(framework))
    whole = cluster.result(f"{night}-whole")

    hangs = {"HANGS_AT": str(framework.hangs_at), **lineage.environment()}
    driver.start(night, **cluster.request(framework, "--store", STORE, **hangs))
    until(
        lambda: framework.saved in lineage.steps(),
        lambda: driver.log(night) + driver.log(night, "algo-2"),
        lambda: not is_over(cluster, night),
    )
    driver.aws.fault("host-lost", night, host="algo-2")
    reason = driver.until(night)["FailureReason"]
    assert reason.startswith("AlgorithmError: PeerLost: "), driver.log(night)
    assert reason.endswith("(on algo-1), exit code: 1")
    committed = lineage.versions()
    assert committed[-1].step == framework.saved

    pinned = lineage.pinned(committed[-1], night)
    request = cluster.request(framework, "--store", STORE, RESILIENCE_STORE=STORE, **pinned)
    driver.start(f"{night}-r2", **request)
    assert cluster.result(f"{night}-r2") == whole
    for host in HOSTS:
        assert f"resuming from {committed[-1].name} in " in driver.log(f"{night}-r2", host)
    assert_none_is_torn(framework, cluster, lineage)
    assert lineage.versions()[-1].step > framework.saved


def assert_none_is_torn(framework: Framework, cluster: Cluster, lineage: Lineage) -> None:
    """Each version has the parts of both hosts, and their bytes are in the store as they were."""
    for version in lineage.versions():
        files = files_of(lineage, version, cluster.driver.s3)
        assert set(framework.parts) <= set(files)
        assert len(files) == version.metadata["files"]
        assert sum(file.size for file in files.values()) == version.metadata["bytes"]


@pytest.mark.long
def test_of_two_hosts_the_one_whose_process_failed_says_why(cluster: Cluster) -> None:
    lineage = Lineage(cluster.wandb, "nights", "raising")
    raises = {"RAISES_AT": "6", **lineage.environment()}
    cluster.driver.start("raising", **cluster.request(FSDP, "--store", STORE, **raises))
    reason = cluster.driver.until("raising")["FailureReason"]
    assert reason == "AlgorithmError: ValueError: bad batch at step 6 (on algo-2), exit code: 1"
    assert lineage.steps() == [4]
    assert_none_is_torn(FSDP, cluster, lineage)
