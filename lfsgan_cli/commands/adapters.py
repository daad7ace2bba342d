"""`lfsgan adapters`: which adapters are installed, and what each one can be told with `-o key=value`."""

from dataclasses import MISSING, asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Json, WorkspaceDir, adapter_names
from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.adapter import Adapter
    from lfsgan_cli.networks.generator import Generator
    from lfsgan_cli.options import Field
    from lfsgan_cli.registry import Entry


def adapters(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", autocompletion=adapter_names, show_default=False, help="Adapter to show.")
    ] = "",
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """List the adapters, or the options of one.

    Without NAME: all installed adapters, with what they change, the formula, the paper, and how many parameters a task
    has on the workspace's base (on the embedded one where there is none). With NAME: what `-o KEY=VALUE` of
    `learn-task` takes.
    """
    from lfsgan_cli import registry

    if name:
        adapter, base = registry.load(name), _base(workspace)
        _show(_described(registry.find(name), adapter, base), adapter, as_json=as_json)
    else:
        base = _base(workspace)
        _list([_listed(entry, base) for entry in registry.entries()], as_json=as_json)


@dataclass(frozen=True)
class Description:
    """What the list says of one adapter; `parameters`: of a task with default options, None if that is not known."""

    name: str
    distribution: str
    version: str
    about: str
    paper: str = ""
    formula: str = ""
    parameters: int | None = None


def _base(root: Path) -> "Generator | None":
    """The network that sizes are given for; a damaged one is warned of."""
    from lfsgan_cli.workspace.workspace import workspace_at

    try:
        return workspace_at(root).base.average
    except LfsganError as error:
        warn(str(error))
        return None


def _listed(entry: "Entry", base: "Generator | None") -> Description:
    """The same as `_described`; a broken adapter is warned of, and spoils no list."""
    from lfsgan_cli import registry

    try:
        return _described(entry, registry.load(entry.name), base)
    except LfsganError as error:
        warn(str(error))
        return Description(entry.name, entry.distribution, entry.version, "(cannot be used)")


def _described(entry: "Entry", adapter: "type[Adapter]", base: "Generator | None") -> Description:
    about = next(iter((adapter.__doc__ or "").strip().splitlines()), "")
    parameters = None if base is None else _parameters(entry, adapter, base)
    return Description(
        entry.name, entry.distribution, entry.version, about, adapter.paper, adapter.formula, parameters
    )  # fmt: skip


def _parameters(entry: "Entry", adapter: "type[Adapter]", base: "Generator") -> int | None:
    """How many numbers a task with default options has; None if an option has no default."""
    from lfsgan_cli import options
    from lfsgan_cli.adapter import construct
    from lfsgan_cli.errors import one_line
    from lfsgan_cli.registry import BrokenAdapterError

    if any(field.default is MISSING for field in options.describe(adapter.Config)):
        return None
    try:
        return construct(adapter, base, adapter.Config()).size
    except Exception as error:  # a plugin may fail in any way at all
        raise BrokenAdapterError(
            entry.name, entry.distribution, one_line(f"{type(error).__name__}: {error}")
        ) from error


def _list(found: "list[Description]", *, as_json: bool) -> None:
    if as_json:
        print_json({"adapters": [asdict(one) for one in found]})
    elif found:
        rows = [
            (
                one.name, "-" if one.parameters is None else one.parameters,
                one.about, one.formula, one.paper, one.distribution,
            )
            for one in found
        ]  # fmt: skip
        table(("adapter", "parameters", "what it changes", "formula", "paper", "distribution"), rows)
    else:
        say("No adapter is installed; reinstall lfsgan, which brings some.")


def _show(found: Description, adapter: "type[Adapter]", *, as_json: bool) -> None:
    from lfsgan_cli import options

    fields = options.describe(adapter.Config)
    if as_json:
        print_json({**asdict(found), "options": [_option(field) for field in fields]})
        return
    print_text(f"{found.name} ({found.distribution} {found.version}): {found.about}")
    if found.formula:
        print_text(f"Formula: {found.formula}")
    if found.paper:
        print_text(f"Paper: {found.paper}")
    if found.parameters is not None:
        print_text(f"Parameters on this base: {found.parameters:,}")
    print_text("")
    if not fields:
        print_text("It has no options.")
        return
    rows = [
        (field.name, field.type, "required" if field.default is MISSING else options.spell(field.default), field.help)
        for field in fields
    ]
    table(("-o option", "type", "default", "about"), rows)


def _option(field: "Field") -> dict[str, Any]:
    document = {"name": field.name, "type": field.type, "help": field.help, "required": field.default is MISSING}
    return document if field.default is MISSING else {**document, "default": field.default}
