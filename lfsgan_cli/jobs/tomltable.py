"""Takes typed values out of a table of a TOML file, and says in one line what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.option_types import option_type
from lfsgan_cli.wording import choices, quoted

LONGEST = 100  # characters of a key that is compared with the known ones


class SuiteError(LfsganError):
    """A suite that cannot be run as it stands."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r}: {reason}")


@dataclass(frozen=True)
class Table:
    """One table of a suite. place: its name for people, such as "[suite]"; known: the keys that it may have."""

    path: Path
    place: str
    values: Mapping[str, Any]
    known: tuple[str, ...]

    def __post_init__(self) -> None:
        """SuiteError for a key that nothing reads, which would be a mistake unseen."""
        for key in self.values:
            if key not in self.known:
                known = choices(self.known, key[:LONGEST])
                raise self.error(f"unknown key {quoted(key)} in {self.place}; the known ones are: {known}")

    def error(self, reason: str) -> SuiteError:
        """One that names the file."""
        return SuiteError(self.path, reason)

    def need(self, key: str, annotation: Any) -> Any:
        """A value that must be there, of the type that `annotation` stands for (see `option_types`)."""
        if key not in self.values:
            raise self.error(f"{key} is missing in {self.place}; expected {key} = {option_type(annotation)}")
        return self._checked(key, self.values[key], annotation)

    def get(self, key: str, annotation: Any, default: Any) -> Any:
        """A value that may be there."""
        return self.need(key, annotation) if key in self.values else default

    def several(self, key: str, annotation: Any, default: Sequence[Any]) -> tuple[Any, ...]:
        """A list of values, one at least, each of them once."""
        values = self.values.get(key, default)
        if not isinstance(values, list | tuple) or not values:
            raise self.error(f"{key} = {quoted(values)} in {self.place}: expected a list of one or more")
        found = tuple(self._checked(key, value, annotation) for value in values)
        for value in found:
            if found.count(value) > 1:
                raise self.error(f"{key} in {self.place} has {quoted(value)} twice; leave one out")
        return found

    def table(self, key: str) -> Mapping[str, Any]:
        """A table in this one; empty if it is not there."""
        found = self.values.get(key, {})
        if not isinstance(found, dict):
            raise self.error(f"{key} = {quoted(found)} in {self.place}: expected a table such as {{name = value}}")
        return found

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """The tables under [[key]], one at least."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
            raise self.error(f"expected one or more tables [[{key}]]")
        return found

    def _checked(self, key: str, value: Any, annotation: Any) -> Any:
        kind = option_type(annotation)
        try:
            return kind.check(value)
        except (ValueError, OverflowError) as error:
            raise self.error(f"{key} = {quoted(value)} in {self.place}: expected {kind}") from error
