"""`lfsgan doctor`: checks the machine and the workspace, and says what to do about each problem."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.help import OUTPUT
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Json, WorkspaceDir, to_repeat

Clean = Annotated[
    bool,
    typer.Option("--clean", rich_help_panel=OUTPUT, help="Empty the trash; remove temporary files, checkpoints."),
]


def doctor(workspace: WorkspaceDir = DEFAULT_WORKSPACE, clean: Clean = False, as_json: Json = False) -> None:
    """Check the machine and the workspace for problems.

    Lists device, versions, adapters, cached weights and the state of the workspace. Exits with code 1 if there is a
    problem, and says what to do about it.
    """
    from lfsgan_cli.diagnostics import doctor
    from lfsgan_cli.diagnostics.workspace import examine, remove_stale, report

    state = examine(workspace)
    if clean:
        _print_removed((*state.stale, *state.spare), remove_stale(state))
        state = examine(workspace)
    there = report(state, partial(to_repeat, workspace=workspace))
    parts = [doctor.machine(), doctor.extensions(), doctor.weights(), there]
    problems = [(part.title, problem) for part in parts for problem in part.problems]
    if as_json:
        told = [{"part": title, "what": problem.what, "way": problem.way} for title, problem in problems]
        print_json({**{part.title: dict(part.facts) for part in parts}, "problems": told})
    else:
        for part in parts:
            table((part.title, ""), part.facts)
            print_text("")
        for _, problem in problems:
            print_text(f"Problem: {problem.what}\n  What to do: {problem.way}")
        if not problems:
            print_text("No problems found.")
    if problems:
        raise typer.Exit(1)


def _print_removed(paths: Sequence[Path], left: Sequence[Path]) -> None:
    for path in paths:
        if path in left:
            warn(f"{str(path)!r} could not be removed")
        else:
            say(f"Removed {path}.")
    if not paths:
        say("There is nothing to remove here.")
