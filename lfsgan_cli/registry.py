"""Which adapters are installed: found by their entry points, and imported only when asked for by name."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from lfsgan_cli.errors import LfsganError, choices, one_line, quoted

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from lfsgan_cli.adapter import Adapter

GROUP = "lfsgan.adapters"


class UnknownAdapterError(LfsganError):
    """An adapter that no installed distribution offers."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no adapter {quoted(name)}; installed are: {choices(known, name)}")


class AmbiguousAdapterError(LfsganError):
    """One name offered by two distributions."""

    def __init__(self, name: str, distributions: Iterable[str]) -> None:
        owners = " and ".join(repr(owner) for owner in distributions)
        super().__init__(f"adapter {name!r} is offered by {owners}; expected one, so uninstall the other")


class BrokenAdapterError(LfsganError):
    """An adapter that cannot be imported, or is none."""

    def __init__(self, name: str, distribution: str, reason: str) -> None:
        super().__init__(f"adapter {name!r} of {distribution!r} cannot be used: {reason}; upgrade or uninstall it")


@dataclass(frozen=True)
class Entry:
    """An installed adapter: its name, the distribution that brings it, and that one's version."""

    name: str
    distribution: str
    version: str


def names() -> list[str]:
    """The names of all installed adapters, sorted; none is imported."""
    return sorted({point.name for point in _points()})


def entries() -> list[Entry]:
    """All installed adapters by name; a name that two distributions offer is there twice. None is imported."""
    found = {_entry(point) for point in _points()}
    return sorted(found, key=lambda entry: (entry.name, entry.distribution))


def find(name: str) -> Entry:
    """Who offers an adapter, without importing it; UnknownAdapterError, AmbiguousAdapterError."""
    return _entry(_point(name))


def load(name: str) -> "type[Adapter]":
    """The class behind a name; raises as `find` does, and BrokenAdapterError where it is none."""
    point = _point(name)
    try:
        found = point.load()
    except Exception as error:  # a plugin may fail in any way at all
        raise BrokenAdapterError(name, _owner(point), one_line(f"{type(error).__name__}: {error}")) from error
    return _checked(point, found)


def _points() -> "list[EntryPoint]":
    from importlib.metadata import entry_points  # a tenth of the time that `--help` takes

    return list(entry_points(group=GROUP))


def _point(name: str) -> "EntryPoint":
    points = {_owner(point): point for point in _points() if point.name == name}
    match list(points.values()):
        case []:
            raise UnknownAdapterError(name, names())
        case [point]:
            return point
        case _:
            raise AmbiguousAdapterError(name, sorted(points))


def _entry(point: "EntryPoint") -> Entry:
    return Entry(point.name, _owner(point), point.dist.version if point.dist else "")


def _owner(point: "EntryPoint") -> str:
    return point.dist.name if point.dist else point.value


def _checked(point: "EntryPoint", found: Any) -> "type[Adapter]":
    from lfsgan_cli.adapter import Adapter  # imports torch

    if not (inspect.isclass(found) and issubclass(found, Adapter)):
        raise BrokenAdapterError(point.name, _owner(point), f"{point.value!r} is not an Adapter class")
    if not is_dataclass(getattr(found, "Config", None)):
        raise BrokenAdapterError(point.name, _owner(point), f"{point.value!r} has no dataclass `Config`")
    return found
