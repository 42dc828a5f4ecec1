"""What a training leaves in S3: its model, and its other output.

Of several hosts one archive is made: "If multiple containers in a single training job write to
this directory they should ensure no file/directory names clash. SageMaker aggregates the result in
a TAR file and uploads to S3 at the end of the training job"
(docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html). Where names
clash all the same, AWS promises nothing; here the first host's file is the one.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from local.aws.sagemaker.ends import End
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.opt_ml import OptMl
from local.aws.sagemaker.storage import Location, Storage


def send(
    job: TrainingJob, disks: Sequence[OptMl], storage: Storage, end: End, scratch: Path
) -> str | None:
    """Upload; the model's address, or None for a failed job, which leaves no model."""
    config = job.request["OutputDataConfig"]
    output = Location.of(config["S3OutputPath"]).below(f"{job.name}/output")
    packed = config.get("CompressionType", "GZIP") == "GZIP"
    send_folders = partial(_packed, scratch=scratch) if packed else _one_by_one
    other = [disk.path("output/data") for disk in disks]
    if any(any(folder.iterdir()) for folder in other):
        send_folders(other, output.below("output"), storage)
    if end.secondary == "Failed":
        return None
    return send_folders([disk.path("model") for disk in disks], output.below("model"), storage)


def _packed(folders: Sequence[Path], target: Location, storage: Storage, scratch: Path) -> str:
    archive = Location(target.bucket, f"{target.key}.tar.gz")
    storage.upload_archive(folders, archive, scratch)
    return str(archive)


def _one_by_one(folders: Sequence[Path], target: Location, storage: Storage) -> str:
    files = {
        str(file.relative_to(folder)): file
        for folder in reversed(folders)
        for file in folder.rglob("*")
        if file.is_file()
    }
    for name in sorted(files):
        storage.upload(files[name], target.below(name))
    return f"{target}/"
