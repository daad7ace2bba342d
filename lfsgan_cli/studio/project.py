"""A dropped photo as a latent: `lfsgan project` as a process, its progress, and the latent's image in every task."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import check_name, write_atomic
from lfsgan_cli.studio.drafts import MAX_IMAGE_BYTES, UnknownDraftError, UploadError, ending_of
from lfsgan_cli.studio.explore import Row
from lfsgan_cli.studio.folder import FOLDER
from lfsgan_cli.studio.pages import MAX_PARTS, download, image, moved, page, saved, studio_of
from lfsgan_cli.studio.scene import BASE, MAX_TASKS
from lfsgan_cli.workspace.paths import find_task, task_names

if TYPE_CHECKING:
    from lfsgan_cli.studio.samples import Samples

MOST = 12  # projections that stay; the oldest goes first
STEPS = 600  # of `lfsgan project`
FILES = {"target.png": "image/png", "projection.png": "image/png", "latents.npz": "application/octet-stream"}

_ID = re.compile(r"[0-9a-f]{16}")
_DONE = re.compile(r"(\d+)/\d+ steps")


@dataclass(frozen=True)
class Projection:
    """One of a photo, at work or done. done: steps; message: what went wrong."""

    id: str
    phase: Literal["running", "done", "failed"]
    done: int
    words: Sequence[str]
    message: str = ""


class Projections:
    """All of a workspace. A process ends with the server: it takes a minute, and can be begun again."""

    def __init__(self, root: Path, place: Sequence[str]) -> None:
        self._folder, self._place = root / FOLDER / "projections", list(place)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def folder(self, name: str) -> Path:
        """The folder of a projection that is there; UnknownDraftError."""
        if not _ID.fullmatch(name) or not (self._folder / name).is_dir():
            raise UnknownDraftError
        return self._folder / name

    def start(self, photo: bytes, task: str) -> str:
        """Begin to project a photo into a task, or the base with `base`; the projection's id."""
        for child in self._children.values():
            child.terminate()  # one at a time, and the newest is wanted
        name = secrets.token_hex(8)
        folder = self._folder / name
        folder.mkdir(parents=True)
        path = folder / f"photo{ending_of(photo)}"
        write_atomic(path, photo)
        write_atomic(folder / "task", task.encode())
        with (folder / "log").open("wb") as log:
            self._children[name] = subprocess.Popen(  # noqa: S603 - our own program, with words that were checked
                [sys.executable, "-P", "-m", "lfsgan_cli", *self.words(name), *self._place],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        there = sorted((one for one in self._folder.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
        for old in there[:-MOST]:
            shutil.rmtree(old, ignore_errors=True)
        return name

    def words(self, name: str) -> list[str]:
        """The command of a projection, without the words of workspace and device."""
        folder = self.folder(name)
        task = check_name((folder / "task").read_text(encoding="utf-8"))
        photo = next(folder.glob("photo.*"))
        of = [] if task == BASE else ["--task", task]
        return ["project", str(photo), *of, "--outdir", str(folder / "out")]

    def find(self, name: str) -> Projection:
        """The state of a projection; UnknownDraftError."""
        folder, child = self.folder(name), self._children.get(name)
        words = self.words(name)
        if (folder / "out" / "latents.npz").is_file():
            return Projection(name, "done", STEPS, words)
        said = (folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        if child is not None and child.poll() is None:
            steps = [int(match[1]) for line in said if (match := _DONE.search(line))]
            return Projection(name, "running", max(steps, default=0), words)
        why = next((line for line in reversed(said) if line.startswith("Error: ")), "It was ended before it was done.")
        return Projection(name, "failed", 0, words, why)

    def close(self) -> None:
        """End what is at work."""
        for child in self._children.values():
            child.terminate()
            child.wait()


async def begin(request: Request) -> Response:
    """Project a dropped photo."""
    studio = studio_of(request)
    async with request.form(max_files=1, max_fields=MAX_PARTS) as form:
        task = check_name(str(form.get("task", BASE)))
        if task != BASE:
            find_task(studio.root, task)
        with saved(form, "photo", MAX_IMAGE_BYTES) as ((name, path), *_):
            data = await run_in_threadpool(path.read_bytes)
            try:
                await run_in_threadpool(_check, data)
            except LfsganError as error:
                raise UploadError(422, f"{name}: {error}") from error
            found = studio.projections.start(data, task)
    return moved(request, f"/projections/{found}")


async def show(request: Request) -> Response:
    """A projection."""
    studio = studio_of(request)
    found = studio.projections.find(request.path_params["id"])
    return page(request, "projection.html", one=found, total=STEPS, command=studio.command(*found.words))


async def live(request: Request) -> Response:
    """How far it is; the page is loaded anew once it is done."""
    found = studio_of(request).projections.find(request.path_params["id"])
    if found.phase != "running":
        return Response(status_code=200, headers={"hx-refresh": "true"})
    return page(request, "fragments/projecting.html", one=found, total=STEPS)


async def tasks(request: Request) -> Response:
    """The projected latent's image in the base and the tasks, as `generate --latents` makes them."""
    studio = studio_of(request)
    folder = studio.projections.folder(request.path_params["id"])
    names = [None, *task_names(studio.root)][:MAX_TASKS] if studio.root.is_dir() else [None]

    def work(samples: Samples) -> list[Row]:
        from lfsgan_cli.generation.sampling import read_latents

        latents = read_latents(folder / "out" / "latents.npz", samples.place.base.average.config)
        rows = []
        for name in names:
            rows.append(Row.of(name or BASE, [0], samples.of_latents(name, latents)[:1]))
            samples.check()
        return rows

    rows = await studio.renderer.run(request, work)
    return page(request, "fragments/in_tasks.html", rows=rows)


async def file(request: Request) -> Response:
    """One of the files that a projection wrote."""
    studio, name = studio_of(request), request.path_params["file"]
    if name not in FILES:
        raise UnknownDraftError
    path = studio.projections.folder(request.path_params["id"]) / "out" / name
    if not path.is_file():
        raise UnknownDraftError
    data = await run_in_threadpool(path.read_bytes)
    return image(data) if name.endswith(".png") else download(data, name, FILES[name])


def _check(data: bytes) -> None:
    from lfsgan_cli.images.decode import decode

    decode(data)


ROUTES = [
    Route("/project", begin, methods=["POST"]),
    Route("/projections/{id}", show),
    Route("/projections/{id}/live", live),
    Route("/projections/{id}/tasks", tasks),
    Route("/projections/{id}/files/{file}", file),
]
