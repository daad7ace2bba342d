"""In a browser the pages pass axe-core, are no wider than the screen, and ask for nothing; run by `-m browser`."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.test_benchmark import RUN, write

if TYPE_CHECKING:
    from tests.conftest import Program

pytestmark = pytest.mark.browser

LOOK = Path(__file__).parent / "browser" / "look.mjs"
PATIENCE = 180  # seconds; four views of a page take about ten
KEPT = {"base": True, "task": True, "pictures": "equal", "largest_difference": 0, "compared": 16, "why": ""}


@pytest.fixture(scope="module")
def tools() -> Path:
    """Where npm put the two packages."""
    folder = Path(os.environ.get("LFSGAN_BROWSER_TOOLS", "browser-tools")).resolve()
    missing = [name for name in ("playwright-core", "axe-core") if not (folder / "node_modules" / name).is_dir()]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: npm install them, and name the folder in $LFSGAN_BROWSER_TOOLS")
    return folder


@pytest.fixture(scope="module")
def chromium() -> str:
    names = (os.environ.get("LFSGAN_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None or shutil.which("node") is None:
        pytest.skip("no Chromium or no Node.js: install them, or name the browser in $LFSGAN_CHROMIUM")
    return found


def look(page: Path, kind: str, tools: Path, chromium: str) -> list[dict[str, Any]]:
    """What each of the four views (desktop and phone, light and dark) says of a page on disk."""
    shots = Path(os.environ.get("LFSGAN_SCREENSHOTS", page.parent)) / kind
    shots.mkdir(parents=True, exist_ok=True)
    run = subprocess.run(
        ["node", str(LOOK), str(page), str(shots), chromium],
        env={**os.environ, "LFSGAN_BROWSER_TOOLS": str(tools)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    views: list[dict[str, Any]] = json.loads(run.stdout)
    return views


def check(views: list[dict[str, Any]]) -> None:
    assert {(view["name"], view["colorScheme"]) for view in views} == {
        (name, scheme) for name in ("desktop", "phone") for scheme in ("light", "dark")
    }
    for view in views:
        assert [one for one in view["findings"] if one["impact"] in {"serious", "critical"}] == []
        assert (view["overflow"], view["broken"], view["asked"]) == (0, 0, [])


def test_the_page_of_a_workspace(learned: "Program", tools: Path, chromium: str) -> None:
    root = learned.folder / "lfsgan_workspace"
    shutil.copy(root / "tasks/cats/few_shots/000000.png", root / "tasks/cats/closest_pairs.png")
    root.joinpath("retention.json").write_text(json.dumps({"checked": "2026-11-23T09:00:00", "tasks": {"cats": KEPT}}))
    for _ in range(2):
        learned.done("evaluate", "--fid", "--reals", "data", "-n", 4)
    learned.done("report")
    check(look(root / "report.html", "workspace", tools, chromium))


def test_the_page_of_a_benchmark(program: "Program", tools: Path, chromium: str) -> None:
    write(program, steps=2)
    program.done(*RUN)
    program.done("report", "out")
    check(look(program.folder / "out" / "report.html", "benchmark", tools, chromium))


def test_what_is_wrong_is_found(tmp_path: Path, tools: Path, chromium: str) -> None:
    page = tmp_path / "wrong.html"
    page.write_text('<img src="https://example.org/a.png"><p style="width: 200vw; color: #eee">faint</p>')
    for view in look(page, "wrong", tools, chromium):
        assert {"image-alt", "color-contrast", "html-has-lang"} <= {one["id"] for one in view["findings"]}
        assert view["overflow"] > 0
        assert view["broken"] == 1
        assert view["asked"] == ["https://example.org/a.png"]
