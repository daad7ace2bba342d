"""Adapters are found by their entry points, and imported only when asked for."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lfsgan_cli.registry import (
    AmbiguousAdapterError,
    BrokenAdapterError,
    Entry,
    UnknownAdapterError,
    entries,
    find,
    load,
    names,
)

GOOD = '''
from dataclasses import dataclass
from lfsgan_cli.adapter import Adapter

class Shift(Adapter):
    """Shifts."""
    @dataclass(frozen=True)
    class Config:
        gain: float = 1.0
'''

Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution of one module and one adapter on the path, as pip would."""

    def put(distribution: str, point: str, source: str) -> None:
        root = tmp_path / distribution
        info = root / f"{distribution}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[lfsgan.adapters]\n{point}\n")
        (root / f"{distribution}.py").write_text(source)
        monkeypatch.syspath_prepend(root)
        monkeypatch.delitem(sys.modules, distribution, raising=False)

    return put


def test_an_installed_adapter_is_found_without_being_imported(install: Install) -> None:
    install("shifty", "shift = shifty:Shift", "raise SystemError('imported')")
    assert "shift" in names()
    assert find("shift") == Entry("shift", "shifty", "1.2")
    assert Entry("shift", "shifty", "1.2") in entries()


def test_only_the_adapter_that_is_asked_for_is_imported(install: Install) -> None:
    install("shifty", "shift = shifty:Shift", GOOD)
    install("other", "other = other:Other", "raise SystemError('imported')")
    assert load("shift").__doc__ == "Shifts."
    assert "other" not in sys.modules


def test_an_unknown_adapter_is_answered_with_the_near_one(install: Install) -> None:
    install("shifty", "shift = shifty:Shift", GOOD)
    with pytest.raises(UnknownAdapterError, match=r"'shfit'.*did you mean 'shift'\?"):
        load("shfit")


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("shifty", "shift = shifty:Shift", GOOD)
    install("drifty", "shift = drifty:Shift", GOOD)
    assert names().count("shift") == 1
    with pytest.raises(AmbiguousAdapterError, match="'drifty' and 'shifty'"):
        load("shift")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first second"),
        ("def Shift(): ...", "not an Adapter class"),
        ("class Shift: ...", "not an Adapter class"),
        ("other = 1", "AttributeError"),
        (GOOD.replace("@dataclass(frozen=True)", ""), "no dataclass `Config`"),
    ],
)
def test_a_broken_plugin_is_one_line_with_its_distribution(install: Install, source: str, reason: str) -> None:
    install("shifty", "shift = shifty:Shift", source)
    with pytest.raises(BrokenAdapterError, match="'shift' of 'shifty'") as error:
        load("shift")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
