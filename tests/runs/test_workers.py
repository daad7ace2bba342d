"""Workers learn the tasks of one folder, whatever happens to one of them, to the bytes of `learn-task`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lfsgan_cli.runs.queue import QueuedTask
from lfsgan_cli.runs.workers import Worker
from lfsgan_cli.workspace.locks import HeldError, claim, held, hold_base
from tests.commands.test_live import on_terminal
from tests.conftest import PATIENCE, Program, paint

WORKSPACE = Path("lfsgan_workspace")
TASKS, STEPS = 20, 30
# Without what compares images by a network: it would take most of the time, and changes nothing here.
QUICK = ("-t", "anchors.weight=0", "-t", "energy_weight=0", "-t", "memorization_weight=0", "--no-keep-checkpoint")
LEARN_ALL = ("learn-all", "domains", "--steps", str(STEPS), *QUICK, "--save-every", "0")


def domains(home: Path, count: int) -> list[str]:
    """Folders of images for so many tasks; their names."""
    names = [f"task{index:02}" for index in range(count)]
    for index, name in enumerate(names):
        paint(home / "domains" / name, 4, 100 + index)
    return names


def task_files(home: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((home / WORKSPACE / "tasks").glob("*.safetensors"))}


def wait_for(happened: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 5 * PATIENCE
    while not happened():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture(scope="session")
def one_by_one(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with twenty tasks that one worker learned, one after another."""
    home = tmp_path_factory.mktemp("one-by-one") / "home"
    shutil.copytree(tiny_home, home)
    domains(home, TASKS)
    subprocess.run([sys.executable, "-m", "lfsgan_cli", *LEARN_ALL], cwd=home, check=True, capture_output=True)
    return home


@pytest.fixture
def home(tiny_home: Path, tmp_path: Path) -> Path:
    """A home with images of twenty tasks, none of which is learned."""
    shutil.copytree(tiny_home, tmp_path / "home")
    domains(tmp_path / "home", TASKS)
    return tmp_path / "home"


@pytest.mark.slow
def test_three_workers_one_of_them_killed_end_in_the_bytes_of_one(one_by_one: Path, home: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-m", "lfsgan_cli", *LEARN_ALL], cwd=home, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    wait_for(lambda: len(task_files(home)) >= 2 and bool(children(workers[0].pid)))
    for pid in (*children(workers[0].pid), workers[0].pid):  # the process that learns, and the worker
        os.kill(pid, signal.SIGKILL)
    said = [worker.communicate()[1].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL, 0, 0], said
    assert len(task_files(home)) == TASKS
    assert task_files(home) == task_files(one_by_one)
    assert not list((home / WORKSPACE).glob(".locks/task-*"))


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    return [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]


def test_jobs_and_learn_task_end_in_the_same_bytes_and_a_failure_harms_no_other(program: Program) -> None:
    names = domains(program.folder, 3)
    shutil.rmtree(program.folder / "domains" / names[2])
    (program.folder / "domains" / names[2]).mkdir()
    worker = ("--steps", 3, *QUICK, "--jobs", 2, "--threads", 1)
    result = program("learn-all", "domains", *worker)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: 1 of 3 tasks failed: 'task02': no image to use in ")
    assert "Tasks: 2 learned, 1 failed, in " in result.stderr
    found = task_files(program.folder)
    assert sorted(found) == names[:2]
    program.done("tasks", "remove", "task00")
    program.learn("task00", "--images", "domains/task00", "--steps", 3, *QUICK, "--threads", 1)
    assert task_files(program.folder) == found
    program.learn("unlike", "--images", "domains/task00", "--steps", 3, *QUICK)
    assert "threads" not in program.done("tasks", "show", "unlike", "--json").stdout


def test_a_task_that_is_claimed_or_locked_is_left_to_its_worker(program: Program) -> None:
    domains(program.folder, 1)
    task = QueuedTask("task00", (program.folder / "domains/task00",), {"steps": 2})
    root = program.folder / WORKSPACE
    with claim(root, "task00"):
        with pytest.raises(HeldError), claim(root, "task00"):
            pass
        events = Worker(root, [task]).run()
        assert [next(events), next(events)] == [None, None]  # it waits, and starts nothing
        events.close()
        with hold_base(root):  # a claim locks nothing
            assert set(held(root)) == {"the base"}
    assert not (root / "tasks" / "task00").exists()


def test_on_a_terminal_a_table_shows_what_is_at_work(program: Program) -> None:
    domains(program.folder, 1)
    shown = on_terminal(program, "learn-all", "domains", "--steps", 20, *QUICK)
    assert "0 of 1 tasks are finished." in shown
    assert "task00" in shown
    assert "0/20" in shown
    assert "task00: learned from 4 images in " in shown


@pytest.mark.slow
def test_a_process_that_is_killed_is_started_again_and_that_is_said(program: Program) -> None:
    domains(program.folder, 1)
    settings = {"steps": STEPS, "settings": list(QUICK[1:6:2]), "save_every": 0.0}
    worker = Worker(program.folder / WORKSPACE, [QueuedTask("task00", (program.folder / "domains/task00",), settings)])
    events, killed, outcomes = worker.run(), False, []
    for event in events:
        if not killed and any(one.done >= 10 for one in worker.running):
            os.kill(children(os.getpid())[-1], signal.SIGKILL)
            killed = True
        outcomes += [event] if event else []
    assert [one.state for one in outcomes] == ["learned"]
    assert outcomes[0].warnings[0].startswith("tried again, since its process was ended by SIGKILL")


def test_a_worker_that_is_stopped_leaves_a_checkpoint_from_which_another_resumes(program: Program) -> None:
    domains(program.folder, 1)
    task = QueuedTask("task00", (program.folder / "domains/task00",), {"steps": 100_000})
    root = program.folder / WORKSPACE
    worker = Worker(root, [task])
    events = worker.run()
    wait_for(lambda: next(events) is None and any(one.done >= 10 for one in worker.running))
    events.close()
    assert worker.look(task) is True  # to be resumed
    assert held(root) == {}
