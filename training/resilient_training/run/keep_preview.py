"""What `--keep N --dry-run` prints: what would stay of what is in W&B now, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wandb

from resilient_training.checkpoints.metadata import collection_name
from resilient_training.run.lineage_versions import LineageVersions
from resilient_training.run.restore import AWAY
from resilient_training.run.retention import is_good, reasons
from resilient_training.run.run_of_checkpoints import Lineage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resilient_training.job import Job
    from resilient_training.run.retention import Listed


def preview_kept(
    keep: int, job: Job, run_id: str | None, environment: Mapping[str, str]
) -> Iterator[str]:
    """The lines, the newest version first. Nothing is changed anywhere."""
    if run_id is None:
        yield "nothing would be deleted: there is no WANDB_RUN_ID, so the run is new"
        return
    try:
        lineage = _lineage(job, run_id, environment)
        versions = LineageVersions(lineage, collection_name(run_id, job.collection)).look().versions
    except (*AWAY, ValueError) as error:
        yield f"what would be deleted is not known: {' '.join(str(error).split())}"
        return
    yield from lines_of(versions, job, keep)


def lines_of(versions: Sequence[Listed], job: Job, keep: int) -> Iterator[str]:
    """As whoever makes the newest good version would decide right after its commit."""
    ranked = sorted(versions, key=lambda one: one.rank, reverse=True)
    newest = next((one for one in ranked if is_good(one, job)), None)
    made = [] if newest is None else [newest.name]
    stays = reasons(ranked, job, keep, made)
    for one in ranked:
        why = stays.get(one.name)
        what = "would be deleted" if why is None else f"stays: {why}"
        yield f"{one.name} (step {one.version.step}) {what}"


def _lineage(job: Job, run_id: str, environment: Mapping[str, str]) -> Lineage:
    place = job.collection
    entity, project = place.split("/")[:2] if place is not None else (None, None)
    return Lineage(
        entity or environment.get("WANDB_ENTITY") or wandb.Api().default_entity or "",
        project or environment.get("WANDB_PROJECT") or "uncategorized",
        run_id,
    )
