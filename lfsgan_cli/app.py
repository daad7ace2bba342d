"""The program: all commands with their examples, in the groups of `lfsgan --help`."""

from typing import Annotated

import typer

from lfsgan_cli import __version__
from lfsgan_cli.commands import base as base_commands
from lfsgan_cli.commands import task_files
from lfsgan_cli.commands import tasks as task_commands
from lfsgan_cli.commands.adapters import adapters
from lfsgan_cli.commands.base import base
from lfsgan_cli.commands.benchmark import benchmark
from lfsgan_cli.commands.doctor import doctor
from lfsgan_cli.commands.evaluate import evaluate
from lfsgan_cli.commands.generate import generate
from lfsgan_cli.commands.help import GENERATE, LEARN, MANAGE, MEASURE, help_
from lfsgan_cli.commands.interpolate import interpolate
from lfsgan_cli.commands.learn_all import learn_all
from lfsgan_cli.commands.learn_task import learn_task
from lfsgan_cli.commands.main import Cli
from lfsgan_cli.commands.options import everywhere, register
from lfsgan_cli.commands.pretrain import pretrain
from lfsgan_cli.commands.profile import profile
from lfsgan_cli.commands.project import project
from lfsgan_cli.commands.recipes import recipes
from lfsgan_cli.commands.report import report
from lfsgan_cli.commands.studio import studio
from lfsgan_cli.commands.style_mix import style_mix
from lfsgan_cli.commands.tasks import tasks

app = typer.Typer(
    name="lfsgan",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    cls=Cli,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(given: bool) -> None:
    if given:
        import platform
        from importlib.metadata import version  # of torch, without importing torch

        typer.echo(f"lfsgan {__version__} (torch {version('torch')}, Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
@everywhere
def lfsgan(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the versions.")
    ] = False,
) -> None:
    """Learn new image domains from about ten images each, without forgetting."""


register(
    app, "learn-task", learn_task,
    "lfsgan learn-task --images ./few_shots --name cats",
    "lfsgan learn-task --images cats.zip --name cats --adapter lora --steps 500",
    panel=LEARN, configured=True, shared=True,
)  # fmt: skip
register(
    app, "learn-all", learn_all,
    "lfsgan learn-all ./domains --jobs 4",
    "lfsgan learn-all tasks.toml --steps 500 --dry-run",
    panel=LEARN, configured=True,
)  # fmt: skip
register(
    app, "pretrain", pretrain,
    "lfsgan pretrain --data ./faces --resolution 64",
    "lfsgan pretrain --data ./faces --kimg 2000 --resume",
    panel=LEARN, configured=True, shared=True,
)  # fmt: skip
register(
    app, "recipes", recipes,
    "lfsgan recipes",
    "lfsgan recipes paper",
    panel=LEARN,
)  # fmt: skip
register(
    app, "adapters", adapters,
    "lfsgan adapters",
    "lfsgan adapters left",
    panel=LEARN,
)  # fmt: skip
register(
    app, "generate", generate,
    "lfsgan generate --task cats -n 64",
    "lfsgan generate cats dogs sketch=0.6,babies=0.4 --with-base --seeds 0-7",
    panel=GENERATE, configured=True, shared=True,
)  # fmt: skip
register(
    app, "style-mix", style_mix,
    "lfsgan style-mix --rows 0-3 --cols 8-11 --task cats",
    "lfsgan style-mix --rows 0-3 --cols 8-11 --layers middle+fine --task base",
    panel=GENERATE, configured=True,
)  # fmt: skip
register(
    app, "interpolate", interpolate,
    "lfsgan interpolate --seeds 0-7 --task cats --frames 24 --out walk.webp",
    "lfsgan interpolate --task cats --task dogs --seeds 0-5 --out tasks.gif",
    panel=GENERATE, configured=True,
)  # fmt: skip
register(
    app, "project", project,
    "lfsgan project photo.png --outdir projected",
    "lfsgan project photo.png --task cats --space w --steps 1000",
    panel=GENERATE, configured=True,
)  # fmt: skip
register(
    app, "studio", studio,
    "lfsgan studio",
    "lfsgan studio --workspace faces --port 9000 --no-browser",
    panel=GENERATE,
)  # fmt: skip
register(
    app, "evaluate", evaluate,
    "lfsgan evaluate --fid",
    "lfsgan evaluate --task cats --all --reals ./cats",
    panel=MEASURE, configured=True, shared=True,
)  # fmt: skip
register(
    app, "benchmark", benchmark,
    "lfsgan benchmark suite.toml --dry-run",
    "lfsgan benchmark suite.toml --data ./avatars --out ./results",
    panel=MEASURE, configured=True,
)  # fmt: skip
register(
    app, "report", report,
    "lfsgan report",
    "lfsgan report ./results --out page.html",
    panel=MEASURE,
)  # fmt: skip
register(
    app, "profile", profile,
    "lfsgan profile",
    "lfsgan profile --resolution 256 --seconds 10",
    panel=MEASURE,
)  # fmt: skip
app.add_typer(tasks, name="tasks", rich_help_panel=MANAGE)
app.add_typer(base, name="base", rich_help_panel=MANAGE)

register(
    tasks, "list", task_commands.list_,
    "lfsgan tasks list",
    "lfsgan tasks list --limit 50 --workspace s3://studio/faces",
)  # fmt: skip
register(tasks, "show", task_commands.show, "lfsgan tasks show cats", "lfsgan tasks show cats --full")
register(
    tasks, "snapshots", task_commands.show_snapshots,
    "lfsgan tasks snapshots cats",
    "lfsgan tasks snapshots cats --out cats.png",
)  # fmt: skip
register(
    tasks, "pick", task_commands.pick_snapshot,
    "lfsgan tasks pick cats 750",
    "lfsgan tasks pick cats 1000",
)  # fmt: skip
register(
    tasks, "verify", task_commands.verify_tasks,
    "lfsgan tasks verify",
    "lfsgan tasks verify cats dogs",
)  # fmt: skip
register(
    tasks, "rename", task_commands.rename_task,
    "lfsgan tasks rename cats kittens",
    "lfsgan tasks rename cats kittens --dry-run",
)  # fmt: skip
register(
    tasks, "remove", task_commands.remove_tasks,
    "lfsgan tasks remove cats",
    "lfsgan tasks remove cats dogs --dry-run",
)  # fmt: skip
register(
    tasks, "mix", task_files.mix_tasks,
    "lfsgan tasks mix both --task sketch=0.6,babies=0.4",
    "lfsgan tasks mix toon --task sketch=1 --strength 4-16=1,32-64=0",
)  # fmt: skip
register(
    tasks, "merge", task_files.merge,
    "lfsgan tasks merge cats cats.pt",
    "lfsgan tasks merge cats cats.safetensors --strength 0.5",
)  # fmt: skip
register(
    tasks, "import", task_files.import_task,
    "lfsgan tasks import sketches.pt --name sketches",
    "lfsgan tasks import hf://me/cats --name cats",
)  # fmt: skip
register(
    tasks, "push", task_files.push_tasks,
    "lfsgan tasks push cats s3://studio/faces",
    "lfsgan tasks push cats hf://me/cats --license cc0-1.0",
)  # fmt: skip
register(
    tasks, "pull", task_files.pull_tasks,
    "lfsgan tasks pull cats dogs s3://studio/faces",
    "lfsgan tasks pull hf://me/cats",
)  # fmt: skip
register(
    tasks, "export", task_files.export_task,
    "lfsgan tasks export cats cats.pt",
    "lfsgan tasks export cats cats.pt --overwrite",
)  # fmt: skip
register(base, "show", base_commands.show, "lfsgan base show", "lfsgan base show --json")
register(
    base, "import", base_commands.import_,
    "lfsgan base import 550000.pt",
    "lfsgan base import ffhq-256.pkl --workspace ffhq --dry-run",
)  # fmt: skip
register(
    base, "export", base_commands.export,
    "lfsgan base export base.pt",
    "lfsgan base export base.safetensors --overwrite",
)  # fmt: skip
register(
    app, "doctor", doctor,
    "lfsgan doctor",
    "lfsgan doctor --clean",
    panel=MANAGE,
)  # fmt: skip
register(
    app, "help", help_,
    "lfsgan help generate",
    "lfsgan help tasks merge",
    panel=MANAGE,
)  # fmt: skip
