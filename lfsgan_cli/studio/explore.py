"""The view of images: a grid for every task, redrawn while sliders move; pinned seeds, their mixes and walks."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lfsgan_cli.studio.pages import Studio, is_fragment, page, studio_of
from lfsgan_cli.studio.scene import BASE, COUNTS, LAYERS, Scene, groups_of, parse
from lfsgan_cli.workspace.paths import UnknownTaskError, task_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lfsgan_cli.generation.output import Pixels
    from lfsgan_cli.studio.samples import Samples


@dataclass(frozen=True)
class Row:
    """The images of one task: (seed, PNG in base64)."""

    title: str
    images: Sequence[tuple[int, str]]

    @classmethod
    def of(cls, title: str, seeds: Sequence[int], images: Sequence[Pixels]) -> Row:
        """A row of images, one for each seed."""
        from lfsgan_cli.generation.output import encode

        pngs = [b64encode(encode(image, {})).decode() for image in images]
        return cls(title, list(zip(seeds, pngs, strict=True)))


async def show(request: Request) -> Response:
    """The controls, and placeholders for the images; or, for htmx, the images of the address."""
    studio = studio_of(request)
    scene, known = await scene_of(request), await run_in_threadpool(_tasks, studio)
    return page(
        request, "explore.html", scene=scene, known=known, base=BASE, counts=COUNTS,
        side=studio.base().network.resolution,
    )  # fmt: skip


async def images(request: Request) -> Response:
    """The images of a scene, and the command for them."""
    studio, scene = studio_of(request), await scene_of(request)

    def work(samples: Samples) -> tuple[list[Row], list[Row]]:
        return sampled(samples, scene, scene.seeds), sampled(samples, scene, scene.pins) if scene.pins else []

    rows, pinned = await studio.renderer.run(request, work)
    response = page(
        request, "fragments/images.html", scene=scene, rows=rows, pinned=pinned,
        layers=[one for one in LAYERS if set(one.split("+")) <= {*scene.groups}],
        command=studio.command(*scene.generate_words()), part=f"?{scene.query()}",
    )  # fmt: skip
    if is_fragment(request):
        response.headers["hx-replace-url"] = f"/explore?{scene.query()}"
    return response


def sampled(samples: Samples, scene: Scene, seeds: Sequence[int]) -> list[Row]:
    """The images of seeds, a row for every task."""
    return [Row.of(title, seeds, samples.images(task, seeds, scene.options(task))) for title, task in scene.variants]


async def scene_of(request: Request) -> Scene:
    """The scene of an address, whose tasks are there; as `parse` raises, and UnknownTaskError."""
    known = await run_in_threadpool(_tasks, studio_of(request))
    groups = groups_of(studio_of(request).base().network.sides)
    scene = parse(request.query_params, known, groups)
    for task in scene.tasks:
        if task != BASE and task not in known:
            raise UnknownTaskError(task, known)
    return scene


def _tasks(studio: Studio) -> list[str]:
    return task_names(studio.root) if studio.root.is_dir() else []


ROUTES = [Route("/explore", show), Route("/explore/images", images)]
