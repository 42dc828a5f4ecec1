"""W&B's versions of a collection, in memory."""

from dataclasses import replace
from itertools import islice

from resilience.decisions import Checkpoint, CheckpointRequest, Lookup
from resilience.ports import Answer

_MOST_VERSIONS = 100


class InMemoryWandb:
    """Fulfils ports.Checkpoints; `asked` is every question that came."""

    def __init__(self) -> None:
        self.lookup = Lookup.FOUND
        self.asked: list[CheckpointRequest] = []
        self._projects: set[tuple[str, str]] = set()
        self._versions: dict[tuple[str, str, str], list[Checkpoint]] = {}

    def newest(self, request: CheckpointRequest) -> Answer:
        self.asked.append(request)
        if self.lookup is not Lookup.FOUND:
            return Answer(self.lookup)
        if (request.entity, request.project) not in self._projects:
            return Answer(Lookup.FOUND, project_exists=False)
        versions = self._versions.get(_place(request), [])
        committed = (one for one in reversed(versions) if one.committed)
        return Answer(Lookup.FOUND, tuple(islice(committed, _MOST_VERSIONS)))

    def have_project(self, entity: str, project: str) -> None:
        self._projects.add((entity, project))

    def add(self, request: CheckpointRequest, *checkpoints: Checkpoint) -> None:
        """Have these versions, oldest first, as they are."""
        self.have_project(request.entity, request.project)
        self._versions.setdefault(_place(request), []).extend(checkpoints)

    def commit(self, request: CheckpointRequest, *, step: int | None, run: str) -> Checkpoint:
        """Commit the next version; `latest` moves to it."""
        versions = self._versions.setdefault(_place(request), [])
        older = [
            replace(one, aliases=tuple(a for a in one.aliases if a != "latest")) for one in versions
        ]
        version = f"v{len(versions)}"
        made = Checkpoint(
            version=version,
            step=step,
            digest=f"digest-of-{request.collection}-{version}",
            run=run,
            committed=True,
            aliases=("latest", version),
        )
        versions[:] = older
        self.add(request, made)
        return made


def _place(request: CheckpointRequest) -> tuple[str, str, str]:
    return request.entity, request.project, request.collection
