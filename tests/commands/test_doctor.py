"""`lfsgan doctor` finds what is wrong, says what to do, and what it says helps."""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from lfsgan_cli.diagnostics.doctor import writable
from lfsgan_cli.system.machine import available_memory
from lfsgan_cli.workspace.locks import FOLDER, hold_tasks

if TYPE_CHECKING:
    from tests.conftest import Program

ROOT = Path("lfsgan_workspace")
LONG_AGO = time.time() - 3600


def examined(program: "Program") -> Any:
    return json.loads(program("doctor", "--json").stdout)


def problems(program: "Program") -> list[tuple[str, str]]:
    return [(problem["what"], problem["way"]) for problem in examined(program)["problems"]]


def partial(folder: Path, age: float = 3600) -> Path:
    """A temporary file of a write that was killed."""
    path = folder / ".0123456789abcdef.partial"
    path.write_bytes(b"half of a fi")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_all_is_well(learned: "Program") -> None:
    result = learned("doctor")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "No problems found.")
    document = examined(learned)
    assert document["problems"] == []
    assert document["machine"]["torch"].startswith(torch.__version__)
    assert document["machine"]["Python"].startswith(sys.version.split()[0])
    assert document["workspace"]["tasks"] == "1 whole of 1"
    assert {"left", "full", "cam"} <= document["adapters"].keys()
    assert "--inception-weights" in document["weights"]["inception"]


def test_it_changes_nothing_and_needs_no_workspace(newcomer: "Program") -> None:
    before = newcomer.tree()
    assert "which is not there yet" in newcomer.done("doctor").stdout
    assert newcomer.tree() == before


def test_a_damaged_file_is_named_with_the_way_out(learned: "Program") -> None:
    path = learned.folder / ROOT / "tasks/cats.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    [(what, way)] = problems(learned)
    assert "cats.safetensors is damaged: " in what
    assert way == "get the file again, or learn or import the task again with --overwrite"
    assert learned("doctor").exit_code == 1


def test_what_it_says_of_an_unfinished_run_helps(begun: "Program") -> None:
    [(what, way)] = problems(begun)
    assert what.startswith("learning 'new' was stopped after ")
    command = way.split("`")[1]
    assert command == "lfsgan learn-task --name new --resume"
    begun.done(*command.split()[1:])
    assert problems(begun) == []


def test_an_unfinished_base_is_told(unfinished: "Program") -> None:
    [(what, way)] = problems(unfinished)
    assert what.startswith("pretraining was stopped after ")
    assert "`lfsgan pretrain --data DATA --resume`" in way


def test_what_is_worked_on_is_no_problem_and_its_process_is_named(begun: "Program") -> None:
    with hold_tasks(ROOT, "new"):
        document = examined(begun)
    assert document["problems"] == []
    assert f"process {os.getpid()}" in document["workspace"]["task 'new', worked on by"]


def test_what_killed_processes_left_is_removed_on_demand_and_nothing_else(learned: "Program") -> None:
    before = learned.tree()
    left = [partial(ROOT), partial(ROOT / "tasks/cats"), partial(ROOT / "tasks"), ROOT / FOLDER / "task-cats.lock"]
    left[3].parent.mkdir()
    left[3].write_bytes(b'\n{"pid": 9, "host": "gone", "command": "lfsgan", "since": "then"}')
    [(what, way)] = problems(learned)
    assert ".0123456789abcdef.partial" in what
    assert "and 1 more" in what
    command = way.split("`")[1]
    assert command == "lfsgan doctor --clean"
    learned.done(*command.split()[1:])
    kept = {path: content for path, content in before.items() if "/state" not in path}  # of finished runs
    assert learned.tree() == kept


@pytest.mark.parametrize(("age", "held", "told"), [(0, False, False), (60, False, True), (60, True, False)])
def test_what_may_be_a_write_under_way_is_left_alone(learned: "Program", age: float, held: bool, told: bool) -> None:
    path = partial(ROOT / "tasks", age)
    if held:
        with hold_tasks(ROOT, "dogs"):
            learned("doctor", "--clean")
    else:
        learned("doctor", "--clean")
    assert path.exists() != told


def test_what_is_left_of_a_run_is_removed_as_it_says(learned: "Program") -> None:
    (ROOT / "tasks/relic").mkdir()
    [(what, way)] = problems(learned)
    assert what == "'lfsgan_workspace/tasks/relic' holds what is left of a run, and no task came of it"
    learned.done(*way.split("`")[1].split()[1:])
    assert problems(learned) == []


def test_untrusted_files_are_told_and_break_nothing(learned: "Program") -> None:
    (ROOT / "tasks/b\x1b[1m.safetensors").write_bytes(b"broken")
    (ROOT / "tasks/c\x1b[1m").mkdir()
    result = learned("doctor")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "b\\x1b[1m.safetensors is damaged" in result.stdout


def test_a_task_of_an_adapter_that_is_not_installed_is_told(learned: "Program") -> None:
    path = learned.folder / ROOT / "tasks/cats.safetensors"
    content = path.read_bytes().replace(b'"lfsgan.adapter":"left"', b'"lfsgan.adapter":"loft"')
    path.write_bytes(content.replace(b"lfsgan.header_sha256", b"foreign.header_sha25"))
    shutil.rmtree(ROOT / "tasks/cats")
    assert ("task 'cats' is of the adapter 'loft', which is not installed", "install its package") in problems(learned)


def test_a_file_in_the_place_of_the_workspace_is_told(newcomer: "Program") -> None:
    ROOT.write_text("mine")
    assert "nothing can be written to 'lfsgan_workspace'" in problems(newcomer)[0][0]
    assert not writable(ROOT / "deeper")


def test_wrong_weights_are_told(learned: "Program", tmp_path: Path) -> None:
    cache = Path(os.environ["LFSGAN_CACHE_DIR"])
    cache.mkdir()
    (cache / "inception-2015-12-05.pt").write_bytes(b"something else")
    [(what, way)] = problems(learned)
    assert "has SHA-256" in what
    assert way.startswith("remove ")


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux says it here")
def test_memory_that_is_free_is_some_of_the_memory() -> None:
    free = available_memory()
    assert free is not None
    assert 0 < free < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
