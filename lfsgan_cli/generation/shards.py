"""Work on images shared out among processes on this machine: `generate --jobs` and `evaluate --jobs`.

The unit is a whole batch, as one process would make it, since an image may change by one level with what else is in its
batch. Every process takes the next unit, and the results come back in order. Threads of the CPU are divided among the
processes; with several GPUs, each process has its own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, Protocol, TypeVar

import torch

from lfsgan_cli.errors import LfsganError

Unit = TypeVar("Unit")
Result = TypeVar("Result")
Unit_contra = TypeVar("Unit_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

AHEAD = 2  # units in work or done, for each process: what is done waits for its turn in memory


class LostProcessError(LfsganError):
    """A process that ended without a word."""

    def __init__(self, jobs: int) -> None:
        super().__init__(
            f"one of the {jobs} processes was ended, which the system does where memory is full: pass a smaller --jobs "
            "or --batch"
        )


class Shared(Protocol[Unit_contra, Result_co]):
    """What each process gets a copy of, by pickling: `begin` is called once, then `run` for one unit after another."""

    def begin(self, worker: int) -> None:
        """Load what all units need. worker: the number of this process, from 0."""

    def run(self, unit: Unit_contra) -> Result_co:
        """The result of one unit."""


def batches(count: int, size: int) -> list[slice]:
    """The places of all batches among `count` images."""
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def device_of(device: torch.device, worker: int) -> torch.device:
    """The device of a process: the GPUs in turn, unless one is named by its number."""
    if str(device) != "cuda":
        return device
    return torch.device("cuda", worker % torch.cuda.device_count())


def spread(task: Shared[Unit, Result], units: Iterable[Unit], jobs: int) -> Generator[Result]:
    """The results of all units in their order, by `jobs` processes; raises LostProcessError, and what a unit raises.

    Where the caller stops, the units in work are finished first.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch half
    threads = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(jobs, context, _begin, (task, context.Value("i", 0), threads))
    try:
        yield from _in_order(pool, iter(units), jobs)
    except BrokenProcessPool as error:
        raise LostProcessError(jobs) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, units: Iterator[Unit], jobs: int) -> Iterator[Any]:
    waiting: list[Future[Any]] = []
    while True:
        waiting += [pool.submit(_run, unit) for unit in islice(units, AHEAD * jobs - len(waiting))]
        if not waiting:
            return
        yield waiting.pop(0).result()


class _Here:
    """What this process, which was started for it, works on."""

    task: Shared[Any, Any]
    failed: LfsganError | None = None


def _begin(task: Shared[Any, Any], counter: Any, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that was started by the user says what to do
    parent = multiprocessing.parent_process()
    if parent is not None:  # which may be killed
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(threads)
    with counter.get_lock():
        worker, counter.value = counter.value, counter.value + 1
    _Here.task = task
    try:
        task.begin(worker)
    except LfsganError as error:
        _Here.failed = error


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _run(unit: Any) -> Any:
    try:
        if _Here.failed is not None:
            raise _Here.failed
        return _Here.task.run(unit)
    except LfsganError as error:  # many are made of other arguments than their message, and could not be sent
        raise LfsganError(str(error)) from None
