"""One attempt's hosts before they run: each has a disk, a log and a name of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.aws.sagemaker.checkpoints import Checkpoints
from local.aws.sagemaker.cluster import FIRST, hosts_file
from local.aws.sagemaker.containers import HOSTS_FILE, World
from local.aws.sagemaker.file_systems import attach
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.opt_ml import OPT_ML, OptMl
from local.aws.sagemaker.settings import Settings
from local.aws.sagemaker.storage import Location, Storage
from local.isolation import Mount, Placement

DEFAULT_CHECKPOINTS = f"{OPT_ML}/checkpoints"


@dataclass(frozen=True)
class Host:
    disk: OptMl
    log: Path
    placement: Placement
    checkpoints: Checkpoints | None

    @property
    def name(self) -> str:
        return self.disk.host

    def download(self, job: TrainingJob, storage: Storage, base: str) -> None:
        """Fetch what the container finds at its start; raises TransferError."""
        self.disk.download(job.request, storage, base)
        if self.checkpoints:
            self.checkpoints.restore()


@dataclass(frozen=True)
class Preparation:
    """What the hosts of every attempt of a job are made from."""

    job: TrainingJob
    folder: Path
    settings: Settings
    world: World

    def hosts(self, storage: Storage, attempt: int) -> Iterator[Host]:
        for name in self.job.cluster.hosts:
            yield self._host(name, storage, attempt)

    def _host(self, name: str, storage: Storage, attempt: int) -> Host:
        several = self.job.cluster.is_several
        disk = OptMl(self.folder / f"opt-ml-{attempt}{f'-{name}' if several else ''}", name)
        disk.make(self.job.request)
        self.job.directories.append(str(disk.root))
        log = self.folder / ("log.txt" if name == FIRST else f"log-{name}.txt")
        return Host(disk, log, self._placement(disk), self._checkpoints(disk, storage))

    def _placement(self, disk: OptMl) -> Placement:
        mounts = attach(
            self.job.request,
            disk.host,
            disk.root,
            self.settings.data,
            mounts=self.world.isolation.mount,
        )
        if not self.job.cluster.is_several:
            return Placement(mounts=mounts)
        # A file for each host: one that edits its own must not edit another's.
        names = self.folder / f"hosts-{disk.host}"
        of_this_machine = Path(HOSTS_FILE).read_text("utf-8", errors="replace")
        names.write_text(hosts_file(self.job.cluster, of_this_machine), "utf-8")
        return Placement(disk.host, (Mount(str(names), HOSTS_FILE), *mounts))

    def _checkpoints(self, disk: OptMl, storage: Storage) -> Checkpoints | None:
        config = self.job.request.get("CheckpointConfig")
        if not config:
            return None
        below = config.get("LocalPath", DEFAULT_CHECKPOINTS)[len(OPT_ML) + 1 :]
        location, every = Location.of(config["S3Uri"]), self.settings.checkpoint_sync
        return Checkpoints(storage, disk.root / below, location, every)
