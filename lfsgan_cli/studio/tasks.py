"""The view of all tasks: cards with pictures; import, rename, remove; and the status of runs in every page's head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lfsgan_cli.studio.pages import (
    MAX_PARTS,
    download,
    image,
    moved,
    page,
    part,
    saved,
    studio_of,
    whole,
)
from lfsgan_cli.workspace import listing, manage
from lfsgan_cli.workspace.paths import SUFFIX, NoWorkspaceError, find_task

if TYPE_CHECKING:
    from lfsgan_cli.studio.samples import Samples

PER_PAGE = 48
MAX_TASK_BYTES = 256 << 20  # of a task's file that is imported


async def show(request: Request) -> Response:
    """Cards of all tasks, those of a search; runs that are not finished come first."""
    studio = studio_of(request)
    wanted = request.query_params.get("q", "")[:100]
    nth = whole(request.query_params.get("page"), "page", 1, 1, 100_000)

    def read() -> listing.Listing:
        try:
            return listing.read(studio.root)
        except NoWorkspaceError:
            return listing.Listing((), (), {})

    found = await run_in_threadpool(read)
    tasks = [task for task in found.tasks if wanted.casefold() in task.name.casefold()]
    tasks.sort(key=lambda task: task.learned, reverse=True)
    pages = max(1, -(-len(tasks) // PER_PAGE))
    names = await run_in_threadpool(studio.jobs.names)
    runs = [studio.jobs.job(name) for name in names]
    return page(
        request, "tasks.html",
        tasks=tasks[(nth - 1) * PER_PAGE : nth * PER_PAGE], count=len(tasks), total=len(found.tasks), q=wanted,
        nth=nth, pages=pages, runs=runs if nth == 1 and not wanted else [], unreadable=found.unreadable,
        base=studio.base(), command=studio.command("tasks", "list"),
    )  # fmt: skip


async def status(request: Request) -> Response:
    """What is being learned, in a few words for the head of every page."""
    studio = studio_of(request)
    return page(request, "fragments/status.html", jobs=studio.jobs.active())


async def thumbnail(request: Request) -> Response:
    """Four samples of a task."""
    studio, name = studio_of(request), request.path_params["name"]
    find_task(studio.root, name)
    return image(await studio.renderer.run(request, lambda samples: samples.thumbnail(name)))


async def rename(request: Request) -> Response:
    """Give a task another name."""
    studio, form = studio_of(request), await request.form()
    new = str(form.get("name", "")).strip()
    await run_in_threadpool(manage.rename, studio.root, request.path_params["name"], new)
    return moved(request, _back(request, f"/tasks/{part(new)}"))


async def remove(request: Request) -> Response:
    """Move a task with its run to the workspace's trash."""
    studio = studio_of(request)
    await run_in_threadpool(manage.remove, studio.root, [request.path_params["name"]])
    return moved(request, "/")


async def import_(request: Request) -> Response:
    """Add a task's file, of lfsgan or of the public LFS-GAN code."""
    studio = studio_of(request)
    async with request.form(max_files=1, max_fields=MAX_PARTS) as form:
        with saved(form, "file", MAX_TASK_BYTES) as ((name, path), *_):
            wanted = str(form.get("name", "")).strip()

            def add(samples: Samples) -> str:
                from lfsgan_cli.studio.importing import import_file

                return import_file(samples, path, name, wanted)

            found = await studio.renderer.run(request, add)
    return moved(request, f"/tasks/{part(found)}")


async def file(request: Request) -> Response:
    """A task's file, to keep or to send to somebody."""
    studio, name = studio_of(request), request.path_params["name"]
    path = find_task(studio.root, name)
    data = await run_in_threadpool(path.read_bytes)
    return download(data, f"{name}{SUFFIX}", "application/octet-stream")


def _back(request: Request, url: str) -> str:
    """To the list, where the form came from there."""
    return "/" if request.headers.get("hx-current-url", "").endswith(("/", "#")) else url


ROUTES = [
    Route("/", show),
    Route("/status", status),
    Route("/import", import_, methods=["POST"]),
    Route("/tasks/{name}/thumbnail.png", thumbnail),
    Route("/tasks/{name}/file", file),
    Route("/tasks/{name}/rename", rename, methods=["POST"]),
    Route("/tasks/{name}/remove", remove, methods=["POST"]),
]
