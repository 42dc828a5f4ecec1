"""Trainings under `resilient-run`: what they have committed, and what the controller would pin."""

import hashlib
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from local.wandb_server import LocalWandb
from tests.local.training_process import PATIENCE

SCRIPTS = Path(__file__).parent / "scripts"
TRAINING = Path(__file__).parents[2] / "training"
_VERSIONS = """query($project: String!, $collection: String!) {
  project(entityName: "local", name: $project) { artifactCollection(name: $collection) {
    artifacts(first: 100) { edges { node { state digest versionIndex metadata } } } } } }"""


_MANIFESTS = """query($project: String!, $collection: String!) {
  project(entityName: "local", name: $project) { artifactCollection(name: $collection) {
    artifacts(first: 100) { edges { node { versionIndex currentManifest { file { directUrl } } }
    } } } } }"""


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


@dataclass(frozen=True)
class StoredFile:
    size: int
    sha256: str


def files_of(lineage: Lineage, version: Version, s3: BaseClient) -> dict[str, StoredFile]:
    """The files of a version by reference: as the store has them, compared with W&B's manifest."""
    answer = lineage.server.graphql(
        _MANIFESTS, project=lineage.project, collection=f"model-{lineage.run}"
    )
    edges = answer["project"]["artifactCollection"]["artifacts"]["edges"]
    (url,) = [
        edge["node"]["currentManifest"]["file"]["directUrl"]
        for edge in edges
        if f"v{edge['node']['versionIndex']}" == version.name
    ]
    with urllib.request.urlopen(url) as manifest:  # noqa: S310 - of the local server
        contents = json.load(manifest)["contents"]
    references = {path: entry for path, entry in contents.items() if "ref" in entry}
    return {path: _stored(entry, s3) for path, entry in references.items()}


def _stored(entry: dict[str, Any], s3: BaseClient) -> StoredFile:
    bucket, _, key = entry["ref"].removeprefix("s3://").partition("/")
    version = entry["extra"]["versionID"]
    content = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
    found = StoredFile(len(content), hashlib.sha256(content).hexdigest())
    assert found == StoredFile(entry["size"], entry["extra"]["sha256"])
    return found


def until(
    true: Callable[[], bool], log: Callable[[], str], going_on: Callable[[], bool] = lambda: True
) -> None:
    """Wait; fail with the log where it lasts too long, or nothing goes on that could bring it."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert going_on(), log()
        assert time.monotonic() < deadline, log()
        time.sleep(0.1)


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
