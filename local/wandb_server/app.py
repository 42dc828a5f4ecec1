"""The routes of the server."""

import asyncio
import json
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.door import Door
from local.wandb_server.doorkeeper import Doorkeeper
from local.wandb_server.faults import Faults, InvalidFaultError
from local.wandb_server.file_stream import MalformedPostError, apply_post, parse_post
from local.wandb_server.gate import Gate, error_response, unauthorized
from local.wandb_server.graph.execution import prepare, run
from local.wandb_server.pages.routes import Pages
from local.wandb_server.storage import Storage, find_run_of
from local.wandb_server.workspace import Workspace

# Joining the parts of a file of gigabytes takes seconds, in which heartbeats must be answered.
SLOW = {"completeMultipartUploadArtifact"}


class Server:
    def __init__(self, workspace: Workspace, gate: Gate) -> None:
        self._workspace = workspace
        self._gate = gate

    async def graphql(self, request: Request) -> Response:
        given = _graphql_request(await request.body())
        if given is None:
            return error_response(400, "expected a JSON object with a query")
        prepared = prepare(given["query"])
        failure = await self._gate.fault(request, prepared.name(), tuple(prepared.fields()))
        if failure is not None:
            return failure
        if not self._gate.knows(request):
            return unauthorized()
        arguments = (self._workspace, prepared, given.get("variables"), given.get("operationName"))
        if SLOW & set(prepared.fields()):
            answer = await asyncio.to_thread(run, *arguments)
        else:
            answer = run(*arguments)
        return JSONResponse(answer.body, answer.status)

    async def file_stream(self, request: Request) -> Response:
        found = find_run_of(self._workspace, request)
        if found is None:
            return error_response(404, "run not found")
        try:
            post = parse_post(await request.body())
        except MalformedPostError as error:
            return error_response(400, str(error))
        return JSONResponse(apply_post(self._workspace, found, post))

    async def add_fault(self, request: Request) -> Response:
        try:
            self._gate.faults.add(await request.json())
        except (InvalidFaultError, json.JSONDecodeError, TypeError) as error:
            return error_response(400, str(error))
        return Response(status_code=204)

    async def clear_faults(self, _: Request) -> Response:
        self._gate.faults.clear()
        return Response(status_code=204)

    async def count_requests(self, _: Request) -> Response:
        return JSONResponse(dict(self._gate.faults.requests))


async def healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _graphql_request(body: bytes) -> dict[str, Any] | None:
    try:
        given = json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        return None
    return given


def build_app(workspace: Workspace, api_key: str, faults: Faults) -> Starlette:
    gate = Gate(api_key, faults)
    server, storage = Server(workspace, gate), Storage(workspace, gate.faults)
    run_path = "/files/{entity}/{project}/{run}"
    keyed = gate.authenticated
    return Starlette(
        routes=[
            Route("/graphql", server.graphql, methods=["POST"]),
            Route(
                f"{run_path}/file_stream",
                gate.exposed(keyed(server.file_stream)),
                methods=["POST"],
            ),
            Route(f"{run_path}/{{name:path}}", gate.exposed(keyed(storage.run_file))),
            Route("/_storage/{key:path}", gate.exposed(storage.exchange), methods=["GET", "PUT"]),
            Route("/_local/faults", keyed(server.add_fault), methods=["POST"]),
            Route("/_local/faults", keyed(server.clear_faults), methods=["DELETE"]),
            Route("/_local/requests", keyed(server.count_requests)),
            Route("/healthz", healthy),
            *Pages(workspace).routes(),
        ],
        middleware=[Middleware(Doorkeeper, door=Door(workspace.port))],
    )
