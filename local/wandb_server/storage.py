"""Uploads and downloads by signed address, and the older address of a run's files."""

import mimetypes
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from local.wandb_server.faults import Faults
from local.wandb_server.gate import error_response
from local.wandb_server.graph.files import run_file_key
from local.wandb_server.signing import READ, WRITE
from local.wandb_server.store import run_files, runs
from local.wandb_server.store.blobs import WrongDigestError
from local.wandb_server.store.projects import find_project
from local.wandb_server.store.records import Run
from local.wandb_server.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

# What somebody stored is no page of ours: opened in a browser it is saved, and runs nothing.
AS_A_FILE = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Storage:
    def __init__(self, workspace: Workspace, faults: Faults) -> None:
        self._workspace = workspace
        self._faults = faults

    async def exchange(self, request: Request) -> Response:
        """GET or PUT, for whoever holds the address."""
        key = request.path_params["key"]
        method = READ if request.method == "HEAD" else request.method
        query = request.query_params
        expires, signature = query.get("expires", ""), query.get("signature", "")
        now = self._workspace.clock()
        if not self._workspace.signer.allows(key, method, expires, signature, now):
            return error_response(403, "this address is not signed for this, or has expired")
        return await self._receive(request, key) if method == WRITE else self._send(key)

    def _send(self, key: str) -> Response:
        if not self._workspace.blobs.has(key):
            return error_response(404, "no such file")
        media_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
        return FileResponse(self._workspace.blobs.path(key), 200, AS_A_FILE, media_type)

    async def _receive(self, request: Request, key: str) -> Response:
        kind, _, rest = key.partition("/")
        announced = rest.rpartition("/")[2] if kind == "artifacts" else None
        body: AsyncIterable[bytes] = request.stream()
        if hasattr(request.state, "bytes_per_second"):
            body = self._faults.trickle(body, request.state.bytes_per_second)
        try:
            received = await self._workspace.blobs.receive(key, body, announced)
        except WrongDigestError as error:
            return error_response(400, f"BadDigest: {error}")
        except ClientDisconnect:
            return Response(status_code=499)
        if kind == "runs":
            run_id, _, name = rest.partition("/")
            run_files.save_run_file(
                self._workspace.database, int(run_id), name, received, self._workspace.clock()
            )
        return Response(headers={"ETag": f'"{received.md5}"'})

    async def run_file(self, request: Request) -> Response:
        """GET /files/{entity}/{project}/{run}/{name}: the address of a file that people know."""
        run = find_run_of(self._workspace, request)
        if run is None:
            return error_response(404, "run not found")
        return self._send(run_file_key(run.id, request.path_params["name"]))


def find_run_of(workspace: Workspace, request: Request) -> Run | None:
    """The run a path names by entity, project and run."""
    path = request.path_params
    project = find_project(workspace.database, path["entity"], path["project"])
    if project is None:
        return None
    return runs.find_run(workspace.database, project.id, path["run"])
