"""W&B's versions of a collection, in memory."""

from collections.abc import Iterator
from dataclasses import replace

from resilience.decide.decisions import Checkpoint, CheckpointRequest, Lookup, Upload
from resilience.decide.stores import NoStore, Store
from resilience.ports import Answer


class InMemoryWandb:
    """Fulfils ports.Checkpoints; `asked` is every question that came."""

    def __init__(self) -> None:
        self.lookup = Lookup.FOUND
        self.asked: list[CheckpointRequest] = []
        self._projects: set[tuple[str, str]] = set()
        self._beats: dict[tuple[str, str, str], int | None] = {}
        self._versions: dict[tuple[str, str, str], list[Checkpoint]] = {}

    def newest(self, request: CheckpointRequest) -> Answer:
        self.asked.append(request)
        if self.lookup is not Lookup.FOUND:
            return Answer(self.lookup)
        if (request.entity, request.project) not in self._projects:
            return Answer(Lookup.FOUND, project_exists=False)
        versions = self.versions(request)
        own = [one for one in reversed(versions or []) if one.run in request.runs]
        return Answer(
            Lookup.FOUND,
            tuple(one for one in own if one.committed),
            elsewhere=tuple(self._elsewhere(request)),
            foreign=sum(one.run not in request.runs for one in versions or [] if one.committed),
            pending=tuple(Upload(one.number, one.job) for one in own if not one.committed),
            heartbeat_at=max(self._beats_of(request), default=None),
        )

    def _beats_of(self, request: CheckpointRequest) -> Iterator[int]:
        for run in request.runs:
            beat = self._beats.get((request.entity, request.project, run))
            if beat is not None:
                yield beat

    def beat(self, request: CheckpointRequest, run: str, at: int | None) -> None:
        """Have a client write to a run at that time, and go on; None: it says that it ends."""
        self.have_project(request.entity, request.project)
        self._beats[request.entity, request.project, run] = at

    def _elsewhere(self, request: CheckpointRequest) -> Iterator[str]:
        for place, versions in self._versions.items():
            is_other = place[:2] == _place(request)[:2] and place[2] != request.collection
            if is_other and any(one.committed and one.run in request.runs for one in versions):
                yield place[2]

    def versions(self, request: CheckpointRequest) -> tuple[Checkpoint, ...] | None:
        """All versions of the collection, whoever made them, oldest first; None: there is none."""
        versions = self._versions.get(_place(request))
        return None if versions is None else tuple(versions)

    def have_project(self, entity: str, project: str) -> None:
        self._projects.add((entity, project))

    def hide_project(self, entity: str, project: str) -> None:
        """Have the key no longer see the project."""
        self._projects.discard((entity, project))

    def drop(self, request: CheckpointRequest) -> None:
        """Have a collection deleted."""
        self._versions.pop(_place(request), None)

    def add(self, request: CheckpointRequest, *checkpoints: Checkpoint) -> None:
        """Have these versions, oldest first, as they are."""
        self.have_project(request.entity, request.project)
        self._versions.setdefault(_place(request), []).extend(checkpoints)

    def end_upload(self, request: CheckpointRequest, version: str) -> None:
        """Have a version that was pending committed."""
        versions = self._versions[_place(request)]
        versions[:] = [
            replace(one, committed=True) if one.version == version else one for one in versions
        ]

    def keep_newest(self, request: CheckpointRequest, most: int) -> None:
        """Have no more than so many versions; a number is never given again."""
        del self._versions[_place(request)][:-most]

    def commit(
        self,
        request: CheckpointRequest,
        *,
        step: int | None,
        run: str,
        job: str | None = None,
        store: Store | NoStore | None = None,
    ) -> Checkpoint:
        """Commit the next version; `latest` moves to it."""
        versions = self._versions.setdefault(_place(request), [])
        older = [
            replace(one, aliases=tuple(a for a in one.aliases if a != "latest")) for one in versions
        ]
        version = f"v{versions[-1].number + 1 if versions else 0}"
        made = Checkpoint(
            version=version,
            step=step,
            digest=f"digest-of-{request.collection}-{version}",
            run=run,
            committed=True,
            aliases=("latest", version),
            job=job,
            store=store,
        )
        versions[:] = older
        self.add(request, made)
        return made


def _place(request: CheckpointRequest) -> tuple[str, str, str]:
    return request.entity, request.project, request.collection
