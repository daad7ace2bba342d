"""What the pages tell people to type and to open is there."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from lfsgan_cli import registry
from lfsgan_cli.app import app
from lfsgan_cli.testing import check_adapter
from lfsgan_cli.workspace.workspace import Workspace
from tests import cli_page, python_api_page

ROOT = Path(__file__).parent.parent
OTHERS = {".venv", "node_modules"}  # where other people's pages lie
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "adapters/README.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
    if not OTHERS & set(page.relative_to(ROOT).parts)
)
READER = [page for page in PAGES if page.name != "CHANGELOG.md"]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def _command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of every `lfsgan` that a page shows at a prompt, or in a sentence with more than its name."""
    sentences = re.findall(r"`(lfsgan [a-z-]+ [^`\n]+)`", page.read_text(encoding="utf-8"))
    for block in [*_blocks(page, "console"), *sentences]:
        for command in re.split(r"\n|&&", block.replace("\\\n", "")):
            words = shlex.split(command, comments=True)
            if words and Path(words[0]).name == "lfsgan":
                yield words[1:]


def _parse(words: list[str]) -> str:
    """Parse a command line as the program does, without running it; the name of the command."""
    command: Any = get_command(app)
    name = ""
    while hasattr(command, "commands") and words and words[0] in command.commands:
        name, command, words = words[0], command.commands[words[0]], words[1:]
    if name:
        command.make_context(name, list(words))
    return name


@pytest.mark.parametrize("page", READER, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_shown_is_one_that_the_program_takes(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in _blocks(page, "toml"):
        if block.startswith("# run.toml"):
            Path("run.toml").write_text(block, encoding="utf-8")
    for words in _command_lines(page):
        assert _parse(words) or words in (["--help"], ["--version"]), words


def test_a_command_line_that_the_program_does_not_take_would_be_found() -> None:
    with pytest.raises(Exception, match="no-such-option"):
        _parse(["generate", "--no-such-option"])


def test_the_page_of_the_python_api_has_the_signatures_of_the_code() -> None:
    found = python_api_page.PAGE.read_text(encoding="utf-8")
    assert found == python_api_page.page(), "run `python -m tests.python_api_page`"


def test_the_page_of_the_command_line_is_what_the_program_says() -> None:
    assert cli_page.PAGE.read_text(encoding="utf-8") == f"{cli_page.page()}\n", "run `python -m tests.cli_page`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    ours = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert not [link for link in ours if not (page.parent / link).exists()]


def test_the_plugin_of_the_tutorial_is_the_one_in_the_examples() -> None:
    tutorial = _blocks(ROOT / "docs" / "adapters.md", "python") + _blocks(ROOT / "docs" / "adapters.md", "toml")
    example = ROOT / "examples" / "lfsgan-bitfit"
    for name in ("pyproject.toml", "lfsgan_bitfit.py", "test_bitfit.py"):
        assert (example / name).read_text(encoding="utf-8") in tutorial, f"docs/adapters.md shows another {name}"


def test_the_other_adapter_of_the_tutorial_keeps_the_contract() -> None:
    [source] = [block for block in _blocks(ROOT / "docs" / "adapters.md", "python") if "class Gains" in block]
    shown: dict[str, Any] = {}
    exec(source, shown)  # noqa: S102 - our own page
    check_adapter(shown["Gains"])


@pytest.mark.parametrize("adapter", ["left", "full", "cam", "lora", "adafm", "kml", "svd", "delta-w", "stylespace"])
def test_the_page_of_adapters_gives_their_sizes_on_the_embedded_base(adapter: str, tmp_path: Path) -> None:
    cls: Any = registry.load(adapter)
    [row] = re.findall(
        rf"^\| `{adapter}`.*$", (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert f"| {cls(Workspace(tmp_path).base.average, cls.Config()).size:,} |" in row


def strings() -> Iterator[str]:
    """All strings in the package, those with values in them joined."""
    for path in (ROOT / "lfsgan_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def test_the_messages_that_troubleshooting_explains_are_messages_of_the_program() -> None:
    known = "\n".join(strings())
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \|", page.partition("## Messages")[2].partition("## Speed")[0], flags=re.MULTILINE)
    assert len(rows) > 30
    for row in rows:
        for part in (part.strip(" ;:(),") for part in row.split("…")):
            assert part in known, f"{part!r} of {row!r}"
