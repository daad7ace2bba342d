"""What all views share: the studio's parts, pages and fragments from templates, errors as answers, downloads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from lfsgan_cli import __version__
from lfsgan_cli.errors import LfsganError, printable
from lfsgan_cli.io.files import FileWriteError, TaskNameError
from lfsgan_cli.studio.drafts import Drafts, UnknownDraftError, UploadError
from lfsgan_cli.studio.jobs import BusyError, Jobs
from lfsgan_cli.studio.rendering import Renderer, SupersededError
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import BaseSummary
from lfsgan_cli.workspace.blend import BlendError, LayersError
from lfsgan_cli.workspace.locks import HeldError
from lfsgan_cli.workspace.manage import RenameError, ReservedNameError, TaskExistsError, UnfinishedTaskError
from lfsgan_cli.workspace.paths import NoBaseError, NoWorkspaceError, UnknownTaskError

if TYPE_CHECKING:
    from lfsgan_cli.studio.project import Projections

MAX_PARTS = 200  # of a form; an upload of more files is refused
SMALL = 1 << 20  # bytes of a form without files

_STATUS: tuple[tuple[type[LfsganError] | tuple[type[LfsganError], ...], int], ...] = (
    ((UnknownTaskError, UnknownDraftError, NoWorkspaceError), 404),
    ((HeldError, TaskExistsError, UnfinishedTaskError, RenameError, ReservedNameError, BusyError), 409),
    ((TaskNameError, BlendError, LayersError), 400),
    (FileWriteError, 507),
)


class ParameterError(LfsganError):
    """A parameter of an address or form that is no such value."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name} {str(value)[:80]!r}: expected {expected}")


@dataclass(frozen=True)
class Studio:
    """All that the views work with. command: from the words of a command to its line, as a user would type it."""

    root: Path
    renderer: Renderer
    jobs: Jobs
    drafts: Drafts
    projections: Projections
    command: Callable[..., str]
    device: str = "auto"

    def base(self) -> BaseSummary:
        """The base's header; that of the embedded one where the workspace has none yet. Without torch."""
        from lfsgan_cli.workspace.base_file import embedded_base
        from lfsgan_cli.workspace.paths import base_path

        try:
            return base_file.read_summary(base_path(self.root))
        except (NoBaseError, NoWorkspaceError):
            with embedded_base() as path:
                return base_file.read_summary(path)


def studio_of(request: Request) -> Studio:
    """The one that the server runs."""
    found: Studio = request.app.state.studio
    return found


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("lfsgan_cli.studio", "templates"), autoescape=True, undefined=StrictUndefined,
        finalize=_shown, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"part": part, "size": _size, "date": _date, "duration": duration, "points": _points}
    environment.globals["version"] = __version__
    return environment


def _shown(value: Any) -> Any:
    """Text without what turns the direction of writing; markup stays as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) and "\n" not in value else value


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page or a fragment of one."""
    text = _templates().get_template(template).render(request=request, **context)
    return HTMLResponse(text, status)


def is_fragment(request: Request) -> bool:
    """Whether htmx asks, and not the browser itself."""
    return "hx-request" in request.headers


def moved(request: Request, url: str) -> Response:
    """The end of a form: the browser goes on to another page."""
    if is_fragment(request):
        return Response(status_code=200, headers={"hx-redirect": url})
    return RedirectResponse(url, 303)


def failed(request: Request, error: Exception) -> Response:
    """An error as an answer: a line beside the form for htmx, else a page."""
    if isinstance(error, SupersededError):
        return Response(status_code=204)
    if isinstance(error, HTTPException):
        status, text = error.status_code, str(error.detail)
    elif isinstance(error, UploadError):
        status, text = error.code, str(error)
    elif isinstance(error, LfsganError):
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 422)
        text = str(error)
    else:
        status, text = 500, f"{type(error).__name__}: {error} (this is a bug in lfsgan; please report it)"
    if isinstance(error, ParameterError):
        status = 400
    sentence = printable(" ".join(f"{text[:1].upper()}{text[1:]}".split()))
    if "text/html" not in request.headers.get("accept", "") and not is_fragment(request):
        return PlainTextResponse(sentence + "\n", status)
    return page(request, "fragments/error.html" if is_fragment(request) else "error.html", status=status, text=sentence)


def download(data: bytes, name: str, media: str) -> Response:
    """A file for the browser to save."""
    return Response(data, media_type=media, headers={"content-disposition": _attachment(name)})


def _attachment(name: str) -> str:
    return f"attachment; filename*=utf-8''{quote(name, safe='')}"


def image(data: bytes) -> Response:
    """A PNG to show. It may be kept by the browser: its address changes with it."""
    return Response(data, media_type="image/png")


@contextmanager
def saved(form: FormData, field: str, most: int) -> Iterator[list[tuple[str, Path]]]:
    """The files of a form, as (name, path), in a temporary folder for as long as the block lasts.

    most: bytes of one file. UploadError where there is none or one is larger.
    """
    files = [part for part in form.getlist(field) if isinstance(part, UploadFile) and part.filename]
    if not files:
        raise UploadError(400, "no file was sent")
    for file in files:
        if (file.size or 0) > most:
            raise UploadError(413, f"{file.filename}: {(file.size or 0) >> 20} MB, and {most >> 20} MB are the most")
    with tempfile.TemporaryDirectory(prefix="lfsgan-") as folder:
        found = []
        for index, file in enumerate(files):
            path = Path(folder) / f"{index}{_ending(file.filename or '')}"
            with path.open("wb") as out:
                file.file.seek(0)
                while chunk := file.file.read(1 << 20):
                    out.write(chunk)
            found.append((file.filename or "", path))
        yield found


def _ending(name: str) -> str:
    """The ending of an uploaded file's name, by which some readers go; nothing else of the name is used."""
    suffix = Path(name.replace("\\", "/")).suffix.lower()
    return suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 12 else ""


def part(text: str) -> str:
    """A text as one part of an address's path."""
    return quote(text, safe="")


def number(text: str | None, name: str, default: float, low: float, high: float) -> float:
    """A number in a range; ParameterError."""
    if text is None or text == "":
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ParameterError(name, text, f"a number from {low:g} to {high:g}")
    return value


def whole(text: str | None, name: str, default: int, low: int, high: int) -> int:
    """A whole number in a range; ParameterError."""
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and low <= int(text) <= high):
        raise ParameterError(name, text, f"a whole number from {low} to {high:,}")
    return int(text)


def duration(seconds: float | None) -> str:
    """`40 s`, `5 min` or `2 h 10 min`; `…` for what nobody knows yet."""
    if seconds is None:
        return "…"
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def _date(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return ""
    now = datetime.now(UTC)
    return f"{found.day} {found:%b}" if found.year == now.year else f"{found.day} {found:%b %Y}"


def _points(series: list[tuple[int, float]], width: float = 200, height: float = 40) -> str:
    """A curve as the points of an SVG polyline."""
    if len(series) < 2:
        return ""
    first, last = series[0][0], series[-1][0]
    values = [value for _, value in series if value == value]  # noqa: PLR0124 - NaN is not itself
    low, high = min(values, default=0.0), max(values, default=1.0)
    scale, span = (height - 4) / ((high - low) or 1), (last - first) or 1
    return " ".join(
        f"{(step - first) * width / span:.1f},{height - 2 - (value - low) * scale:.1f}" for step, value in series
    )
