"""What a container runs, and the environment it runs in: a pure function of the job."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws.sagemaker import cluster
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.opt_ml import OPT_ML, OptMl, plain, rebased
from local.aws.sagemaker.sessions import Credentials
from local.aws.sagemaker.settings import Settings

DEFAULT_PROGRAM = "train.py"


@dataclass(frozen=True)
class Command:
    argv: list[str]
    environment: dict[str, str]
    cwd: str
    toolkit: bool


def command_of(
    job: TrainingJob, disk: OptMl, base: str, credentials: Credentials, settings: Settings
) -> Command:
    """Compose the command; `base` is the path by which the container knows its directory."""
    algorithm = job.request["AlgorithmSpecification"]
    entrypoint = algorithm.get("ContainerEntrypoint")
    arguments = algorithm.get("ContainerArguments", [])
    code = "input/data/code" if disk.path("input/data/code").is_dir() else "code"
    argv = [rebased(word, base) for word in (*(entrypoint or ()), *arguments)]
    return Command(
        argv=argv if entrypoint else [*default_program(job.request), *argv],
        environment={
            **environment_of(job, disk.root, credentials, settings),
            **toolkit_variables(job, disk.host, base, code),
            **job.request.get("Environment", {}),  # what the user says wins
        },
        cwd=str(disk.path(code)) if base != OPT_ML else f"{OPT_ML}/{code}",
        toolkit=not entrypoint,
    )


def default_program(request: dict[str, Any]) -> list[str]:
    """Run the script as the SageMaker training toolkit does: hyperparameters as arguments."""
    given = request.get("HyperParameters", {})
    argv = ["python", plain(given.get("sagemaker_program", DEFAULT_PROGRAM))]
    for name, value in given.items():
        if not name.startswith("sagemaker_"):
            argv += [f"--{name}", plain(value)]
    return argv


def environment_of(
    job: TrainingJob, root: Path, credentials: Credentials, settings: Settings
) -> dict[str, str]:
    """Nothing of the server's own environment goes in but the way to its interpreter."""
    directory = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([directory, "/usr/local/bin", os.defpath]),
        "HOME": str(root / "home"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "SAGEMAKER_BASE_DIR": str(root),
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "SAGEMAKER_REGION": job.place.region,
        "AWS_REGION": job.place.region,
        "AWS_DEFAULT_REGION": job.place.region,
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token,
    }


def toolkit_variables(job: TrainingJob, host: str, base: str, code: str) -> dict[str, str]:
    """Give the SM_* variables of the SageMaker training toolkit."""
    given = {
        name: plain(value)
        for name, value in job.request.get("HyperParameters", {}).items()
        if not name.startswith("sagemaker_")
    }
    channels = [one["ChannelName"] for one in cluster.channels_of(job.request, host)]
    return {
        "SM_MODEL_DIR": f"{base}/model",
        "SM_OUTPUT_DIR": f"{base}/output",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_INPUT_CONFIG_DIR": f"{base}/input/config",
        "SM_MODULE_DIR": f"{base}/{code}",
        "SM_CHANNELS": json.dumps(channels),
        **{f"SM_CHANNEL_{name.upper()}": f"{base}/input/data/{name}" for name in channels},
        "SM_HPS": json.dumps(given),
        **{f"SM_HP_{name.upper()}": value for name, value in given.items()},
        **cluster.toolkit_variables(job.request, host),
        "SM_NUM_GPUS": "0",
        "SM_NUM_CPUS": str(os.cpu_count() or 1),
    }
