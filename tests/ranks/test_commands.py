"""Commands under torchrun: one process writes and prints, and the end of any ends them all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SMALL, Program
from tests.ranks.running import PATIENCE, environment, start, torchrun

pytestmark = pytest.mark.torchrun

CLI = "lfsgan_cli"
RUN = "lfsgan_workspace/base"
PRETRAIN = ("pretrain", "--data", "data", *SMALL[:-1], 8)
LIMIT = 10.0  # seconds until all have ended after one was killed


def workers(process: subprocess.Popen[str]) -> dict[int, int]:
    """The process of each rank that a torchrun started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            variables = folder.joinpath("environ").read_bytes().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            continue
        ranks = [int(each.removeprefix("RANK=")) for each in variables if each.startswith("RANK=")]
        if parent == process.pid and ranks:
            found[ranks[0]] = int(folder.name)
    return found


def begun(home: Path, count: int) -> subprocess.Popen[str]:
    """A long pretraining that has a checkpoint and a line in its log."""
    process = start(count, CLI, *PRETRAIN, "--kimg", 80, "--save-every", 0, folder=home)
    give_up = time.monotonic() + PATIENCE
    while not (home / RUN / "stats.jsonl").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return process


def alone(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", CLI, *map(str, arguments)]
    return subprocess.run(command, cwd=home, env=environment(), capture_output=True, text=True, check=False)


def done_steps(home: Path) -> int:
    return max(int(path.stem.removeprefix("state")) for path in (home / RUN).glob("state*.safetensors"))


def endings(said: str) -> list[str]:
    """What lfsgan says when it ends; all else is torchrun's."""
    return [line for line in said.splitlines() if line.startswith(("Error: ", "Stopped "))]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_within_seconds_and_the_run_resumes(newcomer: Program, rank: int) -> None:
    home = newcomer.folder
    process = begun(home, 2)
    ranks = workers(process)
    os.kill(ranks[rank], signal.SIGKILL)
    start = time.monotonic()
    while any(Path(f"/proc/{pid}").exists() for pid in ranks.values()):
        assert time.monotonic() - start < LIMIT
        time.sleep(0.05)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode != 0
    (line,) = endings(said)
    assert line.startswith("Error: another process of this run has ended; torchrun says which one, and how; the check")
    assert "then resume with: torchrun --nproc-per-node=2 -m lfsgan_cli pretrain --data data --resume" in line
    done = done_steps(home)
    assert done >= 9  # the line of step 10 is written before its checkpoint
    resumed = start_and_stop(home, done)
    assert f"Resuming after step {done:,}" in resumed


def start_and_stop(home: Path, done: int) -> str:
    """Resume in one process until its first or second line of the log, and stop."""
    command = [sys.executable, "-m", CLI, "pretrain", "--data", "data", "--resume"]
    process = subprocess.Popen(command, cwd=home, env=environment(), stderr=subprocess.PIPE, text=True)
    give_up = time.monotonic() + PATIENCE
    while f'"step": {done // 10 * 10 + 20},' not in (home / RUN / "stats.jsonl").read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE)[1]


@pytest.mark.parametrize("to_all", [True, False])
def test_sigterm_to_torchrun_or_to_one_process_stops_all_after_the_same_step(newcomer: Program, to_all: bool) -> None:
    home = newcomer.folder
    process = begun(home, 2)
    os.kill(process.pid if to_all else workers(process)[1], signal.SIGTERM)
    said = process.communicate(timeout=PATIENCE)[1]
    (line,) = endings(said)
    done = done_steps(home)
    assert line.startswith(f"Stopped after step {done:,} of 10,000; resume with: torchrun --nproc-per-node=2 -m ")


def test_a_base_trained_by_two_processes_is_one_file_one_log_and_one_document(newcomer: Program) -> None:
    home = newcomer.folder
    done = torchrun(2, CLI, *PRETRAIN, "--kimg", 0.16, "--json", folder=home)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.stderr.count("Using 12 images") == 1
    steps = [json.loads(line)["step"] for line in (home / RUN / "stats.jsonl").read_text().splitlines()]
    assert steps == [10, 20]
    assert json.loads((home / RUN / "run.json").read_text())["processes"] == 2
    shown = json.loads(alone(home, "base", "show", "--json").stdout)
    assert shown["identity"] == document["identity"]
    assert alone(home, *PRETRAIN, "--kimg", 0.16, "--resume").stderr.startswith("The base is trained already")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (*PRETRAIN[:-1], 12, "--kimg", 0.16),
            "--batch is 12 for 2 processes: expected a multiple of 8, since the discriminator compares images by fours",
        ),
        (
            ("tasks", "list"),
            "'list' does not share its work among processes, and torchrun started 2: start it without torchrun",
        ),
        (("pretrain", "--data", "nowhere"), "'nowhere'"),
        (("pretrain",), "missing option '--data'"),
        (("learn-task", "--images", "cats", "--name", "cats"), "one process learns a task: its losses compare"),
    ],
)
def test_what_all_processes_refuse_is_said_once(newcomer: Program, arguments: tuple[object, ...], words: str) -> None:
    before = newcomer.tree()
    done = torchrun(2, CLI, *arguments, folder=newcomer.folder)
    assert done.returncode != 0
    (line,) = endings(done.stderr)
    assert words in line
    assert newcomer.tree() == before


def files(home: Path, folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / folder).rglob("*.png"))}


def test_images_that_processes_share_have_the_bytes_of_one_process(learned: Program) -> None:
    home = learned.folder
    words = ("generate", "--task", "cats", "-n", 10, "--batch", 3, "--background", "transparent")
    learned.done(*words, "--outdir", "one")
    for count in (2, 4):
        done = torchrun(count, CLI, *words, "--outdir", f"out{count}", folder=home)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"out{count}/grid.png"
        assert files(home, f"out{count}") == files(home, "one")


def test_metrics_of_images_that_processes_share_are_those_of_one_process(learned: Program) -> None:
    home = learned.folder
    words = ("evaluate", "--task", "cats", "--all", "-n", 26, "--batch", 5, "--json", "--blocks", 2)
    one = json.loads(learned.done(*words, "--save", "one").stdout)["results"]
    done = torchrun(2, CLI, *words, "--save", "two", folder=home)
    assert done.returncode == 0, done.stderr
    two = json.loads(done.stdout)["results"]
    assert [each["name"] for each in two] == [each["name"] for each in one]
    assert [each["value"] for each in two] == pytest.approx([each["value"] for each in one], rel=1e-6, abs=1e-6)
    assert files(home, "two") == files(home, "one")


def test_a_script_that_torchrun_starts_does_what_the_commands_do(learned: Program) -> None:
    home = learned.folder
    done = torchrun(2, "tests.ranks.script", folder=home)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((home / f"said{rank}.json").read_text()) for rank in (0, 1))
    assert first["files"] == second["files"]
    assert first["base"] == second["base"]
    assert len(first["metrics"]) == 1
    assert second["metrics"] == []
    learned.done("generate", "--task", "cats", "-n", 5, "--batch", 2, "--outdir", "one")
    assert files(home, "one") == files(home, "out")
    found = learned.done("evaluate", "--task", "cats", "--fid", "-n", 12, "--batch", 5, "--json")
    assert first["metrics"][0] == pytest.approx(json.loads(found.stdout)["results"][0]["value"], rel=1e-6)
