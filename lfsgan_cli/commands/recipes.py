"""`lfsgan recipes`: the installed recipes, and the training settings that each of them changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.options import Json
from lfsgan_cli.commands.training import recipe_names
from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.options import Field
    from lfsgan_cli.recipe import Recipe
    from lfsgan_cli.registry import Entry


RecipeName = Annotated[
    str,
    typer.Argument(metavar="[NAME]", autocompletion=recipe_names, show_default=False, help="Recipe to show."),
]


def recipes(name: RecipeName = "", as_json: Json = False) -> None:
    """List the recipes, or the settings of one.

    Without NAME: all installed recipes, with what they do, the formula of what they add, and their paper; then every
    setting that `-t KEY=VALUE` of `learn-task` takes. With NAME: the settings that this recipe changes.
    """
    from lfsgan_cli import options, registry
    from lfsgan_cli.training.config import LearnConfig

    shown = [Installed(registry.find(name, registry.RECIPES), registry.load_recipe(name))] if name else _all()
    fields = [field for field in options.describe(LearnConfig) if not name or field.name in shown[0].recipe.training]
    if as_json:
        print_json({
            "recipes": [one.document() for one in shown], "settings": [_setting(field, shown) for field in fields],
        })  # fmt: skip
    elif name:
        _print_one(shown[0], fields)
    else:
        table(("recipe", "what it does", "formula", "paper", "distribution"), [one.row() for one in shown])
        print_text("\nSettings of training, with their defaults; `lfsgan recipes NAME` shows those of a recipe:\n")
        rows = [(field.name, field.type, options.spell(field.default), field.help) for field in fields]
        table(("-t setting", "type", "default", "meaning"), rows)


@dataclass(frozen=True)
class Installed:
    """A recipe with the distribution that brings it."""

    entry: "Entry"
    recipe: "Recipe"

    def row(self) -> tuple[str, ...]:
        """Its line in the list."""
        return (
            self.entry.name, self.recipe.about, self.recipe.formula, self.recipe.paper, self.entry.distribution
        )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        keys = ("name", "about", "formula", "paper", "distribution")
        values = (self.entry.name, self.recipe.about, self.recipe.formula, self.recipe.paper, self.entry.distribution)
        options = {adapter: dict(settings) for adapter, settings in self.recipe.options.items()}
        return {**dict(zip(keys, values, strict=True)), "version": self.entry.version, "options": options}

    def value(self, field: "Field") -> Any:
        """What it sets a setting to."""
        return self.recipe.training.get(field.name, field.default)


def _all() -> list[Installed]:
    """All that can be used; of the others, a warning."""
    from lfsgan_cli import registry

    found = []
    for entry in registry.entries(registry.RECIPES):
        try:
            found.append(Installed(entry, registry.load_recipe(entry.name)))
        except LfsganError as error:
            warn(str(error))
    if not found:
        say("No recipe is installed; reinstall lfsgan, which brings some.")
    return sorted(found, key=lambda one: one.entry.name != "default")


def _print_one(one: Installed, fields: "list[Field]") -> None:
    from lfsgan_cli.options import spell

    print_text(f"{one.entry.name} ({one.entry.distribution} {one.entry.version}): {one.recipe.about}")
    if one.recipe.formula:
        print_text(f"Formula: {one.recipe.formula}")
    if one.recipe.paper:
        print_text(f"Paper: {one.recipe.paper}")
    print_text("")
    if fields:
        rows = [
            (field.name, field.type, *map(spell, (field.default, one.value(field))), field.help) for field in fields
        ]
        table(("-t setting", "type", "default", one.entry.name, "meaning"), rows)
    else:
        print_text("It changes no setting; `lfsgan recipes` lists all of them.")
    for adapter, settings in one.recipe.options.items():
        pairs = " ".join(f"-o {key}={spell(value)}" for key, value in settings.items())
        print_text(f"\nFor the adapter {adapter} it also sets: {pairs}")


def _setting(field: "Field", shown: "list[Installed]") -> dict[str, Any]:
    values = {one.entry.name: one.value(field) for one in shown}
    return {"name": field.name, "type": field.type, "default": field.default, "help": field.help, "values": values}
