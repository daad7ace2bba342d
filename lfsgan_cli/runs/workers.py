"""Workers that learn the tasks of a queue: processes on this machine, or on the nodes of a Ray cluster.

A worker needs no other engine and no server. Any number of them, on one machine or on machines that share a folder,
work on the same tasks: each takes the next one that is neither learned nor locked, resumes what is unfinished, and
waits for what others hold. Each task is a process `lfsgan learn-task` of its own, so that its bytes are those of the
command, and nothing that goes wrong in one reaches another. Ray only places these processes.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli import __version__
from lfsgan_cli.errors import LfsganError, one_line
from lfsgan_cli.io.files import FileWriteError
from lfsgan_cli.runs.queue import THREADS, Outcome, Queue, QueuedTask, Running
from lfsgan_cli.system.device import pick
from lfsgan_cli.system.machine import hardware
from lfsgan_cli.workspace import listing
from lfsgan_cli.workspace.locks import HeldError, claim, is_held
from lfsgan_cli.workspace.manage import TaskExistsError, UnfinishedTaskError

ATTEMPTS = 3  # for a task whose process was killed
POLL, WAIT = 0.2, 2.0  # seconds: between looks at processes, and at tasks that other workers hold


class Worker(Queue):
    """Learns tasks on this machine, `jobs` at a time, and waits for those that other processes hold.

    With several GPUs, each job has its own.
    """

    def __init__(
        self, root: Path, tasks: Sequence[QueuedTask], *, jobs: int = 1, threads: int = THREADS, device: str = "auto"
    ) -> None:
        super().__init__(root, tasks, threads=threads)
        self.jobs, self._children = jobs, dict[int, _Child]()
        spread = jobs > 1 and device in {"auto", "cuda"} and torch.cuda.is_available()
        self._devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if spread else [device]
        self._killed: dict[str, list[str]] = {}
        self._look_again = 0.0

    def run(self) -> Generator[Outcome | None]:
        """Each task's outcome; None between them, several times a second, so that the caller can show progress.

        If the caller stops, the processes are asked to stop with a checkpoint, and waited for.
        """
        try:
            while self.pending or self._children:
                for slot, child in list(self._children.items()):
                    if child.process.poll() is not None:
                        del self._children[slot]
                        self.at_work.discard(child.task.name)
                        yield from self._ended(child)
                yield from self._start()
                self.running = [child.running(self.workspace.root) for child in self._children.values()]
                if self.pending or self._children:
                    yield None
                    time.sleep(POLL)
        finally:
            self._stop()

    def _start(self) -> Generator[Outcome]:
        """Begin what can be begun; yields what turns out to be finished, or not to be startable."""
        if len(self._children) == self.jobs or time.monotonic() < self._look_again:
            return
        for task in list(self.pending.values()):
            found = self.look(task)
            if isinstance(found, Outcome):
                del self.pending[task.name]
                yield found
            elif not is_held(self.workspace.root, task.name) and self.ready(task):
                with ExitStack() as stack, suppress(HeldError):
                    stack.enter_context(claim(self.workspace.root, task.name))
                    found = self.look(task)  # another worker may have had it until now
                    if isinstance(found, Outcome):
                        continue
                    slot = next(slot for slot in range(self.jobs) if slot not in self._children)
                    self._children[slot] = _Child(task, self._command(task, slot, resume=found), stack.pop_all())
                    self.at_work.add(task.name)
                    del self.pending[task.name]
                    if len(self._children) == self.jobs:
                        return
        self._look_again = time.monotonic() + WAIT  # the rest is held by others

    def _command(self, task: QueuedTask, slot: int, *, resume: bool) -> list[str]:
        words = task.words(resume=resume, threads=self.threads)
        device = self._devices[slot % len(self._devices)]
        place = ["--workspace", str(self.workspace.root.absolute()), "--device", device]
        # Not the folder of the caller: Python would look for modules there.
        return [sys.executable, "-P", "-m", "lfsgan_cli", *words, *place, "--quiet", "--json"]

    def _ended(self, child: _Child) -> Generator[Outcome]:
        """The outcome of a process that ended, unless its task is to be tried again."""
        outcome = child.outcome()
        child.close()
        name, self._look_again = child.task.name, 0.0
        begun_by_others = {str(UnfinishedTaskError(name)), str(TaskExistsError(name))}
        if child.process.returncode == 1 and (HeldError.words in outcome.message or outcome.message in begun_by_others):
            self._look_again = time.monotonic() + WAIT
        elif child.process.returncode < 0 and len(self._killed.setdefault(name, [])) < ATTEMPTS - 1:
            self._killed[name].append(f"tried again, since {outcome.message}")
        else:
            yield replace(outcome, warnings=(*self._killed.pop(name, ()), *outcome.warnings))
            return
        self.pending[name] = child.task

    def _stop(self) -> None:
        for child in self._children.values():
            child.process.terminate()
        for child in self._children.values():
            try:
                child.process.wait()
            except BaseException:  # a second Ctrl-C: at once
                for other in self._children.values():
                    other.process.kill()
                raise
            finally:
                child.close()
        self._children.clear()


class _Child:
    """A process `lfsgan learn-task`, in a session of its own: Ctrl-C reaches it through the worker alone."""

    def __init__(self, task: QueuedTask, command: Sequence[str], claimed: ExitStack) -> None:
        self.task, self.claimed, self._start = task, claimed, time.monotonic()
        self._total: int | None = task.settings.get("steps")
        try:
            self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - outlive this call
            self.process = subprocess.Popen(  # noqa: S603 - our own program, with words that were checked
                command, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err, start_new_session=True
            )
        except OSError as error:
            claimed.close()
            raise FileWriteError(Path(tempfile.gettempdir()), error) from error

    def running(self, root: Path) -> Running:
        """How far it is."""
        name = self.task.name
        if self._total is None and (run := listing.unfinished_run(root, name)):
            self._total = run.total
        return Running(name, listing.last_step(root, name), self._total, time.monotonic() - self._start)

    def close(self) -> None:
        """Give the task and the files back, once it has ended."""
        for file in (self._out, self._err, self.claimed):
            file.close()

    def outcome(self) -> Outcome:
        """What became of it, once it has ended."""
        seconds, said = time.monotonic() - self._start, [line.strip() for line in _text(self._err).splitlines()]
        warnings = tuple(line.removeprefix("Warning: ") for line in said if line.startswith("Warning: "))
        if self.process.returncode == 0:
            with suppress(ValueError):
                return Outcome(self.task.name, "learned", seconds, "", warnings, json.loads(_text(self._out)))
        message = said[-1].removeprefix(LfsganError.label) if said and not said[-1].startswith("Warning: ") else ""
        if self.process.returncode < 0:
            number = -self.process.returncode
            named = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
            message = f"its process was ended by {named}, which the system does where memory is full"
        return Outcome(self.task.name, "failed", seconds, message or f"exit code {self.process.returncode}", warnings)


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode("utf-8", "replace"))


# On a Ray cluster: the same units, placed by Ray. The workspace and the images are in a folder that all nodes share.


NODES_SEEN = 30.0  # seconds after which a node that tells nothing is not shown any more
AHEAD = 3  # units that Ray has, for each that runs: so that a cluster that grows by itself sees the need
STOPPING = 60.0  # seconds that interrupted units have for their checkpoints


class RayError(LfsganError):
    """A cluster that cannot be used."""


class RayWorker(Queue):
    """Learns tasks on the nodes of a Ray cluster; Ray tries again what was lost with a node.

    address: of the cluster, or `local` for one on this machine. jobs: tasks at a time, None for what fits. gpus: of
    each task, a share of one as well; Ray counts them, and limits no memory. hardware: of the nodes that worked.
    """

    def __init__(
        self, root: Path, tasks: Sequence[QueuedTask], address: str, *, jobs: int | None = None,
        threads: int = THREADS, device: str = "auto", gpus: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(root, tasks, threads=threads)
        self._address, self._jobs, self._device, self._gpus = address, jobs, device, gpus
        self.hardware: set[str] = set()

    def run(self) -> Generator[Outcome | None]:
        """As `Worker.run`. RayError."""
        ray, begun = self._connected(), dict[Any, QueuedTask]()
        try:
            yield from self._place(ray, begun)
        finally:
            for reference in begun:
                with suppress(Exception):  # a node that is lost
                    ray.cancel(reference)  # as Ctrl-C: the unit stops its process with a checkpoint
            if begun:
                ray.wait(list(begun), num_returns=len(begun), timeout=STOPPING)
            ray.shutdown()

    def _place(self, ray: Any, begun: dict[Any, QueuedTask]) -> Generator[Outcome | None]:
        """Hand the units to Ray, some ahead, and take what became of them. begun: those that Ray has."""
        self.workspace.ensure_base()  # by which a node knows that it sees this folder
        here = ray.get_runtime_context().get_node_id()
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        board = ray.remote(num_cpus=0, scheduling_strategy=affinity)(_Board).remote()
        places = int(ray.cluster_resources().get("CPU", 1)) // self.threads
        most = self._jobs or max(16, AHEAD * places)
        while self.pending or begun:
            for task in list(self.pending.values()):
                if len(begun) >= most:
                    break
                found = self.look(task)
                if isinstance(found, Outcome):
                    del self.pending[task.name]
                    yield found
                elif self.ready(task):
                    begun[self._submit(ray, task, board)] = self.pending.pop(task.name)
                    self.at_work.add(task.name)
            if begun:
                done, _ = ray.wait(list(begun), num_returns=1, timeout=1.0)
                for reference in done:
                    task = begun.pop(reference)
                    self.at_work.discard(task.name)
                    yield self._result(ray, reference, task)
                self.running = [one for one in ray.get(board.all.remote()) if one.name in self.at_work]
            else:
                time.sleep(WAIT)
            yield None

    def _connected(self) -> Any:
        if self._address == "local":  # it listens on all addresses of this machine, so that it must know its users
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray: Any = importlib.import_module("ray")
            importlib.import_module("ray.util.scheduling_strategies")
        except ImportError as error:
            raise RayError("--ray needs the package ray: install it with `pip install 'lfsgan[ray]'`") from error
        size = {"num_cpus": (self._jobs or 1) * self.threads, "include_dashboard": False}
        try:
            host, _, port = self._address.rpartition(":")
            if port.isdecimal() and "/" not in host:  # Ray itself would wait for minutes
                socket.create_connection((host, int(port)), timeout=10).close()
            own = size if self._address == "local" else {}
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.WARNING, **own)
        except Exception as error:
            raise RayError(
                f"no Ray cluster at {self._address!r}: {one_line(str(error))[:200]}; expected HOST:PORT of a running "
                "one, auto, or local"
            ) from error
        return ray

    def _submit(self, ray: Any, task: QueuedTask, board: Any) -> Any:
        threads = task.settings.get("threads", self.threads)
        unit = ray.remote(num_cpus=threads, num_gpus=self._gpus, max_retries=-1)(_attend)
        found = replace(task, images=tuple(path.absolute() for path in task.images))
        place = str(self.workspace.root.absolute()), self.threads, self._device
        return unit.options(name=f"learn {task.name}").remote(found, *place, __version__, board)

    def _result(self, ray: Any, reference: Any, task: QueuedTask) -> Outcome:
        try:
            outcome, model = ray.get(reference)
        except ray.exceptions.RayError as error:
            return Outcome(task.name, "failed", message=one_line(str(error))[:500])
        self.hardware |= {model} - {""}
        if not isinstance(outcome, Outcome):
            return Outcome(task.name, "failed", message=str(outcome))
        # A node that was killed may have ended it just before: to the second try, it was learned already.
        return replace(outcome, state="elsewhere") if outcome.state == "already" else outcome


class _Board:
    """An actor to which the units tell how far they are."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[float, Running]] = {}

    def put(self, running: Running) -> None:
        self._latest[running.name] = time.monotonic(), running

    def all(self) -> list[Running]:
        now = time.monotonic()
        self._latest = {name: each for name, each in self._latest.items() if now - each[0] < NODES_SEEN}
        return [running for _, running in self._latest.values()]


def _attend(task: QueuedTask, root: str, threads: int, device: str, version: str, board: Any) -> tuple[Outcome, str]:
    """One unit, on whatever node Ray chose: waits while another process holds the task, then learns or resumes it."""
    import platform

    node = platform.node()
    if version != __version__:
        why = f"node {node} has lfsgan {__version__}, expected {version}: install the same on all nodes"
        return Outcome(task.name, "failed", message=why), ""
    worker = Worker(Path(root), [task], threads=threads, device=device)
    if not worker.workspace.base_path.is_file():
        why = f"node {node} does not see {root!r}: share that folder among all nodes, at the same path"
        return Outcome(task.name, "failed", message=why), ""
    outcome, told = None, 0.0
    with closing(worker.run()) as events:
        for event in events:
            outcome = event or outcome
            if worker.running and time.monotonic() - told > 1:
                told = time.monotonic()
                board.put.remote(replace(worker.running[0], where=node))
    assert outcome is not None  # noqa: S101 - a worker ends with the outcome of each of its tasks
    return outcome, hardware(pick(device))
