"""Trainings under `resilient-run`: what they have committed, and what the controller would pin."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.wandb_server import LocalWandb

SCRIPTS = Path(__file__).parent / "scripts"
TRAINING = Path(__file__).parents[2] / "training"
_VERSIONS = """query($project: String!, $collection: String!) {
  project(entityName: "local", name: $project) { artifactCollection(name: $collection) {
    artifacts(first: 100) { edges { node { state digest versionIndex metadata } } } } } }"""


@dataclass(frozen=True)
class Version:
    name: str
    digest: str
    metadata: dict[str, Any]

    @property
    def step(self) -> int:
        step: int = self.metadata["step"]
        return step


@dataclass(frozen=True)
class Lineage:
    """The checkpoints of one W&B run."""

    server: LocalWandb
    project: str
    run: str

    @property
    def collection(self) -> str:
        return f"local/{self.project}/model-{self.run}"

    def versions(self) -> list[Version]:
        """The COMMITTED ones, the oldest first."""
        answer = self.server.graphql(
            _VERSIONS, project=self.project, collection=f"model-{self.run}"
        )
        collection = (answer["project"] or {}).get("artifactCollection")
        edges = collection["artifacts"]["edges"] if collection else []
        nodes = [edge["node"] for edge in edges if edge["node"]["state"] == "COMMITTED"]
        found = [
            Version(f"v{node['versionIndex']}", node["digest"], json.loads(node["metadata"]))
            for node in nodes
        ]
        return sorted(found, key=lambda version: int(version.name[1:]))

    def steps(self) -> list[int]:
        return [version.step for version in self.versions()]

    def environment(self) -> dict[str, str]:
        return {"WANDB_PROJECT": self.project, "WANDB_RUN_ID": self.run, "WANDB_RESUME": "allow"}

    def pinned(self, version: Version, root: str = "night") -> dict[str, str]:
        """What the controller sets on the successor of a first attempt."""
        return {
            **self.environment(),
            "RESILIENCE_ROOT": root,
            "RESILIENCE_ATTEMPT": "2",
            "RESILIENCE_COLLECTION": self.collection,
            "RESILIENCE_CHECKPOINT": f"{self.collection}:{version.name}",
            "RESILIENCE_CHECKPOINT_DIGEST": version.digest,
            "RESILIENCE_CHECKPOINT_STEP": str(version.step),
        }


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
