"""What a training leaves in S3: its model, and its other output."""

from functools import partial
from pathlib import Path

from local.aws.sagemaker.ends import End
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.opt_ml import OptMl
from local.aws.sagemaker.storage import Location, Storage


def send(job: TrainingJob, disk: OptMl, storage: Storage, end: End, scratch: Path) -> str | None:
    """Upload; the model's address, or None for a failed job, which leaves no model."""
    config = job.request["OutputDataConfig"]
    output = Location.of(config["S3OutputPath"]).below(f"{job.name}/output")
    packed = config.get("CompressionType", "GZIP") == "GZIP"
    send_folder = partial(_packed, scratch=scratch) if packed else _one_by_one
    if any(disk.path("output/data").iterdir()):
        send_folder(disk.path("output/data"), output.below("output"), storage)
    if end.secondary == "Failed":
        return None
    return send_folder(disk.path("model"), output.below("model"), storage)


def _packed(folder: Path, target: Location, storage: Storage, scratch: Path) -> str:
    archive = Location(target.bucket, f"{target.key}.tar.gz")
    storage.upload_archive(folder, archive, scratch)
    return str(archive)


def _one_by_one(folder: Path, target: Location, storage: Storage) -> str:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            storage.upload(file, target.below(str(file.relative_to(folder))))
    return f"{target}/"
