"""The program: all commands, and the options before them."""

from typing import Annotated

import typer

from lfsgan_cli import __version__
from lfsgan_cli.commands.adapters import adapters
from lfsgan_cli.commands.base import base
from lfsgan_cli.commands.benchmark import benchmark
from lfsgan_cli.commands.doctor import doctor
from lfsgan_cli.commands.evaluate import evaluate
from lfsgan_cli.commands.generate import generate
from lfsgan_cli.commands.learn_task import learn_task
from lfsgan_cli.commands.main import Cli
from lfsgan_cli.commands.options import everywhere
from lfsgan_cli.commands.pretrain import pretrain
from lfsgan_cli.commands.profile import profile
from lfsgan_cli.commands.report import report
from lfsgan_cli.commands.tasks import export_task, import_task, merge, remove_tasks, rename_task, tasks, verify_tasks

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True, cls=Cli)


def _version(given: bool) -> None:
    if given:
        typer.echo(f"lfsgan {__version__}")
        raise typer.Exit


@app.callback()
@everywhere
def lfsgan(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Teach a picture generator new domains from about ten pictures each, and forget none."""


app.command("pretrain")(everywhere(pretrain))
app.command("learn-task")(everywhere(learn_task))
app.command("generate")(everywhere(generate))
app.command("merge")(everywhere(merge))
app.command("evaluate")(everywhere(evaluate))
app.command("benchmark")(everywhere(benchmark))
app.command("profile")(everywhere(profile))
app.command("doctor")(everywhere(doctor))
app.command("report")(everywhere(report))
app.command("adapters")(everywhere(adapters))
tasks.command("rename")(everywhere(rename_task))
tasks.command("remove")(everywhere(remove_tasks))
tasks.command("verify")(everywhere(verify_tasks))
tasks.command("import")(everywhere(import_task))
tasks.command("export")(everywhere(export_task))
app.add_typer(tasks, name="tasks")
app.add_typer(base, name="base")
