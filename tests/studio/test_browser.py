"""In a real browser: from ten images to a downloaded picture, with reloads, two tabs and a killed server; `-m browser`.

Needs what docs/report.md names for reports: Chromium, Node.js, playwright-core and axe-core.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.test_browser import chromium, tools

if TYPE_CHECKING:
    from tests.conftest import Program

pytestmark = pytest.mark.browser

__all__ = ["chromium", "tools"]  # fixtures

DRIVE = Path(__file__).parent / "browser" / "drive.mjs"
PATIENCE = 1500  # seconds
FIRST_PAGE = 2  # seconds of one core until the address is printed, however busy the machine is


@contextmanager
def served(program: "Program") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`lfsgan studio` as a process of its own, and its first address."""
    command = [sys.executable, "-m", "lfsgan_cli", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(
        command, cwd=program.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), run.communicate()
        try:
            yield run, url
        finally:
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=60)
        assert "Traceback" not in said, said


@pytest.fixture
def drive(tools: Path, chromium: str, tmp_path: Path) -> Any:
    out = Path(os.environ.get("LFSGAN_SCREENSHOTS", tmp_path)) / "studio"
    out.mkdir(parents=True, exist_ok=True)

    def run(scenario: str, url: str, *files: Path) -> Any:
        done = subprocess.run(
            ["node", str(DRIVE), scenario, url, chromium, str(out), *map(str, files)],
            env={**os.environ, "LFSGAN_BROWSER_TOOLS": str(tools)},
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return found["saw"], found["troubles"], out

    return run


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dogs(program: "Program") -> list[Path]:
    return sorted(program.folder.joinpath("data").iterdir())[:10]


def test_the_whole_way_from_ten_dropped_images_to_a_downloaded_picture(learned: "Program", drive: Any) -> None:
    with served(learned) as (server, url):
        assert cpu_seconds(server.pid) < FIRST_PAGE
        saw, troubles, out = drive("journey", url, *dogs(learned))
    assert troubles == []
    assert (saw["images"], saw["samples"], saw["pins"]) == (10, 16, 2)
    assert saw["focused"] == "truncation"  # a redraw takes no focus away
    assert saw["pinFocus"]
    assert "pin=" in saw["address"]
    learned.done("generate", "--task", "drawn", "--truncation", 0.7, "--seeds", "0-15", "--outdir", "made")
    with zipfile.ZipFile(out / "images.zip") as archive:
        assert archive.read("drawn/seed0007.png") == learned.contents("made/drawn/seed0007.png")
    with zipfile.ZipFile(out / "everything.zip") as archive:
        assert {"walk.webp", "drawn.safetensors", "mix/grid.png"} <= set(archive.namelist())
    images = learned.folder / "ten"
    images.mkdir()
    for path in dogs(learned):
        shutil.copy(path, images)
    shutil.copytree(
        learned.folder / "lfsgan_workspace", learned.folder / "other", ignore=shutil.ignore_patterns("tasks")
    )
    learned.done("learn-task", "--images", "ten", "--name", "drawn", "--steps", 12, "--workspace", "other")
    theirs = learned.contents("lfsgan_workspace/tasks/drawn.safetensors")
    assert learned.contents("other/tasks/drawn.safetensors") == theirs


def test_a_run_survives_reloads_two_tabs_and_a_killed_server(learned: "Program", drive: Any) -> None:
    with served(learned) as (server, url):
        saw, troubles, _ = drive("begin", url, *dogs(learned))
        assert troubles == []
        assert saw["phases"] == ["Running", "Running"]
        assert saw["curves"] >= 2
        assert "long" in saw["status"]
        server.kill()
        server.wait()
    with served(learned) as (_, url):
        saw, troubles, _ = drive("resume", url)
    assert troubles == []
    assert saw["found"] == "Running"  # it went on without any server
    assert saw["done"] > 0


def test_every_view_passes_axe_fits_its_screen_and_does_not_jump(
    begun_home: Path, learned: "Program", drive: Any
) -> None:
    tasks = learned.folder / "lfsgan_workspace" / "tasks"
    shutil.copy(tasks / "cats.safetensors", tasks / "twin.safetensors")
    shutil.copytree(begun_home / "lfsgan_workspace" / "tasks" / "new", tasks / "begun")
    with served(learned) as (_, url):
        saw, troubles, _ = drive("views", url, *dogs(learned))
    assert [trouble for trouble in troubles if "404" not in trouble] == []
    assert len(saw) == 9 * 4
    # A shift below 0.1 is what is called good: web.dev/articles/cls
    wrong = [one for one in saw if one["findings"] or one["overflow"] or one["broken"] or one["shifted"] >= 0.1]
    assert wrong == [], json.dumps(wrong)


def test_everything_is_reached_by_keyboard(learned: "Program", drive: Any) -> None:
    with served(learned) as (_, url):
        saw, troubles, _ = drive("keyboard", url)
    assert troubles == []
    assert saw == {"skip": "Skip to the content", "inMain": "main", "open": 1, "closed": 0, "unreachable": 0}
