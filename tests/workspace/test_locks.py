"""One process at a time works on a name; a lock tells who holds it, and dies with its process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lfsgan_cli.io.files import TaskNameError
from lfsgan_cli.workspace.locks import FOLDER, HeldError, LockFileError, held, hold_base, hold_tasks

HOLD_CATS = "hold_tasks(root, 'cats')"
HOLD_BASE = "hold_base(root)"
MINUS_ONE = b'\n{"pid": -1, "host": "x", "command": "x", "since": "x"}'  # to kill it would kill everything


@contextmanager
def another_process(root: Path, holding: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock until the block ends, started as `lfsgan learn-task --name 'my cats'`."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom lfsgan_cli.workspace.locks import hold_base, hold_tasks\n"
        f"root = Path({str(root)!r})\nwith {holding}:\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, "learn-task", "--name", "my cats"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            if process.poll() is None:
                process.communicate("")


def test_a_held_name_is_refused_at_once_and_the_holder_is_named(tmp_path: Path) -> None:
    with another_process(tmp_path, HOLD_CATS) as process:
        with pytest.raises(HeldError) as refusal, hold_tasks(tmp_path, "cats"):
            pass
        line = str(refusal.value)
        assert line.startswith(f"task 'cats' is being worked on by process {process.pid} (lfsgan learn-task --name 'my")
        assert line.endswith(f"wait until it ends, or stop it with `kill {process.pid}`")
        with hold_tasks(tmp_path, "dogs"):
            assert held(tmp_path).keys() == {"task 'cats'", "task 'dogs'"}
    with hold_tasks(tmp_path, "cats"):
        assert held(tmp_path).keys() == {"task 'cats'"}


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with another_process(tmp_path, HOLD_CATS) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert list((tmp_path / FOLDER).iterdir())  # it could not tidy up
        assert held(tmp_path) == {}
        with hold_tasks(tmp_path, "cats"):
            holder = held(tmp_path)["task 'cats'"]
            assert holder is not None
            assert holder.pid == os.getpid()
    assert not list(tmp_path.iterdir())


def test_nobody_makes_a_base_under_a_task_that_is_worked_on(tmp_path: Path) -> None:
    with another_process(tmp_path, HOLD_CATS), pytest.raises(HeldError, match=r"^task 'cats' is being worked on by"):
        hold_base(tmp_path).__enter__()
    with hold_base(tmp_path):
        pass


def test_nobody_works_on_a_task_or_a_base_while_a_base_is_made(tmp_path: Path) -> None:
    with another_process(tmp_path, HOLD_BASE):
        for lock in (hold_tasks(tmp_path, "cats"), hold_base(tmp_path)):
            with pytest.raises(HeldError, match=r"^the base is being worked on by process"), lock:
                pass
    with hold_tasks(tmp_path, "cats"):
        pass


def test_what_was_made_for_a_lock_goes_with_it(tmp_path: Path) -> None:
    root = tmp_path / "new" / "workspace"
    with hold_tasks(root, "cats", "dogs"):
        assert (root / FOLDER).is_dir()
    assert not list(tmp_path.iterdir())
    root.mkdir(parents=True)
    with hold_base(root):
        pass
    assert root.is_dir()  # it was there before


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    with hold_tasks(root, "cats"):
        (root / "base.safetensors").write_bytes(b"theirs")
    assert [path.name for path in root.iterdir()] == ["base.safetensors"]


@pytest.mark.parametrize("content", [b"", b"\n{", b"\n[1]", b'\n{"pid": "x"}', b"\xff\xff\xff", MINUS_ONE])
def test_a_holder_that_says_nothing_is_another_process(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lfsgan_cli.workspace.locks._UNNAMED_PATIENCE", 0.05
    )  # seconds; a test need not wait for a late word
    with another_process(tmp_path, HOLD_CATS):
        (tmp_path / FOLDER / "task-cats.lock").write_bytes(content)
        with pytest.raises(HeldError, match=r"being worked on by another process: wait until it ends, or stop it$"):
            hold_tasks(tmp_path, "cats").__enter__()


def test_a_hostile_word_of_a_holder_reaches_no_terminal_and_is_short(tmp_path: Path) -> None:
    with another_process(tmp_path, HOLD_CATS):
        word = {"pid": 7, "host": "else\x1b[31mwhere", "command": "x\x1b]0;" + "y" * 9999, "since": "\r"}
        (tmp_path / FOLDER / "task-cats.lock").write_text("\n" + json.dumps(word))
        with pytest.raises(HeldError) as refusal:
            hold_tasks(tmp_path, "cats").__enter__()
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400
    assert "process 7 on else" in str(refusal.value)
    assert "kill" not in str(refusal.value)  # not of this machine


def test_a_name_that_no_task_can_have_makes_no_lock(tmp_path: Path) -> None:
    with pytest.raises(TaskNameError):
        hold_tasks(tmp_path, "../cats").__enter__()
    assert not list(tmp_path.iterdir())


def test_a_lock_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(LockFileError, match="expected a writable workspace"):
        hold_tasks(tmp_path, "cats").__enter__()
