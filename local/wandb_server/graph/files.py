"""Type File: of a run, of an artifact version, or a manifest; to be read or to be written."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from posixpath import normpath
from typing import TYPE_CHECKING

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import ids
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.graph.times import timestamp
from local.wandb_server.store.blobs import base64_md5

if TYPE_CHECKING:
    from local.wandb_server.store.records import ArtifactFile, RunFile
    from local.wandb_server.workspace import Workspace


def artifact_key(md5: str) -> str:
    """Artifact files are kept by content, so the same bytes are stored and sent once."""
    return f"artifacts/{md5[:2]}/{md5}"


def manifest_key(manifest_id: int) -> str:
    return f"manifests/{manifest_id}"


def run_file_key(run_id: int, name: str) -> str:
    return f"runs/{run_id}/{name}"


@dataclass(frozen=True)
class FileNode:
    workspace: Workspace
    id: str
    name: str
    key: str
    size_bytes: int = 0
    md5_hex: str | None = None
    updated: float | None = None
    reference: str | None = None
    uploadable: bool = False
    artifact_id: int | None = None
    upload_multipart_urls: dict[str, object] | None = None
    typename = "File"

    @property
    def display_name(self) -> str:
        return self.name

    @property
    def storage_path(self) -> str:
        return self.key

    def direct_url(self) -> str:
        return self.reference or self.workspace.read_address(self.key)

    def url(self, *, upload: bool | None = None) -> str:
        return self.workspace.write_address(self.key) if upload else self.direct_url()

    def upload_url(self) -> str | None:
        """Null says that these bytes are here already."""
        return self.workspace.write_address(self.key) if self.uploadable else None

    def upload_headers(self) -> list[str]:
        return []

    def mimetype(self) -> str | None:
        return mimetypes.guess_type(self.name)[0]

    def md5(self) -> str | None:
        return None if self.md5_hex is None else base64_md5(self.md5_hex)

    digest = md5

    def updated_at(self) -> str | None:
        return None if self.updated is None else timestamp(self.updated)

    created_at = updated_at

    def artifact(self) -> artifact_nodes.ArtifactNode | None:
        if self.artifact_id is None:
            return None
        return artifact_nodes.ArtifactNode.by_id(self.workspace, self.artifact_id)


def run_file_node(workspace: Workspace, row: RunFile) -> FileNode:
    return FileNode(
        workspace,
        id=ids.encode("File", row.id),
        name=row.name,
        key=run_file_key(row.run_id, row.name),
        size_bytes=row.size,
        md5_hex=row.md5,
        updated=row.updated_at,
    )


def artifact_file_node(workspace: Workspace, row: ArtifactFile) -> FileNode:
    return FileNode(
        workspace,
        id=ids.encode("ArtifactFile", row.id),
        name=row.name,
        key=artifact_key(row.md5 or ""),
        size_bytes=row.size,
        md5_hex=row.md5,
        reference=row.reference,
        artifact_id=row.artifact_id,
    )


def _like(pattern: str) -> re.Pattern[str]:
    """SQL's LIKE, in which the SDK writes patterns of file names."""
    wild = {"%": ".*", "_": "."}
    return re.compile(
        "".join(wild.get(letter) or re.escape(letter) for letter in pattern), re.DOTALL
    )


def connect_run_files(
    workspace: Workspace,
    rows: list[RunFile],
    names: list[str] | None,
    pattern: str | None,
    page: Page,
) -> dict[str, object]:
    if names:
        # The SDK saves "./name" as "name", and its own check of servers asks for "./name".
        wanted = set(map(normpath, names))
        rows = [row for row in rows if row.name in wanted]
    elif pattern:
        like = _like(pattern)
        rows = [row for row in rows if like.fullmatch(row.name)]
    return connect(rows, page, lambda row: run_file_node(workspace, row))


def connect_artifact_files(
    workspace: Workspace, rows: list[ArtifactFile], names: list[str] | None, page: Page
) -> dict[str, object]:
    if names:
        rows = [row for row in rows if row.name in names]
    return connect(rows, page, lambda row: artifact_file_node(workspace, row))
