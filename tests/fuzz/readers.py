"""Every reader of lfsgan, with what the next step would look at, by the group of files that it is for."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from typer.testing import CliRunner

from lfsgan_cli.app import app
from lfsgan_cli.benchmark.results import RunLines, read_runs
from lfsgan_cli.benchmark.suite import read_suite
from lfsgan_cli.checkpoints import detect, lfsgan
from lfsgan_cli.checkpoints.checkpoint import Checkpoint
from lfsgan_cli.checkpoints.convert import plan_task_import
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation import features
from lfsgan_cli.generation.output import text_of
from lfsgan_cli.images.dataset import ImageDataset, check, load_images
from lfsgan_cli.images.decode import decode, fit
from lfsgan_cli.images.source import open_source
from lfsgan_cli.report.benchmark import page_of
from lfsgan_cli.report.html import to_html
from lfsgan_cli.report.images import Samples
from lfsgan_cli.report.model import Page
from lfsgan_cli.report.text import to_csv, to_markdown
from lfsgan_cli.report.workspace import BaseFacts, read_workspace
from lfsgan_cli.workspace import base_file, checkpoint_file
from lfsgan_cli.workspace.base_file import Base
from lfsgan_cli.workspace.task_file import TaskFile, read_summary
from lfsgan_cli.workspace.workspace import Workspace

Reader = Callable[[Path], object]
SIDE = 16  # pixels of what images are fitted to
PLACES = {
    "runs": "benchmark/runs.jsonl", "metrics": "workspace/tasks/dogs/metrics.jsonl",
    "stats": "workspace/tasks/dogs/stats.jsonl", "retention": "workspace/retention.json",
    "run": "workspace/tasks/dogs/run.json",
}  # fmt: skip

# Typer's own settings go into the environment; Python evaluates the annotations of an adapter's options, and Jinja
# compiles the page: all of these are ours.
COMPILING = ("compile", "exec")
ALLOWED = {
    **dict.fromkeys(("import of a task", "rebuilding", "suite"), COMPILING),
    **dict.fromkeys(("report of a task", "report of a benchmark", "report"), COMPILING),
    "commands": (*COMPILING, "os.putenv"),
}


def readers(folder: Path) -> dict[str, dict[str, Reader]]:
    """By group; each takes the path of a file of that group."""
    workspace = Workspace(folder / "workspace")
    workspace.base  # noqa: B018 - it is read once, and not by a reader
    return {
        "tensors": {
            "base": lambda path: touch(Base.open(path)),
            "base header": base_file.read_summary,
            "task": lambda path: touch(TaskFile.open(path).tensors),
            "task header": read_summary,
            "rebuilding": partial(_rebuilt, workspace),
            "commands": partial(_shown, folder),
            "report of a task": partial(_reported, folder),
            "state": lambda path: touch(checkpoint_file.read(path)[0]),
            "cache": lambda path: touch(features.read_cached(path, "{}")),
            "checkpoint": lambda path: touch(detect.read(path)),
        },
        "checkpoint": {
            "checkpoint": lambda path: touch(detect.read(path)),
            "published task": lambda path: touch(lfsgan.read(path).tensors),
            "import of a task": lambda path: touch(
                plan_task_import(workspace, path, "cats", activation=True, overwrite=False).adapter
            ),
            "base": lambda path: touch(Base.open(path)),
        },
        "picture": {
            "picture": lambda path: fit(decode(path.read_bytes()).image, SIDE),
            "shots": lambda path: load_images(path.parent, SIDE),
            "note of a picture": text_of,
        },
        "zip": {
            "zip": lambda path: check(ImageDataset(open_source(path), SIDE)),
            "shots": lambda path: load_images(path, SIDE),
        },
        "suite": {"suite": lambda path: read_suite(path, None)},
        "lines": {
            "runs": lambda path: RunLines(path.parent),
            "report of a benchmark": lambda path: _pages(
                page_of(path.parent, read_runs(path.parent), Samples((), {}, {}))
            ),
            "report": lambda _path: _reported(folder, folder / "workspace" / "tasks" / "dogs.safetensors"),
        },
    }


def place(folder: Path, sample: str) -> Path:
    """Where a damaged file lies, so that readers find it as they would a user's."""
    group, _, name = sample.partition(" ")
    if group == "tensors":
        return folder / "workspace" / "tasks" / "odd.safetensors"
    if group == "lines":
        return folder / PLACES[name]
    if group == "picture":
        return folder / "shots" / "odd.png"
    return folder / {"checkpoint": "odd.pt", "zip": "odd.zip", "suite": "odd.toml"}[group]


def touch(found: object) -> None:
    """Look at every number: a mapped file that is shorter than it says would end the process here."""
    for tensor in _tensors(found):
        tensor.double().sum().item()


def _tensors(found: object) -> Iterator[Tensor]:
    match found:
        case Tensor():
            yield found
        case Mapping() | tuple():
            for value in found.values() if isinstance(found, Mapping) else found:
                yield from _tensors(value)
        case Base(average=network) | (nn.Module() as network):
            yield from network.state_dict().values()
        case Checkpoint():
            yield from _tensors((found.average, found.live, found.discriminator, found.w_mean))
        case _:
            pass


def _rebuilt(workspace: Workspace, path: Path) -> None:
    touch(TaskFile.open(path).adapter(workspace.base.average))


def _shown(folder: Path, _path: Path) -> None:
    """What the commands say of the file, every letter of it."""
    for words in (["list"], ["list", "--json"], ["show", "odd"], ["show", "odd", "--json"]):
        result = CliRunner().invoke(app, ["tasks", *words, "--workspace", str(folder / "workspace")])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "bug in lfsgan" not in result.output, result.output
        _check_shown(result.output)


def _reported(folder: Path, path: Path) -> None:
    """The page of a workspace with this task, as far as it is written without drawing."""
    facts = BaseFacts("reference", "ab" * 32, SIDE, 1, 1)
    try:
        summary = read_summary(path)
    except LfsganError as error:
        _pages(read_workspace(folder / "workspace", facts, {}, Samples((), {}, {"dogs": str(error)})))
    else:
        _pages(read_workspace(folder / "workspace", facts, {"dogs": summary}, Samples((), {}, {})))


def _pages(page: Page) -> None:
    html = to_html(page)
    assert "<script" not in html
    for text in (html, to_markdown(page, "page.html"), to_csv(page)):
        text.encode()
        _check_shown(text)


def _check_shown(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), repr(line[:500])
