"""Which adapters and recipes are installed: found by their entry points, and imported only when asked for by name."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from lfsgan_cli.errors import LfsganError, choices, one_line, quoted

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from lfsgan_cli.adapter import Adapter
    from lfsgan_cli.recipe import Recipe


class UnknownAdapterError(LfsganError):
    """An adapter that no installed distribution offers."""

    noun = "adapter"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {self.noun} {quoted(name)}; installed are: {choices(known, name)}")


class AmbiguousAdapterError(LfsganError):
    """One name offered by two distributions."""

    noun = "adapter"

    def __init__(self, name: str, distributions: Iterable[str]) -> None:
        owners = " and ".join(repr(owner) for owner in distributions)
        super().__init__(f"{self.noun} {name!r} is offered by {owners}; expected one, so uninstall the other")


class BrokenAdapterError(LfsganError):
    """An adapter that cannot be imported, or is none."""

    noun = "adapter"

    def __init__(self, name: str, distribution: str, reason: str) -> None:
        super().__init__(f"{self.noun} {name!r} of {distribution!r} cannot be used: {reason}; upgrade or uninstall it")


class UnknownRecipeError(UnknownAdapterError):
    """A recipe that no installed distribution offers."""

    noun = "recipe"


class AmbiguousRecipeError(AmbiguousAdapterError):
    """One name offered by two distributions."""

    noun = "recipe"


class BrokenRecipeError(BrokenAdapterError):
    """A recipe that cannot be imported, or is none."""

    noun = "recipe"


@dataclass(frozen=True)
class Group:
    """An entry-point group, and the errors that speak of what it holds."""

    name: str
    unknown: type[UnknownAdapterError]
    ambiguous: type[AmbiguousAdapterError]
    broken: type[BrokenAdapterError]


ADAPTERS = Group("lfsgan.adapters", UnknownAdapterError, AmbiguousAdapterError, BrokenAdapterError)
RECIPES = Group("lfsgan.recipes", UnknownRecipeError, AmbiguousRecipeError, BrokenRecipeError)


@dataclass(frozen=True)
class Entry:
    """What is installed: its name, the distribution that brings it, and that one's version."""

    name: str
    distribution: str
    version: str


def names(group: Group = ADAPTERS) -> list[str]:
    """The names of all that is installed, sorted; nothing is imported."""
    return sorted({point.name for point in _points(group)})


def entries(group: Group = ADAPTERS) -> list[Entry]:
    """All that is installed, by name; a name that two distributions offer is there twice. Nothing is imported."""
    found = {_entry(point) for point in _points(group)}
    return sorted(found, key=lambda entry: (entry.name, entry.distribution))


def find(name: str, group: Group = ADAPTERS) -> Entry:
    """Who offers a name, without importing it; UnknownAdapterError, AmbiguousAdapterError, or those of recipes."""
    return _entry(_point(name, group))


def load(name: str) -> "type[Adapter]":
    """The class of an adapter; raises as `find` does, and BrokenAdapterError where it is none."""
    point, found = _loaded(name, ADAPTERS)
    from lfsgan_cli.adapter import Adapter  # imports torch

    if not (inspect.isclass(found) and issubclass(found, Adapter)):
        raise BrokenAdapterError(point.name, _owner(point), f"{point.value!r} is not an Adapter class")
    if not is_dataclass(getattr(found, "Config", None)):
        raise BrokenAdapterError(point.name, _owner(point), f"{point.value!r} has no dataclass `Config`")
    return found


def load_recipe(name: str) -> "Recipe":
    """A recipe; raises as `find` does, and BrokenRecipeError where it is none."""
    point, found = _loaded(name, RECIPES)
    from lfsgan_cli.recipe import Recipe  # imports torch

    if not isinstance(found, Recipe):
        raise BrokenRecipeError(point.name, _owner(point), f"{point.value!r} is not a Recipe")
    return found


def _loaded(name: str, group: Group) -> "tuple[EntryPoint, Any]":
    point = _point(name, group)
    try:
        return point, point.load()
    except Exception as error:  # a plugin may fail in any way at all
        raise group.broken(name, _owner(point), one_line(f"{type(error).__name__}: {error}")) from error


def _points(group: Group) -> "list[EntryPoint]":
    from importlib.metadata import entry_points  # a tenth of the time that `--help` takes

    return list(entry_points(group=group.name))


def _point(name: str, group: Group) -> "EntryPoint":
    points = {_owner(point): point for point in _points(group) if point.name == name}
    match list(points.values()):
        case []:
            raise group.unknown(name, names(group))
        case [point]:
            return point
        case _:
            raise group.ambiguous(name, sorted(points))


def _entry(point: "EntryPoint") -> Entry:
    return Entry(point.name, _owner(point), point.dist.version if point.dist else "")


def _owner(point: "EntryPoint") -> str:
    return point.dist.name if point.dist else point.value
