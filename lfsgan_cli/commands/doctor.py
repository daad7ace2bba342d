"""`lfsgan doctor`: the state of machine and workspace, and what to do about each problem."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.help import OUTPUT
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Json, WorkspaceDir, to_repeat

if TYPE_CHECKING:
    from lfsgan_cli.diagnostics.doctor import MachineReport
    from lfsgan_cli.diagnostics.workspace import WorkspaceState

Clean = Annotated[
    bool, typer.Option("--clean", rich_help_panel=OUTPUT, help="Remove temporary files of killed processes.")
]


def doctor(workspace: WorkspaceDir = DEFAULT_WORKSPACE, clean: Clean = False, as_json: Json = False) -> None:
    """Check the machine and the workspace for problems.

    Lists device, versions, adapters, cached weights and the state of the workspace. Exits with code 1 if there is a
    problem, and says what to do about it.
    """
    from lfsgan_cli.diagnostics import doctor
    from lfsgan_cli.diagnostics import workspace as doctor_workspace

    state = doctor_workspace.examine(workspace)
    if clean:
        _clean(state)
        state = doctor_workspace.examine(workspace)
    there = doctor_workspace.part(state, partial(to_repeat, workspace=workspace))
    parts = [doctor.machine(), doctor.extensions(), doctor.weights(), there]
    if as_json:
        print_json(_document(parts))
    else:
        _print(parts)
    if any(part.problems for part in parts):
        raise typer.Exit(1)


def _clean(state: "WorkspaceState") -> None:
    from lfsgan_cli.diagnostics.workspace import clean

    left = clean(state.stale)
    for path in state.stale:
        if path in left:
            warn(f"{str(path)!r} could not be removed")
        else:
            say(f"Removed {path}.")
    if not state.stale:
        say("Killed processes left nothing here.")


def _document(parts: "list[MachineReport]") -> dict[str, object]:
    problems = [{"part": part.title, "what": each.what, "way": each.way} for part in parts for each in part.problems]
    return {**{part.title: dict(part.facts) for part in parts}, "problems": problems}


def _print(parts: "list[MachineReport]") -> None:
    for part in parts:
        table((part.title, ""), part.facts)
        print_text("")
    problems = [problem for part in parts for problem in part.problems]
    for problem in problems:
        print_text(f"Problem: {problem.what}\n  What to do: {problem.way}")
    if not problems:
        print_text("All is well.")
