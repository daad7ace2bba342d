"""What can be taken away: PNGs, grids, mixes, walks, or everything as one zip, each as its command writes it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lfsgan_cli.options import LARGEST
from lfsgan_cli.studio.explore import scene_of
from lfsgan_cli.studio.pages import ParameterError, download, image, page, studio_of, whole
from lfsgan_cli.studio.scene import BASE, Scene
from lfsgan_cli.workspace.paths import find_task

if TYPE_CHECKING:
    from lfsgan_cli.generation.output import Pixels
    from lfsgan_cli.studio.samples import Samples

FRAMES, FPS = 24, 24  # of a walk, between two pins and a second

Work = Callable[["Samples", Scene, Path], None]  # writes files into a folder


async def images(request: Request) -> Response:
    """A zip of PNGs and their grid."""
    return download(await _zipped(request, _images), "images.zip", "application/zip")


async def grid(request: Request) -> Response:
    """The labelled grid."""
    return download(await _one(request, _images, "grid.png"), "grid.png", "image/png")


async def single(request: Request) -> Response:
    """One image of the first task, with the note that says how it was made."""
    seed = whole(request.query_params.get("one"), "one", 0, 0, LARGEST)

    def work(samples: Samples, scene: Scene, folder: Path) -> None:
        _generate(samples, scene, folder, [seed])

    found = await _one(request, work, f"*/seed{seed:04}.png")
    return download(found, f"seed{seed:04}.png", "image/png")


async def mix(request: Request) -> Response:
    """The style mixes of the pins, as a picture."""
    return image(await _one(request, _mix, "grid.png"))


async def walk(request: Request) -> Response:
    """The walk through the pins, as an animation."""
    data = await _one(request, _walk, "walk.webp")
    if request.query_params.get("save"):
        return download(data, "walk.webp", "image/webp")
    return Response(data, media_type="image/webp")


async def everything(request: Request) -> Response:
    """All of it in one zip: images, grid, the tasks' files, and of two pins or more their mixes and walk."""

    def work(samples: Samples, scene: Scene, folder: Path) -> None:
        _images(samples, scene, folder / "images")
        if len(scene.pins) > 1:
            _mix(samples, scene, folder / "mix")
            _walk(samples, scene, folder)
        for task in scene.tasks:
            if task != BASE:
                path = find_task(samples.root, task)
                (folder / path.name).write_bytes(path.read_bytes())

    return download(await _zipped(request, work), "lfsgan.zip", "application/zip")


async def together(request: Request) -> Response:
    """The mixes and the walk of the pins, with their commands."""
    scene = await scene_of(request)
    _pinned(scene)
    studio = studio_of(request)
    return page(
        request, "fragments/together.html", scene=scene, part=f"?{scene.query()}",
        mix=studio.command(*scene.mix_words()), walk=studio.command(*scene.walk_words()),
    )  # fmt: skip


def _images(samples: Samples, scene: Scene, folder: Path) -> None:
    _generate(samples, scene, folder, list(scene.seeds))


def _generate(samples: Samples, scene: Scene, folder: Path, seeds: list[int]) -> None:
    from lfsgan_cli.generation.generate import GenerateJob, variant

    place = samples.place
    variants = [variant(place, task, scene.options(task), Path()) for _, task in scene.variants]
    job = GenerateJob(place, variants, seeds, folder)
    compute = job.compute(samples.device, None, "fp32", "off")
    job.check(compute, overwrite=False)
    for _ in job.run(compute):
        samples.check()


def _mix(samples: Samples, scene: Scene, folder: Path) -> None:
    from lfsgan_cli.generation.generate import Compute
    from lfsgan_cli.generation.mixing import MixingJob
    from lfsgan_cli.generation.sampling import usual_batch

    _pinned(scene)
    place, (_, task) = samples.place, scene.variants[0]
    job = MixingJob(place, task, scene.pins[:1], scene.pins[1:], scene.mix, scene.options(task), folder)
    compute = Compute(samples.device, usual_batch(place.base.average.config, samples.device))
    job.check(compute, overwrite=False)
    for _ in job.run(compute):
        samples.check()


def _walk(samples: Samples, scene: Scene, folder: Path) -> None:
    from lfsgan_cli.generation.animation import write_animation
    from lfsgan_cli.generation.interpolation import Walk
    from lfsgan_cli.generation.sampling import usual_batch

    _pinned(scene)
    place, (_, task) = samples.place, scene.variants[0]
    walk = Walk(place, [task], list(scene.pins), scene.options(task), FRAMES, "w", "linear", 1, 1)

    def frames() -> Iterator[Pixels]:
        for frame in walk.images(samples.device, usual_batch(place.base.average.config, samples.device)):
            samples.check()
            yield frame

    write_animation(folder / "walk.webp", frames(), len(walk), FPS, walk.note())


def _pinned(scene: Scene) -> None:
    if len(scene.pins) < 2:
        raise ParameterError("pins", len(scene.pins), "at least two pinned seeds")


async def _one(request: Request, work: Work, name: str) -> bytes:
    """One of the files that the work writes."""

    def read(folder: Path) -> bytes:
        return next(folder.glob(name)).read_bytes()

    return await _written(request, work, read)


async def _zipped(request: Request, work: Work) -> bytes:
    def packed(folder: Path) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNG and WebP are compressed
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())
        return file.getvalue()

    return await _written(request, work, packed)


async def _written(request: Request, work: Work, read: Callable[[Path], bytes]) -> bytes:
    scene = await scene_of(request)

    def begin(samples: Samples) -> bytes:
        with tempfile.TemporaryDirectory(prefix="lfsgan-") as temporary:
            folder = Path(temporary) / "out"
            work(samples, scene, folder)
            return read(folder)

    return await studio_of(request).renderer.run(request, begin)


ROUTES = [
    Route("/take/images", images),
    Route("/take/grid", grid),
    Route("/take/image", single),
    Route("/take/mix.png", mix),
    Route("/take/walk.webp", walk),
    Route("/take/everything", everything),
    Route("/explore/together", together),
]
