"""`lfsgan adapters`: which adapters are installed, and what each one can be told with `-o key=value`."""

from dataclasses import MISSING
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.completion import adapter_names
from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.options import Json
from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.options import Field
    from lfsgan_cli.registry import Entry


def adapters(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", autocompletion=adapter_names, show_default=False, help="Adapter to show.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the adapters, or the options of one.

    Without NAME: all installed adapters. With NAME: what `-o KEY=VALUE` of `learn-task` takes.
    """
    if name:
        _show(name, as_json=as_json)
    else:
        _list(as_json=as_json)


def _list(*, as_json: bool) -> None:
    from lfsgan_cli import registry

    found = [_document(entry, _doc(entry)) for entry in registry.entries()]
    if as_json:
        print_json({"adapters": found})
    elif found:
        table(("adapter", "distribution", "about"), [(one["name"], one["distribution"], one["about"]) for one in found])
    else:
        say("No adapter is installed; reinstall lfsgan, which brings some.")


def _show(name: str, *, as_json: bool) -> None:
    from lfsgan_cli import options, registry

    adapter = registry.load(name)
    entry, fields = registry.find(name), options.describe(adapter.Config)
    if as_json:
        print_json({**_document(entry, _about(adapter)), "options": [_option(field) for field in fields]})
    else:
        _print_options(entry, _about(adapter), fields)


def _doc(entry: "Entry") -> str:
    """What an adapter says of itself; a broken one is warned of, and spoils no list."""
    from lfsgan_cli import registry

    try:
        return _about(registry.load(entry.name))
    except LfsganError as error:
        warn(str(error))
        return "(cannot be used)"


def _about(adapter: type) -> str:
    return next(iter((adapter.__doc__ or "").strip().splitlines()), "")


def _document(entry: "Entry", about: str) -> dict[str, Any]:
    return {"name": entry.name, "distribution": entry.distribution, "version": entry.version, "about": about}


def _option(field: "Field") -> dict[str, Any]:
    document = {"name": field.name, "type": field.type, "help": field.help, "required": field.default is MISSING}
    return document if field.default is MISSING else {**document, "default": field.default}


def _print_options(entry: "Entry", about: str, fields: "list[Field]") -> None:
    from lfsgan_cli.options import spell

    print_text(f"{entry.name} ({entry.distribution} {entry.version}): {about}\n")
    if not fields:
        print_text("It has no options.")
        return
    rows = [
        (field.name, field.type, "required" if field.default is MISSING else spell(field.default), field.help)
        for field in fields
    ]
    table(("-o option", "type", "default", "about"), rows)
