"""Writing pictures in other threads while the next ones are drawn, so that compressing and the disk cost no time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

THREADS = 4  # they mostly wait: each file is forced to the disk before it gets its name


def written(batches: Iterable[list[T]], write: Callable[[T], None]) -> Iterator[T]:
    """Each item of each batch in order, once it is written; at most two batches are waiting.

    An error of `write` comes up when its item would have; what was begun is still finished.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        before: list[tuple[T, Future[None]]] = []
        for batch in batches:
            begun = [(item, pool.submit(write, item)) for item in batch]
            yield from _finished(before)
            before = begun
        yield from _finished(before)


def _finished(begun: list[tuple[T, Future[None]]]) -> Iterator[T]:
    for item, future in begun:
        future.result()
        yield item
