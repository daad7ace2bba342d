"""The views of learning: dropped images as training will see them, and runs with their losses and image grids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lfsgan_cli.images.framing import Fit
from lfsgan_cli.io.files import check_name
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.options import MOST
from lfsgan_cli.studio.drafts import MAX_IMAGES, MAX_ZIP_BYTES, Draft
from lfsgan_cli.studio.jobs import RECIPES, Order
from lfsgan_cli.studio.pages import (
    MAX_PARTS,
    ParameterError,
    Studio,
    image,
    is_fragment,
    moved,
    number,
    page,
    part,
    saved,
    studio_of,
    whole,
)
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.workspace.manage import check_free
from lfsgan_cli.workspace.paths import run_folder

SHOWN_LOSSES = {
    "g": "generator", "d": "discriminator", "seeking": "mode seeking", "anchor": "anchors", "energy": "energy distance",
}  # fmt: skip


async def new(request: Request) -> Response:
    """An empty set of images."""
    return await _show(request, studio_of(request).drafts.new())


async def show(request: Request) -> Response:
    """A set of images that was uploaded before."""
    return await _show(request, _draft(request))


async def _show(request: Request, draft: Draft) -> Response:
    studio = studio_of(request)
    return page(request, "learn.html", **await _described(studio, draft), steps=await run_in_threadpool(_steps))


async def upload(request: Request) -> Response:
    """Take images and zip files into a set, a new one where the address names none."""
    studio = studio_of(request)
    draft = _draft(request) if "draft" in request.path_params else studio.drafts.new()
    async with request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS) as form:
        with saved(form, "files", MAX_ZIP_BYTES) as files:
            refused = await run_in_threadpool(draft.add, files)
    studio.drafts.tidy([draft.id, *(order.draft for order in studio.jobs.queue)])
    return await _changed(request, draft, refused)


async def remove(request: Request) -> Response:
    """Take an image out of a set."""
    draft = _draft(request)
    await run_in_threadpool(draft.remove, request.path_params["key"])
    return await _changed(request, draft)


async def crop(request: Request) -> Response:
    """Move the crop of an image."""
    draft, form = _draft(request), await request.form()
    at = number(str(form.get("at", "")), "at", 0.5, 0, 1)
    await run_in_threadpool(draft.crop, request.path_params["key"], at)
    return await _changed(request, draft)


async def fit(request: Request) -> Response:
    """Crop, pad or stretch the images that are not square."""
    draft, form = _draft(request), await request.form()
    chosen = next((one for one in get_args(Fit) if one == form.get("fit")), None)
    if chosen is None:
        raise ParameterError("fit", form.get("fit"), " or ".join(get_args(Fit)))
    draft.fit = chosen
    await run_in_threadpool(draft.save)
    return await _changed(request, draft)


async def square(request: Request) -> Response:
    """An image as training will see it."""
    studio, draft = studio_of(request), _draft(request)
    found = draft.find(request.path_params["key"])
    return image(await run_in_threadpool(draft.square, found, _side(studio)))


async def gap(request: Request) -> Response:
    """Whether the images are far from what the base draws: said a second or two later than the rest."""
    studio, draft = studio_of(request), _draft(request)
    images = await run_in_threadpool(draft.pixels, _side(studio)) if draft.images else None
    warning = None
    if images is not None:
        warning = await studio.renderer.run(request, lambda samples: samples.far_from_base(images))
    return page(request, "fragments/gap.html", warning=warning)


async def start(request: Request) -> Response:
    """Learn a task from a set."""
    studio, form = studio_of(request), await request.form()
    draft = studio.drafts.open(str(form.get("draft", "")))
    order = _order({key: str(value) for key, value in form.items()}, check_name(str(form.get("name", "")).strip()))
    check_free(studio.root, order.name, overwrite=False)
    shown = await run_in_threadpool(draft.show, _side(studio))
    if not shown.ready:
        raise ParameterError("images", len(draft.images), "two or more different ones, about ten are usual")
    studio.jobs.submit(order)
    return moved(request, f"/runs/{part(order.name)}")


async def command(request: Request) -> Response:
    """The command that learns as the form says."""
    studio, query = studio_of(request), request.query_params
    studio.drafts.open(query.get("draft", ""))
    order = _order(dict(query), query.get("name", "").strip() or "NAME")
    return page(request, "fragments/command.html", command=studio.command(*order.words(studio.drafts)))


def _order(form: Mapping[str, str], name: str) -> Order:
    """What a form asks for; ParameterError."""
    recipe = form.get("recipe", "default")
    if recipe not in RECIPES:
        raise ParameterError("recipe", recipe, " or ".join(RECIPES))
    steps = whole(form.get("steps"), "steps", 0, 1, MOST) or None
    return Order(name, form.get("draft", ""), recipe, "mirror" in form, steps)


async def estimates(request: Request) -> Response:
    """How long each recipe takes on this machine."""
    studio = studio_of(request)
    network = json.dumps(studio.base().network.to_json(), sort_keys=True)
    seconds = await run_in_threadpool(_seconds_per_step, network, studio.device)
    return page(
        request, "fragments/estimates.html", busy=bool(studio.jobs.running()),
        estimates={recipe: seconds * steps for recipe, steps in _steps().items()},
    )  # fmt: skip


async def run(request: Request) -> Response:
    """A run, at work or not."""
    studio, name = studio_of(request), request.path_params["name"]
    job = studio.jobs.job(name)
    if job.phase == "finished":
        return RedirectResponse(f"/tasks/{part(name)}", 303)
    return page(request, "run.html", **_live(studio, name))


async def live(request: Request) -> Response:
    """What changes of a run. Once it is at its end, the browser is told to load the page anew."""
    studio, name = studio_of(request), request.path_params["name"]
    found = _live(studio, name)
    if not found["job"].active:
        return Response(status_code=200, headers={"hx-refresh": "true"})
    return page(request, "fragments/live.html", **found)


async def grid(request: Request) -> Response:
    """An image grid of a run."""
    studio, step = studio_of(request), whole(request.path_params["step"], "step", 0, 0, 10**9)
    path = run_folder(studio.root, request.path_params["name"]) / f"fakes{step:06}.png"
    if not path.is_file():
        raise ParameterError("step", step, "a step that has an image grid")
    return image(await run_in_threadpool(path.read_bytes))


async def change(request: Request) -> Response:
    """Stop, resume or cancel a run."""
    studio, name = studio_of(request), check_name(request.path_params["name"])
    match request.path_params["what"]:
        case "stop":
            studio.jobs.stop(name)
        case "resume":
            studio.jobs.submit(Order(name))
        case "again":
            studio.jobs.again(name)
        case "cancel":
            studio.jobs.cancel(name)
            return moved(request, "/")
        case other:
            raise ParameterError("action", other, "stop, resume, again or cancel")
    return moved(request, f"/runs/{part(name)}")


@lru_cache(maxsize=4)
def _seconds_per_step(network: str, device: str) -> float:
    """Of learning with the default settings, within a factor of two; measured, which takes a while on a busy machine.

    network: the base's configuration as JSON.
    """
    from lfsgan_cli.runs.estimate import of_learning
    from lfsgan_cli.system.device import pick

    return of_learning(NetworkConfig.from_json(json.loads(network)), LearnConfig(), pick(device)) / LearnConfig.steps


def _live(studio: Studio, name: str) -> dict[str, Any]:
    job = studio.jobs.job(name)
    losses = studio.jobs.losses(name)
    queue = [order.name for order in studio.jobs.queue]
    return {
        "job": job,
        "losses": {SHOWN_LOSSES.get(key, key): series for key, series in losses.items()},
        "grid": studio.jobs.grid(name),
        "ahead": [*studio.jobs.running(), *queue[: queue.index(name)]] if name in queue else [],
        "command": studio.command("learn-task", "--name", name, "--resume"),
    }


async def _described(studio: Studio, draft: Draft, refused: Any = ()) -> dict[str, Any]:
    shown = await run_in_threadpool(draft.show, _side(studio))
    return {
        "draft": draft, "shown": shown, "refused": refused, "side": _side(studio), "most": MAX_IMAGES,
        "fits": get_args(Fit), "command": studio.command(*Order("NAME", draft.id).words(studio.drafts))
        if draft.images else "",
    }  # fmt: skip


async def _changed(request: Request, draft: Draft, refused: Any = ()) -> Response:
    if not is_fragment(request):
        return RedirectResponse(f"/learn/{draft.id}", 303)
    response = page(request, "fragments/draft.html", **await _described(studio_of(request), draft, refused))
    response.headers["hx-replace-url"] = f"/learn/{draft.id}"
    return response


def _draft(request: Request) -> Draft:
    return studio_of(request).drafts.open(request.path_params["draft"])


def _side(studio: Studio) -> int:
    return int(studio.base().network.resolution)


def _steps() -> dict[str, int]:
    return {recipe: Order("", recipe=recipe).steps for recipe in RECIPES}


ROUTES = [
    Route("/learn", new),
    Route("/learn/estimates", estimates),
    Route("/learn/command", command),
    Route("/learn/images", upload, methods=["POST"]),
    Route("/learn/start", start, methods=["POST"]),
    Route("/learn/{draft}", show),
    Route("/learn/{draft}/images", upload, methods=["POST"]),
    Route("/learn/{draft}/gap", gap),
    Route("/learn/{draft}/fit", fit, methods=["POST"]),
    Route("/learn/{draft}/images/{key}/remove", remove, methods=["POST"]),
    Route("/learn/{draft}/images/{key}/crop", crop, methods=["POST"]),
    Route("/learn/{draft}/images/{key}.png", square),
    Route("/runs/{name}", run),
    Route("/runs/{name}/live", live),
    Route("/runs/{name}/grid/{step}.png", grid),
    Route("/runs/{name}/{what}", change, methods=["POST"]),
]
