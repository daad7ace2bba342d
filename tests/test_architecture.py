"""What the layout promises, beside the import contracts in pyproject.toml."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = [ROOT / "lfsgan_cli", ROOT / "adapters"]
LONGEST = 500  # lines; the limit that the project set itself is 450: report/workspace.py is to be split


def _modules(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lines = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in _modules(*CODE, ROOT / "tests", ROOT / "examples")
    }
    assert len(lines) > len(_modules(*CODE))
    assert not [f"{path.relative_to(ROOT)}: {count}" for path, count in lines.items() if count > LONGEST]


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    written = {path: path.read_text(encoding="utf-8") for path in _modules(*CODE)}
    silent = [path for path, text in written.items() if text and not ast.get_docstring(ast.parse(text))]
    assert not silent


def test_the_folder_of_the_adapters_is_no_package() -> None:
    assert (ROOT / "adapters" / "lfsgan_adapters" / "__init__.py").exists()
    assert not (ROOT / "adapters" / "__init__.py").exists()  # `import adapters` is another project's


@pytest.mark.parametrize("word", ["weights_only=False", "pickle.load"])
def test_no_pickle_is_ever_executed(word: str) -> None:
    assert not [path for path in _modules(*CODE, ROOT / "examples") if word in path.read_text(encoding="utf-8")]


def test_the_map_in_contributing_shows_every_module() -> None:
    drawn = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folder = ROOT / "lfsgan_cli"
    there = {path.name for path in folder.glob("*.py")} | {
        f"{path.parent.name}/" for path in folder.glob("*/__init__.py")
    }
    assert not [name for name in sorted(there) if name not in drawn]
