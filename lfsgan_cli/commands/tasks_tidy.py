"""`lfsgan tasks rename`, `lfsgan tasks remove` and `lfsgan tasks verify`: keeping house, without torch."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.common import DEFAULT_WORKSPACE, DryRun, Json, WorkspaceDir
from lfsgan_cli.commands.tasks import TaskName
from lfsgan_cli.console import print_json, say, table

if TYPE_CHECKING:
    from lfsgan_cli.jobs.tidying import Removal
    from lfsgan_cli.jobs.verifying import Finding

NewName = Annotated[str, typer.Argument(metavar="NEW", help="What it is called from now on.")]
Doomed = Annotated[list[str], typer.Argument(metavar="NAME...", help="Tasks, or runs that were not finished.")]
Checked = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME...]", help="Learned tasks.  [default: all]", show_default=False)
]


def rename_task(
    name: TaskName,
    new: NewName,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Give a task another name; its file keeps every byte."""
    from lfsgan_cli.jobs import tidying
    from lfsgan_cli.taskfolder import task_path

    if dry_run:
        tidying.check_rename(workspace, name, new)
    else:
        tidying.rename(workspace, name, new)
    path = task_path(workspace, new)
    if as_json:
        print_json({"task": new, "was": name, "file": str(path)})
    else:
        say(f"{'Would rename' if dry_run else 'Renamed'} task {name!r} to {new!r}, in {path}.")


def remove_tasks(
    names: Doomed,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove tasks, and what learning them left; nothing is asked."""
    from lfsgan_cli.jobs import tidying

    removals = (tidying.removals if dry_run else tidying.remove)(workspace, names)
    if as_json:
        print_json({"removed": [_document(removal) for removal in removals]})
        return
    for removal in removals:
        say(f"{'Would remove' if dry_run else 'Removed'} {_spell(removal)}: {removal.bytes:,} bytes.")


def verify_tasks(
    names: Checked = None,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Check the base and the tasks, to the last bit; exit code 1 where one is not what was saved."""
    from lfsgan_cli.jobs import verifying

    findings = list(verifying.verify(workspace, names or None))
    whole = all(finding.whole for finding in findings)
    if as_json:
        print_json({"whole": whole, "files": [finding.to_json() for finding in findings]})
    else:
        _print(findings)
    if not whole:
        raise typer.Exit(1)


def _document(removal: "Removal") -> dict[str, Any]:
    paths = [str(path) for path in (removal.file, removal.run) if path is not None]
    return {"task": removal.name, "paths": paths, "bytes": removal.bytes}


def _spell(removal: "Removal") -> str:
    if removal.file is None:
        return f"what is left of the run {removal.name!r}"
    return f"task {removal.name!r}" + (" and its run" if removal.run is not None else "")


def _print(findings: "list[Finding]") -> None:
    if not findings:
        say("There is no task here yet, and no base.")
        return
    rows = [(finding.path.name, finding.state, finding.why or "every bit is as it was saved") for finding in findings]
    table(("file", "state", ""), rows)
