"""`lfsgan evaluate --retention`: the proof that no task was forgotten."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lfsgan_cli.console import print_json, say, table

if TYPE_CHECKING:
    from lfsgan_cli.jobs.retention import Verdict


def prove(workspace: Path, task: list[str] | None, device: str, *, dry_run: bool, as_json: bool) -> None:
    """Compare tasks with what was recorded of them; exit code 1 where one is not what it was."""
    from lfsgan_cli.devices import pick
    from lfsgan_cli.jobs import retention
    from lfsgan_cli.jobs.subjects import NoTaskError
    from lfsgan_cli.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    names = list(dict.fromkeys(task)) if task else retention.names(place)
    if not names:
        raise NoTaskError(place.root)
    if dry_run:
        say(f"Would compare {', '.join(names)} with what was recorded.")
        return
    verdicts = retention.check_all(place, names, where)
    if as_json:
        print_json({"tasks": {name: verdict.to_json() for name, verdict in verdicts.items()}})
    else:
        table(("task", "retained", "pictures", "difference", "why"), [_row(*item) for item in verdicts.items()])
    if not all(verdict.retained for verdict in verdicts.values()):
        raise typer.Exit(1)


def _row(name: str, verdict: "Verdict") -> tuple[str, str, str, int, str]:
    kept = "yes" if verdict.retained else "NO"
    pictures = f"{verdict.pictures}, {verdict.compared} compared"
    return name, kept, pictures, verdict.largest_difference, verdict.why
