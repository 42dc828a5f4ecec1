"""`resilient-run` with folders in the place of W&B, its store and a table of layouts.

A checkpoint is a folder `step-N` with a file `complete`. Below the folder FAKES: `committed/` is
W&B, `pinned/step-N` what is restored, `marks` the job's completion mark. These files change it:
`away` W&B takes nothing; `hangs` a commit never ends; `stopped` a person has stopped the run;
`unusable` its text is why the pinned version cannot be restored.
"""

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from resilient_training.job import CheckpointLoadError
from resilient_training.run.command import Settled, main
from resilient_training.run.limits import Limits
from resilient_training.run.ports import Committed, NotCommitted, Parts, RunSeen, Snapshot
from resilient_training.run.resume_arguments import words_for
from resilient_training.run.stops import Stops


@dataclass(frozen=True)
class Copy:
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def step(self) -> int:
        return int(self.name.removeprefix("step-"))

    @property
    def layout(self) -> str:
        return "folders"

    @property
    def files(self) -> Mapping[str, int]:
        return {one.name: one.stat().st_size for one in self.folder.iterdir()}

    @property
    def elsewhere(self) -> Mapping[str, int | None]:
        return {}

    def change(self) -> str | None:
        return None

    def remove(self) -> None:
        shutil.rmtree(self.folder)


@dataclass(frozen=True)
class Restored:
    version: str
    folder: Path


@dataclass(frozen=True)
class Folders:
    fakes: Path
    checkpoints: Path

    @cached_property
    def _seen(self) -> set[str]:
        return set()

    def found(self, *, final: bool = False) -> Sequence[Snapshot]:
        assert isinstance(final, bool)
        complete = sorted(self.checkpoints.glob("step-*/complete"), key=lambda one: one.parent.name)
        new = [one.parent for one in complete if one.parent.name not in self._seen]
        self._seen.update(one.name for one in new)
        return [self._copy(one) for one in new]

    def _copy(self, folder: Path) -> Copy:
        return Copy(Path(shutil.copytree(folder, self.fakes / "snapshots" / folder.name)))

    def tidy(self) -> list[str]:
        partial = [
            one for one in self.checkpoints.glob("step-*") if not (one / "complete").exists()
        ]
        for folder in partial:
            folder.rename(folder.with_name(f".aside-{folder.name}"))
        return [folder.name for folder in partial]

    def restore(self) -> Restored | None:
        if (self.fakes / "unusable").exists():
            raise CheckpointLoadError("v3", (self.fakes / "unusable").read_text())
        for pinned in (self.fakes / "pinned").glob("step-*"):
            shutil.copytree(pinned, self.checkpoints / pinned.name)
            self._seen.add(pinned.name)
            return Restored("v3", self.checkpoints / pinned.name)
        return None

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        assert isinstance(snapshot, Copy)
        if (self.fakes / "hangs").exists():
            threading.Event().wait()
        if (self.fakes / "away").exists():
            return NotCommitted("W&B is away")
        shutil.copytree(snapshot.folder, self.fakes / "committed" / snapshot.name)
        return Committed(f"v{snapshot.step}")

    def moved(self) -> object:
        return None

    def close(self) -> None:
        (self.fakes / "closed").touch()

    def look(self) -> RunSeen | None:
        return RunSeen((self.fakes / "stopped").exists(), running=True, rows=None)

    def begun(self) -> None:
        self._mark("no")

    def completed(self) -> None:
        self._mark("yes")

    def _mark(self, value: str) -> None:
        with (self.fakes / "marks").open("a") as marks:
            marks.write(f"{value}\n")


@dataclass(frozen=True)
class FolderWiring:
    fakes: Path
    layouts: tuple[str, ...] = ("folders",)

    def parts(self, settled: Settled, stops: Stops) -> Parts:
        assert isinstance(stops, Stops)
        folders = Folders(self.fakes, settled.options.checkpoints)
        template = settled.options.resume_arguments or ""
        return Parts(
            watch=folders,
            tidy=folders.tidy,
            restore=folders.restore,
            delivery=folders,
            resume_arguments=lambda folder: words_for(template, folder),
            lineage=folders,
            marks=folders,
        )


if __name__ == "__main__":
    LIMITS = Limits(leader=3.0, sigterm=6.0, close_late=1.0, still=3.0, peer=0.5, look=0.2)
    os._exit(main(sys.argv[1:], FolderWiring(Path(os.environ["FAKES"])), LIMITS))
