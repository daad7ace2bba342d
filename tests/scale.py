"""`python -m tests.scale`: what the cost model in docs/scale.md says, as far as one machine can check it.

`jobs` times eight tasks by `learn-all --jobs 1` and by `--jobs 2`, and tells what limits the second. `queue` times how
long a worker takes to look through tasks that are learned already, and to begin where others hold many. `bytes` learns
one task on the embedded base and lists what it leaves.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from lfsgan_cli.runs.queue import Outcome, Queue, read_tasks
from lfsgan_cli.runs.workers import Worker
from lfsgan_cli.workspace.locks import claim

IMAGES = Path(__file__).parents[1] / "examples" / "few_shots" / "lorelei"
LIMIT = 0.65  # of the time of one job, by two jobs on two idle cores


def lfsgan(*arguments: object) -> tuple[float, float]:
    """Seconds by the clock, and of CPU time, of a command that must work."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-m", "lfsgan_cli", *map(str, arguments)]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def domains(folder: Path, count: int) -> Path:
    """A folder of `count` tasks, whose images are the same folder."""
    folder.joinpath("domains").mkdir(parents=True)
    for index in range(count):
        folder.joinpath("domains", f"task{index:07}").symlink_to(IMAGES)
    return folder / "domains"


def jobs(folder: Path, tasks: int, steps: int) -> None:
    """The ratio of the times of two jobs and of one."""
    source, cores = domains(folder, tasks), len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{tasks} tasks of {steps} steps on {cores} cores; load before: {load:.1f} (0 is idle)")
    times = {}
    for count in (1, 2):
        words = ("learn-all", source, "--steps", steps, "--jobs", count, "--workspace", folder / f"jobs{count}", "-q")
        times[count], cpu = lfsgan(*words)
        print(f"--jobs {count}: {times[count]:.0f} s, of CPU time {cpu:.0f} s, {cpu / times[count]:.2f} cores in use")
    ratio = times[2] / times[1]
    print(f"ratio: {ratio:.2f}; expected at most {LIMIT} where two cores are idle")
    same = [
        (folder / "jobs1/tasks" / path.name).read_bytes() == path.read_bytes()
        for path in folder.glob("jobs2/tasks/*.safetensors")
    ]
    print(f"equal files: {sum(same)} of {tasks}")


def queue(folder: Path, counts: list[int]) -> None:
    """Seconds that a worker takes for what is not learning."""
    first = folder / "one"
    lfsgan("learn-task", "--images", IMAGES, "--name", "one", "--steps", 2, "--workspace", first, "-q")
    for count in counts:
        root = folder / f"workspace{count}"
        shutil.copytree(first, root)
        source = domains(folder / str(count), count)
        for path in source.iterdir():
            root.joinpath("tasks", f"{path.name}.safetensors").hardlink_to(root / "tasks" / "one.safetensors")
        start, cpu = time.perf_counter(), time.process_time()
        tasks = read_tasks(source, {"steps": 2}).tasks
        listed, start = time.perf_counter() - start, time.perf_counter()
        found = list(map(Queue(root, tasks).look, tasks))
        looked, cpu = time.perf_counter() - start, time.process_time() - cpu
        assert all(isinstance(each, Outcome) and each.state == "already" for each in found), found[0]
        print(
            f"{count:,} tasks: listed in {listed:.2f} s; looked through in {looked:.2f} s, "
            f"{1000 * looked / count:.2f} ms each; of CPU time {1000 * cpu / count:.2f} ms each in all"
        )
        for task in tasks:
            root.joinpath("tasks", f"{task.name}.safetensors").unlink()
        held = min(count - 1, 500)
        with ExitStack() as stack:
            for task in tasks[:held]:
                stack.enter_context(claim(root, task.name))
            events = Worker(root, tasks).run()
            start = time.perf_counter()
            next(events)
            print(f"  began the first of the rest while others hold {held:,} in {time.perf_counter() - start:.2f} s")
            events.close()


def bytes_(folder: Path) -> None:
    """What a task leaves."""
    lfsgan("learn-task", "--images", IMAGES, "--name", "one", "--steps", 4, "--workspace", folder, "-q")
    sizes: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            parts = path.relative_to(folder / "tasks" / "one").parts if "one" in path.parts else (path.name,)
            kind = parts[0].rstrip("0123456789") if len(parts) > 1 else "".join(c for c in parts[0] if not c.isdigit())
            sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
    print(
        f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024:>12,}  of memory at most, while it is learned"
    )
    for kind, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:>12,}  {kind}")


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("what", choices=("jobs", "queue", "bytes"))
    parser.add_argument("--tasks", type=int, nargs="+", default=[], help="default: 8 for jobs, 1000 10000 for queue")
    parser.add_argument("--steps", type=int, default=60, help="of each task of `jobs` (default: 60)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lfsgan-scale-") as folder:
        match options.what:
            case "jobs":
                jobs(Path(folder), (options.tasks or [8])[0], options.steps)
            case "queue":
                queue(Path(folder), options.tasks or [1000, 10_000])
            case _:
                bytes_(Path(folder))


if __name__ == "__main__":
    main()
