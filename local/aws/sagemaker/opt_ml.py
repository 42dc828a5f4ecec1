"""The directory that a container knows as `/opt/ml`, laid out as SageMaker lays it out."""

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws.sagemaker.cluster import FIRST, channels_of, resource_config, share_of
from local.aws.sagemaker.file_systems import source_of
from local.aws.sagemaker.storage import Location, Storage, TransferError

OPT_ML = "/opt/ml"
FOLDERS = (
    "input/config",
    "input/data",
    "model",
    "output/data",
    "checkpoints",
    "code",
    "home",
)
SOURCE_ARCHIVE = "sourcedir.tar.gz"
# The channel in which SDK v3 sends its own start scripts.
SDK_DRIVERS = "sm_drivers"
# The path itself, in a command or a script, and no other that it is a part of.
_INSIDE = re.compile(r"(?<![\w./-])/opt/ml(?=/|\b)")


@dataclass(frozen=True)
class OptMl:
    """One host's directory."""

    root: Path
    host: str = FIRST

    def path(self, name: str) -> Path:
        return self.root / name

    @property
    def failure(self) -> str:
        """What the training wrote about its own failure, or nothing."""
        file = self.path("output/failure")
        return file.read_text("utf-8", errors="replace").strip() if file.is_file() else ""

    def make(self, request: dict[str, Any]) -> None:
        for folder in FOLDERS:
            self.path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in (
            ("hyperparameters", request.get("HyperParameters", {})),
            ("inputdataconfig", input_data_config(request, self.host)),
            ("resourceconfig", resource_config(request, self.host)),
        ):
            self.path(f"input/config/{name}.json").write_text(json.dumps(content), "utf-8")

    def download(self, request: dict[str, Any], storage: Storage, base: str = OPT_ML) -> None:
        """Fetch the channels and the source; `base` is how the container knows this directory."""
        for channel in channels_of(request, self.host):
            if source_of(channel):
                continue
            source = Location.of(channel["DataSource"]["S3DataSource"]["S3Uri"])
            folder = self.path(f"input/data/{channel['ChannelName']}")
            folder.mkdir(exist_ok=True)
            share = share_of(request, channel, self.host)
            if not storage.download_prefix(source, folder, share):
                raise TransferError(f"No S3 objects found under S3 URL {source}")
        submitted = submitted_source(request)
        if submitted:
            storage.download_prefix(Location.of(submitted), self.path("code"))
        for archive in (self.path("code"), self.path("input/data/code")):
            unpack(archive / SOURCE_ARCHIVE)
        if base != OPT_ML:
            rebase_files(self.path(f"input/data/{SDK_DRIVERS}"), base)


def unpack(archive: Path) -> None:
    if archive.is_file():
        with tarfile.open(archive) as tar:
            tar.extractall(archive.parent, filter="data")


def rebased(text: str, base: str) -> str:
    """Point /opt/ml to where it is when no mount namespace puts it there."""
    return text if base == OPT_ML else _INSIDE.sub(lambda _: base, text)


def rebase_files(folder: Path, base: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".sh", ".py"}:
            path.write_text(rebased(path.read_text("utf-8"), base), "utf-8")


def submitted_source(request: dict[str, Any]) -> str | None:
    """Return where SDK v2 put the user's source: a hyperparameter, in JSON quotes."""
    quoted = request.get("HyperParameters", {}).get("sagemaker_submit_directory")
    return plain(quoted) if quoted else None


def plain(hyperparameter: str) -> str:
    """Undo the JSON quoting that SDK v2 puts around its hyperparameters."""
    try:
        decoded = json.loads(hyperparameter)
    except json.JSONDecodeError:
        return hyperparameter
    return decoded if isinstance(decoded, str) else hyperparameter


def input_data_config(request: dict[str, Any], host: str = FIRST) -> dict[str, Any]:
    mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    return {
        channel["ChannelName"]: {
            "ContentType": channel.get("ContentType", ""),
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": channel["DataSource"]
            .get("S3DataSource", {})
            .get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        for channel in channels_of(request, host)
    }
