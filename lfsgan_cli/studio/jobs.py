"""Training runs of the page: `lfsgan learn-task` as a process of its own, one at a time, found again by its lock.

A run belongs to the workspace, not to the server: it goes on when the server ends, and another server finds it by the
lock that it holds and the files that it writes.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lfsgan_cli import registry
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import FileWriteError, check_name, write_atomic
from lfsgan_cli.io.json import read_lines, read_object
from lfsgan_cli.options import MOST
from lfsgan_cli.studio.drafts import Drafts
from lfsgan_cli.studio.folder import LOGS, QUEUE
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.workspace import listing, locks
from lfsgan_cli.workspace.manage import TaskExistsError, check_free
from lfsgan_cli.workspace.paths import STATS, UnknownTaskError, run_folder, run_names, task_names, task_path

RECIPES = ("quick", "default", "best")  # that the page offers
NICE = 5  # redraws come before training where both want the processor
SIGNALLED = ("Terminated.", "Interrupted.")  # what the command says when it is ended before the first checkpoint
_TAIL = 1 << 14  # bytes of a log
_WINDOW = 90.0  # seconds in which the speed of a run is measured

Phase = Literal["queued", "starting", "running", "stopping", "stopped", "failed", "finished"]


class BusyError(LfsganError):
    """Something that cannot be done to a run now."""


@dataclass(frozen=True)
class Order:
    """What to learn: all that the command line is made of.

    draft: of the images; empty to resume. recipe: one of `RECIPES`. own_steps: another number of training
    steps.
    """

    name: str
    draft: str = ""
    recipe: str = "default"
    mirror: bool = True
    own_steps: int | None = None

    @property
    def steps(self) -> int:
        """Training steps of the whole run."""
        if self.own_steps is not None:
            return self.own_steps
        return int(registry.load_recipe(self.recipe).training.get("steps", LearnConfig.steps))

    def words(self, drafts: Drafts, *, make: bool = False) -> list[str]:
        """The command's words, without those of workspace and device. make: write the folder of images that is named.

        UnknownDraftError.
        """
        if not self.draft:
            return ["learn-task", "--name", self.name, "--resume"]
        draft = drafts.open(self.draft)
        folder = draft.folder_to_learn_from() if make else draft.folder / "images"
        words = ["learn-task", "--images", str(folder), "--name", self.name]
        words += ["--recipe", self.recipe] if self.recipe != "default" else []
        words += ["--steps", str(self.own_steps)] if self.own_steps is not None else []
        words += [] if self.mirror else ["--no-mirror"]
        return words + (["--fit", draft.fit] if draft.fit != "crop" else [])


@dataclass(frozen=True)
class Job:
    """A run as it is now. total: steps; left: seconds, None while nobody knows. message: what the command said last.

    again: whether it can be started again from its images.
    """

    name: str
    phase: Phase
    done: int = 0
    total: int = 0
    left: float | None = None
    message: str = ""
    again: bool = False

    @property
    def active(self) -> bool:
        """Whether it changes by itself."""
        return self.phase in {"queued", "starting", "running", "stopping"}


class Jobs:
    """The queue, and what is known of all runs of a workspace. Used by the server's one thread for requests."""

    def __init__(self, root: Path, place: Sequence[str]) -> None:
        """place: the words of the command line that name workspace and device."""
        self.root, self._place, self._drafts = root, list(place), Drafts(root)
        self._child: tuple[Order, subprocess.Popen[bytes]] | None = None
        self._stopping: set[str] = set()
        self._speed: dict[str, deque[tuple[float, int]]] = {}
        self._queue = _read_orders(root / QUEUE)

    @property
    def queue(self) -> list[Order]:
        """What waits for its turn."""
        return list(self._queue)

    def submit(self, order: Order) -> None:
        """Take an order: it starts at once where nothing is trained, or waits. Raises as `check_free`, BusyError."""
        name = check_name(order.name)
        if any(waiting.name == name for waiting in self._queue) or name in self.running():
            raise BusyError(f"task {name!r} is being learned already, or waits to be: wait for it, or stop it first")
        if order.draft:
            check_free(self.root, name, overwrite=False)
            if not self._drafts.open(order.draft).images:
                raise BusyError("no images to learn from: drop some first")
        elif listing.unfinished_run(self.root, name) is None:
            raise TaskExistsError(name) if task_path(self.root, name).exists() else UnknownTaskError(name, [])
        self._change([*self._queue, order])
        self.tick()

    def again(self, name: str) -> None:
        """Start a run that has no checkpoint from its images; UnknownTaskError where nobody knows these any more."""
        order = self._order(name)
        if order is None:
            raise UnknownTaskError(name, [])
        self.submit(order)

    def cancel(self, name: str) -> None:
        """Take an order back that has not started."""
        self._change([order for order in self._queue if order.name != name])

    def stop(self, name: str) -> None:
        """Ask a run to stop with a checkpoint, as Ctrl-C does; BusyError where it cannot be reached from here."""
        if self._child is not None and self._child[0].name == name and self._child[1].poll() is None:
            self._child[1].terminate()
        else:
            holder = self.running().get(name)
            if holder is None or holder.host != platform.node():
                raise BusyError(f"task {name!r} is not being learned on this machine: stop it where it runs")
            os.kill(holder.pid, signal.SIGTERM)
        self._stopping.add(name)

    def tick(self) -> None:
        """Look after the run that ended, and begin the next one that waits."""
        if self._child is not None and self._child[1].poll() is not None:
            self._stopping.discard(self._child[0].name)
            self._child = None
        if self._child is None and self._queue and not self.running():
            order, *rest = self._queue
            self._change(rest)
            self._start(order)

    def running(self) -> dict[str, locks.Holder | None]:
        """The names that are being learned, by this server's process or any other, and by whom."""
        found: dict[str, locks.Holder | None] = {
            name: holder
            for name, holder in locks.held_tasks(self.root).items()
            if holder is not None and "learn-task" in holder.command.split()
        }
        if self._child is not None and self._child[1].poll() is None:
            found.setdefault(self._child[0].name, None)
        return found

    def active(self) -> list[Job]:
        """The runs that are at work or wait."""
        names = dict.fromkeys([*self.running(), *(order.name for order in self._queue)])
        return [self.job(name) for name in names]

    def names(self) -> list[str]:
        """All runs that are not finished, those at work first."""
        running = self.running()
        waiting = [order.name for order in self._queue]
        rest = [] if not self.root.is_dir() else run_names(self.root)
        found = []
        for name in dict.fromkeys([*running, *waiting, *rest]):
            with suppress(LfsganError):  # a folder that no task can have
                if name in running or name in waiting or listing.unfinished_run(self.root, name):
                    found.append(name)
        return found

    def job(self, name: str) -> Job:
        """A run by its name; UnknownTaskError, TaskNameError."""
        run = listing.unfinished_run(self.root, name)
        waiting = next((order for order in self._queue if order.name == name), None)
        message = self._last_words(name)
        if name in self.running():
            total = self._child[0].steps if self._child and self._child[0].name == name else 0
            if run is None:
                return Job(name, "stopping" if name in self._stopping else "starting", 0, total)
            done = max(run.done, listing.last_step(self.root, name))
            phase: Phase = "stopping" if name in self._stopping else "running"
            return Job(name, phase, done, run.total or total, self._left(name, done, run.total or total))
        if waiting is not None:
            return Job(name, "queued", run.done if run else 0, (run and run.total) or waiting.steps)
        if run is not None:
            return Job(name, "stopped", max(run.done, 0), run.total or 0, message=message)
        if task_path(self.root, name).is_file():
            return Job(name, "finished", 1, 1)
        if message:
            ended: Phase = "stopped" if message in SIGNALLED else "failed"
            return Job(name, ended, message=message, again=self._order(name) is not None)
        raise UnknownTaskError(name, task_names(self.root) if self.root.is_dir() else [])

    def losses(self, name: str) -> dict[str, list[tuple[int, float]]]:
        """The losses of a run by name, as (step, value)."""
        found: dict[str, list[tuple[int, float]]] = {}
        with suppress(LfsganError):  # a line that is being written
            for line in read_lines(run_folder(self.root, name) / STATS):
                for key, value in line.items():
                    if key != "step" and isinstance(value, int | float):
                        found.setdefault(key, []).append((int(line.get("step", 0)), float(value)))
        return found

    def grid(self, name: str) -> tuple[int, Path] | None:
        """The newest image grid of a run, with its step."""
        found = sorted(run_folder(self.root, name).glob("fakes[0-9]*.png"))
        return (int(found[-1].stem.removeprefix("fakes")), found[-1]) if found else None

    def _start(self, order: Order) -> None:
        log = self.root / LOGS / f"{order.name}.log"
        try:
            words = order.words(self._drafts, make=True)
            log.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(log.with_name(f"{order.name}.json"), _written([order]))
            with log.open("wb") as file:
                # Not the folder that the server was started in: Python would look for modules there.
                child = subprocess.Popen(  # noqa: S603 - our own program, with words that were checked
                    [sys.executable, "-P", "-m", "lfsgan_cli", *words, *self._place],
                    stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise FileWriteError(log, error) from error
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, child.pid, NICE)
        with suppress(OSError):
            # Where Linux groups processes by session, it compares groups only, each of which has a value of its own.
            Path(f"/proc/{child.pid}/autogroup").write_text(str(NICE), "ascii")
        self._child = (order, child)
        self._speed.pop(order.name, None)
        self._stopping.discard(order.name)

    def _order(self, name: str) -> Order | None:
        """The order by which the page began a run of that name."""
        found = list(_read_orders(self.root / LOGS / f"{check_name(name)}.json"))
        return found[0] if found and found[0].draft else None

    def _change(self, queue: list[Order]) -> None:
        self._queue = queue
        path = self.root / QUEUE
        if queue or path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, _written(queue))

    def _left(self, name: str, done: int, total: int) -> float | None:
        """Seconds until the end at the speed of the last minutes."""
        seen = self._speed.setdefault(name, deque())
        now = time.monotonic()
        if not seen or seen[-1][1] != done:
            seen.append((now, done))
        while len(seen) > 2 and now - seen[0][0] > _WINDOW:
            seen.popleft()
        (start, first), (_, last) = seen[0], seen[-1]
        if last <= first or seen[-1][0] <= start:
            return None
        return (total - done) * (seen[-1][0] - start) / (last - first)

    def _last_words(self, name: str) -> str:
        """The last whole line of the log of a run that the page started, without progress lines."""
        path = self.root / LOGS / f"{check_name(name)}.log"
        try:
            with path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                lines = file.read(_TAIL).decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip() and " left" not in line]
        return said[-1] if said else ""


def _written(orders: Sequence[Order]) -> bytes:
    return json.dumps({"orders": [asdict(order) for order in orders]}).encode()


def _read_orders(path: Path) -> list[Order]:
    """The orders in a file, such as what waited when the last server ended; whatever is none is left out."""
    try:
        document: Any = read_object(path).get("orders", [])
    except LfsganError:
        return []
    found = []
    for entry in document if isinstance(document, list) else []:
        match entry:
            case {
                "name": str(name), "draft": str(draft), "recipe": str(recipe), "mirror": bool(mirror),
                "own_steps": int() | None as steps,
            } if recipe in RECIPES and (steps is None or 0 < steps <= MOST):  # fmt: skip
                with suppress(LfsganError):
                    found.append(Order(check_name(name), draft, recipe, mirror, steps))
    return found
