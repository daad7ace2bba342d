"""Terminals and users as they come: other encodings, no home folder, `~` that no shell expands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lfsgan_cli.io.files import cache_folder
from tests.conftest import Program


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_what_a_terminal_cannot_show_is_replaced(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "lfsgan_cli", "learn-task", "--help"]
    run = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert "128?128" in run.stdout.decode(encoding)


def test_a_path_of_other_letters_is_shown_as_far_as_the_terminal_can(learned: Program) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    words = ["generate", "--task", "cats", "-n", "1", "--outdir", "кошки"]
    run = subprocess.run([sys.executable, "-m", "lfsgan_cli", *words], capture_output=True, env=environment, check=True)
    assert run.stdout.decode("latin-1").strip() == str(Path("?????", "grid.png"))
    assert (learned.folder / "кошки" / "grid.png").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="a home folder is a matter of variables there")
def test_a_user_without_a_home_folder_has_a_temporary_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pwd

    def unknown(_user: object) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME", "LFSGAN_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder().parent == tmp_path
    monkeypatch.setenv("LFSGAN_CACHE_DIR", "~/cache")
    assert cache_folder().parent == tmp_path


def test_a_tilde_is_the_home_folder_in_options_and_variables(
    learned: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(learned.folder))
    monkeypatch.setenv("USERPROFILE", str(learned.folder))
    monkeypatch.chdir(tmp_path)
    assert "cats" in learned.done("tasks", "list", "--workspace", "~/lfsgan_workspace").stdout
    monkeypatch.setenv("LFSGAN_WORKSPACE", "~/lfsgan_workspace")
    learned.done("generate", "--task", "cats", "-n", 1, "--outdir", "~/out")
    assert (learned.folder / "out" / "cats" / "seed0000.png").is_file()
    learned.done("learn-task", "--images", "~/dogs", "--name", "dogs", "--steps", 1, "--dry-run")
    monkeypatch.setenv("LFSGAN_CACHE_DIR", "~/cache")
    assert cache_folder() == learned.folder / "cache"
    assert not (tmp_path / "~").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a home folder is a matter of variables there")
def test_a_tilde_without_a_home_folder_is_one_line(learned: Program) -> None:
    line = learned.refused("tasks", "list", "--workspace", "~nobody-of-this-name/ws")
    assert line.startswith("Error: workspace '~nobody-of-this-name/ws' names a home folder that is not known")
