"""`lfsgan recipes`: the settings of training, and what each recipe sets them to."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import print_json, print_text, table
from lfsgan_cli.commands.options import Json
from lfsgan_cli.commands.training import recipe_names

if TYPE_CHECKING:
    from lfsgan_cli.options import Field
    from lfsgan_cli.training.recipes import Recipe


RecipeName = Annotated[
    str,
    typer.Argument(metavar="[NAME]", autocompletion=recipe_names, show_default=False, help="Recipe to show."),
]


def recipes(name: RecipeName = "", as_json: Json = False) -> None:
    """List the training settings of each recipe.

    Without NAME: every setting that `-t KEY=VALUE` of `learn-task` takes, with its type, its value in each recipe and
    its meaning. With NAME: only the settings that this recipe changes.
    """
    from lfsgan_cli import options
    from lfsgan_cli.training.config import LearnConfig
    from lfsgan_cli.training.recipes import RECIPES, recipe_of

    shown = {name: recipe_of(name)} if name else dict(RECIPES)
    fields = [field for field in options.describe(LearnConfig) if not name or field.name in shown[name].training]
    if as_json:
        print_json({"recipes": list(shown), "settings": [_document(field, shown) for field in fields]})
        return
    if not fields:
        print_text(f"The recipe {name!r} changes no setting; `lfsgan recipes` lists all of them.")
        return
    headings = ["default", *(each for each in shown if each != "default")]
    rows = [
        (field.name, field.type, *(_value(field, shown, each) for each in headings), field.help) for field in fields
    ]
    table(("-t setting", "type", *headings, "meaning"), rows)
    for each, recipe in shown.items():
        for adapter, settings in recipe.options.items():
            pairs = " ".join(f"-o {key}={options.spell(value)}" for key, value in settings.items())
            print_text(f"\n{each} also sets for the adapter {adapter}: {pairs}")


def _value(field: "Field", shown: "dict[str, Recipe]", recipe: str) -> str:
    from lfsgan_cli.options import spell

    return spell(shown[recipe].training.get(field.name, field.default) if recipe in shown else field.default)


def _document(field: "Field", shown: "dict[str, Recipe]") -> dict[str, Any]:
    values = {name: recipe.training.get(field.name, field.default) for name, recipe in shown.items()}
    return {"name": field.name, "type": field.type, "default": field.default, "help": field.help, "values": values}
