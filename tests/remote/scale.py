"""What commands cost in a workspace of 100,000 tasks, beside one of 1,000: `python -m tests.remote.scale`.

On disk and on an S3 server (moto) on loopback: generating and pushing, within one process so that the start of Python
counts for nothing, and all that happens until the first fifty tasks of `lfsgan tasks list` are printed, from the start
of the program on. Counted are seconds of the processor, of the program and of the server together: other programs slow
everything down, and hardly change these. Exits with code 1 where a ratio is above 1.3, or a listing above 2 s.

On disk, tasks are hard links to a few files, each with a folder for its run. Needs Linux.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from itertools import count
from pathlib import Path

from lfsgan_cli import open_workspace
from lfsgan_cli.workspace.publish import plan_push
from lfsgan_cli.workspace.remote import remote_at
from tests.conftest import SMALL, Program, paint
from tests.remote.conftest import KEYS, serving

FEW, MANY = 1_000, 100_000
RUNS = 5  # of each, by turns; the cheapest counts
RATIO, SECONDS, LINES = 1.3, 2.0, 50
LINKS = 20_000  # of one file; file systems allow about 60,000
HOME = Path("home/lfsgan_workspace")
DISK, S3 = "disk-{}", "s3://tasks-{}"
_NAMES = count()


def main() -> int:
    """Measure, print a row for each; the exit code."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        os.environ |= {**KEYS, "LFSGAN_CACHE_DIR": str(Path("cache").absolute()), "LFSGAN_OFFLINE": "1"}
        _learn()
        _save_entry()
        for number in (FEW, MANY):
            _fill(Path(DISK.format(number)), number)
        filling = ("tests.remote.s3", str(HOME.absolute()), str(Path("entry.json").absolute()), f"{FEW},{MANY}")
        with serving(*filling, patience=900) as (server, pid):
            os.environ["AWS_ENDPOINT_URL"] = server
            return _report(pid)


def _report(pid: int) -> int:
    wrong = 0
    print(f"{'CPU seconds (and on the clock)':36}{FEW:>18,}{MANY:>18,}{'ratio':>8}")
    for name, run, most in (
        ("generate, disk", lambda number: _generate(DISK.format(number)), None),
        ("generate, S3", lambda number: _generate(S3.format(number)), None),
        ("push, from disk to S3", lambda number: _push(DISK.format(number), S3.format(number)), None),
        (f"first {LINES} of tasks list, disk", lambda number: _list(DISK.format(number)), SECONDS),
        (f"first {LINES} of tasks list, S3", lambda number: _list(S3.format(number)), SECONDS),
        (f"tasks list --limit {LINES}, disk", lambda number: _list(DISK.format(number), str(LINES)), SECONDS),
        (f"tasks list --limit {LINES}, S3", lambda number: _list(S3.format(number), str(LINES)), SECONDS),
    ):
        few, many = _turns(run, pid)
        wrong += many[0] > most if most else many[0] / few[0] > RATIO
        cells = "".join(f"{f'{cpu:.2f} ({clock:.2f})':>18}" for cpu, clock in (few, many))
        print(f"{name:36}{cells}{many[0] / few[0]:8.2f}", flush=True)
    return int(wrong > 0)


def _turns(run: Callable[[int], None], pid: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """The smallest CPU seconds and seconds, with few tasks and with many."""
    found: dict[int, list[tuple[float, float]]] = {FEW: [], MANY: []}
    for _ in range(RUNS):
        for number, seconds in found.items():
            clock, cpu = time.perf_counter(), _cpu(pid)
            run(number)
            seconds.append((_cpu(pid) - cpu, time.perf_counter() - clock))
    few, many = ((min(cpu for cpu, _ in one), min(clock for _, clock in one)) for one in found.values())
    return few, many


def _cpu(pid: int) -> float:
    """CPU seconds of this process, of those that it started and that ended, and of the server."""
    own = os.times()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    server = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own.user + own.system + own.children_user + own.children_system + server


def _generate(workspace: str) -> None:
    open_workspace(workspace).generate("cats", 4)


def _push(workspace: str, url: str) -> None:
    name = f"new-{next(_NAMES)}"
    os.link(HOME / "tasks/cats.safetensors", Path(workspace, "tasks", f"{name}.safetensors"))
    plan_push(Path(workspace), name, remote_at(url)).run()


def _list(workspace: str, limit: str = "") -> None:
    """Until the heading and fifty tasks are printed."""
    options = ["--limit", limit] if limit else []
    command = [sys.executable, "-m", "lfsgan_cli", "tasks", "list", "--workspace", workspace, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(LINES + 1)]
        process.kill()
    assert all(lines), lines


def _learn() -> None:
    paint(Path("home/data"), 12, 0)
    paint(Path("home/cats"), 5, 1)
    with chdir("home"), contextlib.redirect_stderr(None):
        Program(Path.cwd()).done("pretrain", "--data", "data", *SMALL, "--kimg", 0.04)
        Program(Path.cwd()).learn("cats", "--steps", 2, "-o", "rank=1")


def _save_entry() -> None:
    """What a push writes into the index."""
    import boto3

    with serving("tests.remote.s3") as (server, _):
        os.environ["AWS_ENDPOINT_URL"] = server
        client = boto3.client("s3")
        client.create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": KEYS["AWS_DEFAULT_REGION"]})
        plan_push(HOME, "cats", remote_at("s3://one")).run()
        Path("entry.json").write_bytes(client.get_object(Bucket="one", Key="index/cats.json")["Body"].read())


def _fill(root: Path, number: int) -> None:
    tasks = root / "tasks"
    tasks.mkdir(parents=True)
    for name in ("base.safetensors", "tasks/cats.safetensors"):
        (root / name).write_bytes((HOME / name).read_bytes())
    for index in range(number):
        source = tasks / f"task-{index - index % LINKS:06}.safetensors"
        if index % LINKS:
            os.link(source, tasks / f"task-{index:06}.safetensors")
        else:
            source.write_bytes((HOME / "tasks/cats.safetensors").read_bytes())
        (tasks / f"task-{index:06}").mkdir()


if __name__ == "__main__":
    sys.exit(main())
