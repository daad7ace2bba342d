"""On a Ray cluster, a node that is killed costs no task, and the bytes are those of one worker (marker `ray`)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runs.test_workers import LEARN_ALL, TASKS, domains, home, one_by_one, task_files

if TYPE_CHECKING:
    from tests.conftest import Program

__all__ = ["home", "one_by_one"]  # fixtures
OWN_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def can_have_own_network() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode == 0


needs_own_network = pytest.mark.skipif(
    not can_have_own_network(), reason="Ray listens on all addresses: this test needs a network namespace (root)"
)


@pytest.mark.ray
@needs_own_network
def test_two_nodes_one_of_them_killed_end_in_the_bytes_of_one_worker(one_by_one: Path, home: Path) -> None:
    command = [*OWN_NETWORK, sys.executable, "-m", "tests.runs.ray_nodes", str(home), *LEARN_ALL, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert run.returncode == 0, run.stdout + run.stderr
    assert "killed a node" in run.stdout
    found = json.loads(run.stdout.removeprefix("killed a node\n"))
    # What the killed node had begun, its process may finish by itself, while Ray tries it again elsewhere.
    assert found["learned"] + found["elsewhere"] == TASKS
    assert (found["learned"] >= TASKS - 2, found["failed"]) == (True, 0)
    assert task_files(home) == task_files(one_by_one)


@pytest.mark.ray
@needs_own_network
def test_a_cluster_on_this_machine_alone_ends_in_the_bytes_of_one_worker(program: "Program") -> None:
    domains(program.folder, 2)
    shutil.copytree(program.folder, "alone", ignore=shutil.ignore_patterns("alone"))
    command = [sys.executable, "-m", "lfsgan_cli", *LEARN_ALL]
    subprocess.run(command, capture_output=True, check=True, cwd="alone")
    run = subprocess.run([*OWN_NETWORK, *command, "--ray", "local"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert task_files(program.folder) == task_files(Path("alone"))
    assert len(task_files(program.folder)) == 2


@pytest.mark.ray
@needs_own_network
def test_a_cluster_that_is_not_there_is_one_line(program: "Program") -> None:
    shutil.copytree("cats", "domains/cats")
    result = program("learn-all", "domains", "--ray", "127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: no Ray cluster at '127.0.0.1:1': ")
    assert not list(program.folder.glob("lfsgan_workspace/tasks/*"))
