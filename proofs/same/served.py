"""Trainings on the real SDK and a W&B server: its history is what is compared, and the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proofs.same.forking import Fork

if TYPE_CHECKING:
    from pathlib import Path

    from local.wandb_server import LocalWandb
    from resilient_training.check.plan import Plan
    from resilient_training.check.trial import Ended

_PROJECT = "same"
_HISTORY = """query($project: String!, $run: String!) {
  project(entityName: "local", name: $project) { run(name: $run) { history } } }"""


@dataclass(frozen=True)
class Served:
    """Starts a process of a training whose run is on the server, one run for all its processes."""

    variant: str
    seconds: float
    server: LocalWandb

    def __call__(self, plan: Plan, folder: Path, log: Path) -> Ended:
        run = f"{self.variant.replace('/', '-')}-{plan.folder.name}"
        environment = {
            **self.server.environment(folder),
            "WANDB_MODE": "online",
            "WANDB_RUN_ID": run,
            "WANDB_RESUME": "allow",
        }
        ended = Fork(self.variant, self.seconds, environment=environment)(plan, folder, log)
        (plan.folder / "rows.jsonl").write_text("".join(f"{row}\n" for row in self._rows(run)))
        return ended

    def _rows(self, run: str) -> list[str]:
        answer = self.server.graphql(_HISTORY, project=_PROJECT, run=run)
        found = (answer["project"] or {}).get("run") or {"history": []}
        return [json.dumps(json.loads(row)) for row in found["history"]]
