from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from local.wandb_server.pages.layout import POLICY, page
from local.wandb_server.pages.project_page import render_home, render_project
from local.wandb_server.pages.run_page import render_run
from local.wandb_server.pages.stop_button import is_pressed
from local.wandb_server.storage import find_run_of
from local.wandb_server.store.projects import find_project
from local.wandb_server.store.records import Project
from local.wandb_server.store.runs import find_run, request_stop
from local.wandb_server.workspace import Workspace

HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}


class Pages:
    """The pages need no key: the server is heard on this machine alone.

    They only read, but for the button that stops a run.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/{entity}/{project}", self.project),
            Route("/{entity}/{project}/runs/{run}", self.run),
            Route("/{entity}/{project}/runs/{run}/stop", self.stop, methods=["POST"]),
        ]

    async def home(self, _: Request) -> Response:
        return _shown(render_home(self._workspace))

    async def project(self, request: Request) -> Response:
        project = self._project(request)
        if project is None:
            return _missing("There is no such project here.")
        return _shown(render_project(self._workspace, project))

    async def run(self, request: Request) -> Response:
        project = self._project(request)
        if project is None:
            return _missing("There is no such project here.")
        run = find_run(self._workspace.database, project.id, request.path_params["run"])
        if run is None:
            return _missing("There is no such run here.")
        return _shown(render_run(self._workspace, project, run))

    async def stop(self, request: Request) -> Response:
        run = find_run_of(self._workspace, request)
        if run is None:
            return _missing("There is no such run here.")
        if not await is_pressed(self._workspace, run, request):
            return _shown(page("Refused", [("projects", "/")], "Press the run's own button."), 403)
        request_stop(self._workspace.database, run.id)
        return RedirectResponse(request.url.path.removesuffix("/stop"), 303)

    def _project(self, request: Request) -> Project | None:
        path = request.path_params
        return find_project(self._workspace.database, path["entity"], path["project"])


def _shown(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, HEADERS)


def _missing(message: str) -> Response:
    return _shown(page("Not found", [("projects", "/")], message), 404)
