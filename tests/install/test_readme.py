"""The README, pasted block by block into one fresh shell in a clone, and the tutorial after it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # half an hour; needs the package index

ROOT = Path(__file__).parents[2]


def console_blocks(page: Path) -> list[str]:
    """What a page shows to be typed, without the command that runs the tests."""
    text = re.sub(
        r"<!-- the test command -->\n```console\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)


def paste(blocks: list[str], folder: Path) -> str:
    """Run blocks one after another in one shell, as a user does; what it printed. The first failure ends it."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LFSGAN", "VIRTUAL", "OMP_"))
    }
    done = subprocess.run(
        ["bash", "-e"],
        input="\n".join(blocks),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this checkout, in which the README was pasted."""
    folder = tmp_path_factory.mktemp("clone") / "lfsgan"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    paste(console_blocks(ROOT / "README.md"), folder)
    return folder


def test_the_readme_gives_64_images_and_a_grid_of_them(clone: Path) -> None:
    assert len(list((clone / "out" / "notionists").glob("seed*.png"))) == 64
    assert (clone / "out" / "grid.png").is_file()
    assert (clone / "lfsgan_workspace" / "tasks" / "notionists" / "metrics.jsonl").read_text(encoding="utf-8")


def test_every_command_of_the_tutorial_works_in_the_same_clone(clone: Path) -> None:
    learned = ["rm -rf lfsgan_workspace out", "source .venv/bin/activate"]
    paste([*learned, *console_blocks(ROOT / "docs" / "tutorial.md")], clone)
    for name in ("base", "compare", "truncated", "weaker", "both"):
        assert list((clone / "out" / name).rglob("*.png")), name
    assert (clone / "report.html").is_file()
