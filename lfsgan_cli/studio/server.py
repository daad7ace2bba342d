"""`lfsgan studio` as a server: its addresses, its socket, and its life from the first line to Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.studio import choose, explore, learn, project, take, tasks
from lfsgan_cli.studio.drafts import MAX_ZIP_BYTES, Drafts
from lfsgan_cli.studio.jobs import Jobs
from lfsgan_cli.studio.pages import SMALL, Studio, failed
from lfsgan_cli.studio.project import Projections
from lfsgan_cli.studio.rendering import Renderer, SupersededError
from lfsgan_cli.studio.security import SECRET, Access, Guard
from lfsgan_cli.workspace.workspace import workspace_at

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TICK = 0.5  # seconds between two looks at the queue
END = 3  # seconds that requests have to end after Ctrl-C
UPLOAD = MAX_ZIP_BYTES + (1 << 20)  # bytes of a form with files
UPLOADS = ("/import", "/images", "/project")  # how the paths end that take files


class AddressError(LfsganError):
    """An address that the server cannot have."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {reason}; pass another --port, or 0 for any that is free")


@dataclass(frozen=True)
class Server:
    """A server that has its socket; nobody is answered yet."""

    socket: socket.socket
    access: Access
    app: ASGIApp
    host: str
    jobs: Jobs
    projections: Projections
    renderer: Renderer

    @property
    def url(self) -> str:
        """The first address, with the secret in it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.access.port}/?{SECRET}={self.access.secret}"

    def running(self) -> list[str]:
        """The tasks that are being learned in the workspace; they go on without the server."""
        return list(self.jobs.running())

    def run(self, started: Callable[[], None]) -> None:
        """Answer until the process is asked to end. started: called once the server answers."""
        config = uvicorn.Config(
            self.app, ws="none", log_level="error", access_log=False, server_header=False, date_header=False,
            timeout_graceful_shutdown=END, lifespan="on", h11_max_incomplete_event_size=1 << 16,
        )  # fmt: skip
        _Server(config, started, self.renderer).run(sockets=[self.socket])


class _Server(uvicorn.Server):
    """Loads the base once it answers, and ends sampling before the last requests are waited for."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], renderer: Renderer) -> None:
        super().__init__(config)
        self._tell, self._renderer = started, renderer

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._renderer.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()
            self._renderer.warm()


def open_server(
    root: Path, host: str, port: int, device: str, command: Callable[..., str], place: Sequence[str]
) -> Server:
    """Take the socket and build the page; AddressError, WorkspaceFileError.

    command: from the words of a command to its line; place: the words that name workspace and device.
    """
    workspace_at(root)
    found = _listen(host, port)
    port = found.getsockname()[1]
    names = LOOPBACK if is_loopback(host) else (host, *LOOPBACK)
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - the user asked for it  # any of the machine's names
        names = (*names, socket.gethostname(), *_addresses())
    access = Access.to(names, port)
    renderer = Renderer(root, device)
    jobs = Jobs(root, place)
    projections = Projections(root, place)
    studio = Studio(root, renderer, jobs, Drafts(root), projections, command, device)
    shown = "127.0.0.1" if is_loopback(host) else socket.gethostname() if host in {"0.0.0.0", "::"} else host  # noqa: S104
    return Server(found, access, Guard(application(studio), access, limit), shown, jobs, projections, renderer)


def application(studio: Studio) -> Starlette:
    """The page without its guard."""

    @contextlib.asynccontextmanager
    async def living(_app: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(studio.jobs))
        yield
        ticking.cancel()
        studio.projections.close()
        studio.renderer.close()

    routes = [
        *tasks.ROUTES, *learn.ROUTES, *explore.ROUTES, *choose.ROUTES, *take.ROUTES, *project.ROUTES,
        Mount("/static", StaticFiles(packages=[("lfsgan_cli.studio", "static")])),
    ]  # fmt: skip
    app = Starlette(
        routes=[route for route in routes if isinstance(route, Route | Mount)],
        exception_handlers={LfsganError: failed, HTTPException: failed, SupersededError: failed, Exception: failed},
        lifespan=living,
    )
    app.state.studio = studio
    return app


def limit(path: str) -> int:
    """The most bytes of a request's body."""
    return UPLOAD if path.endswith(UPLOADS) else SMALL


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host name."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


async def _tick(jobs: Jobs) -> None:
    while True:
        with contextlib.suppress(LfsganError, OSError):  # said on the page, where the run is shown
            jobs.tick()
        await asyncio.sleep(TICK)


def _listen(host: str, port: int) -> socket.socket:
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = socket.socket(family, kind)
    except OSError as error:
        raise AddressError(host, port, error.strerror or str(error)) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen()
    except OSError as error:
        found.close()
        raise AddressError(host, port, error.strerror or str(error)) from error
    return found


def _addresses() -> list[str]:
    with contextlib.suppress(OSError):
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)})
    return []
