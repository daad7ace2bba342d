"""One build and one clean environment for all tests that install something."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Program = Callable[..., str]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with an sdist of this checkout, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], folder)
    return folder


@pytest.fixture(scope="session")
def clean(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and its dependencies, and nothing of this one."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=True)
    programs = home / ("Scripts" if sys.platform == "win32" else "bin")
    [wheel] = built.glob("*.whl")
    _run([str(programs / "python"), "-m", "pip", "install", "-c", str(ROOT / "constraints.txt"), str(wheel)], home)
    return programs


@pytest.fixture
def run(clean: Path, tmp_path: Path) -> Program:
    """Runs a program of the clean environment in an empty folder, and gives what it printed on stdout."""
    return lambda name, *arguments: _run([str(clean / name), *map(str, arguments)], tmp_path)


def _run(command: list[str], folder: Path) -> str:
    # Nothing of the environment that runs the tests may reach the one under test.
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LFSGAN", "VIRTUAL"))
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
