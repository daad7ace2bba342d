"""The view of one task: its images, what it was learned from, and the snapshots of its run to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lfsgan_cli.studio.explore import Row, sampled
from lfsgan_cli.studio.pages import ParameterError, image, moved, page, part, studio_of, whole
from lfsgan_cli.studio.scene import Scene
from lfsgan_cli.workspace import listing
from lfsgan_cli.workspace.locks import hold_tasks
from lfsgan_cli.workspace.paths import FEW_SHOTS, SNAPSHOTS, SUFFIX, find_task, run_folder
from lfsgan_cli.workspace.task_file import TaskSummary, read_summary

if TYPE_CHECKING:
    from lfsgan_cli.studio.samples import Samples

MAX_SHOWN = 24  # training images on the page


async def show(request: Request) -> Response:
    """A task; the view of its run where there is only that."""
    studio, name = studio_of(request), request.path_params["name"]

    def read() -> tuple[TaskSummary, listing.ListedTask, int, int]:
        summary, run = read_summary(find_task(studio.root, name)), run_folder(studio.root, name)
        images = len(list((run / FEW_SHOTS).glob("*.png")))
        return summary, listing.task(studio.root, name), images, len(list((run / SNAPSHOTS).glob(f"step*{SUFFIX}")))

    if listing.unfinished_run(studio.root, name) is not None and name in studio.jobs.names():
        return RedirectResponse(f"/runs/{part(name)}", 303)
    summary, listed, images, kept = await run_in_threadpool(read)
    return page(
        request, "task.html", name=name, summary=summary, listed=listed, images=range(min(images, MAX_SHOWN)),
        snapshots=kept, side=studio.base().network.resolution, query=Scene((name,)).query(),
        command=studio.command("generate", "--task", name, "-n", "16"),
    )  # fmt: skip


async def samples_of(request: Request) -> Response:
    """Sixteen samples of a task."""
    studio, name = studio_of(request), request.path_params["name"]
    find_task(studio.root, name)
    scene = Scene((name,))
    rows = await studio.renderer.run(request, lambda samples: sampled(samples, scene, scene.seeds))
    return page(request, "fragments/samples.html", rows=rows)


async def snapshots(request: Request) -> Response:
    """The snapshots of a task's run, a row of images for each, and which of them is the task now."""
    studio, name = studio_of(request), request.path_params["name"]
    training = read_summary(find_task(studio.root, name)).info.training
    now = training.get("snapshot", training.get("steps"))

    def work(samples: Samples) -> list[Row]:
        from lfsgan_cli.runs import snapshots as of

        rows = []
        for step in of.steps_of(samples.place.task_run(name)):
            rows.append(Row.of(str(step), of.SEEDS, list(of.images(samples.place, name, step, samples.device))))
            samples.check()
        return rows

    rows = await studio.renderer.run(request, work)
    command = studio.command("tasks", "pick", name, rows[-1].title if rows else "STEP")
    return page(request, "fragments/snapshots.html", name=name, rows=rows, now=str(now), command=command)


async def pick(request: Request) -> Response:
    """Make a snapshot the task."""
    studio, name, form = studio_of(request), request.path_params["name"], await request.form()
    step = whole(str(form.get("step", "")), "step", 0, 0, 10**9)

    def work(samples: Samples) -> None:
        from lfsgan_cli.runs.snapshots import pick as make

        with hold_tasks(studio.root, name):
            make(samples.place, name, step, samples.device)

    await studio.renderer.run(request, work)
    return moved(request, f"/tasks/{part(name)}")


async def training_image(request: Request) -> Response:
    """One of the images that a task was learned from."""
    studio, nth = studio_of(request), whole(request.path_params["nth"], "image", 0, 0, 999_999)
    path = run_folder(studio.root, request.path_params["name"]) / FEW_SHOTS / f"{nth:06}.png"
    if not path.is_file():
        raise ParameterError("image", nth, "the number of a training image")
    return image(await run_in_threadpool(path.read_bytes))


ROUTES = [
    Route("/tasks/{name}", show),
    Route("/tasks/{name}/samples", samples_of),
    Route("/tasks/{name}/snapshots", snapshots),
    Route("/tasks/{name}/pick", pick, methods=["POST"]),
    Route("/tasks/{name}/images/{nth}.png", training_image),
]
