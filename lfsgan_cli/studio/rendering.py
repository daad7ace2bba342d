"""One thread for all of torch's work: requests in order, and what the browser has given up is left out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.studio.samples import Samples

T = TypeVar("T")

ASK = 0.03  # seconds between two looks whether the browser still waits


class SupersededError(Exception):
    """Nobody waits for the images any more: a slider has moved on, or the page was closed."""


class Renderer:
    """Loads torch and the base once, in its own thread: the first page does not wait for them."""

    def __init__(self, root: Path, device: str) -> None:
        self._root, self._device = root, device
        self._pool = ThreadPoolExecutor(1, "render")
        self._found: Samples | None = None
        self._closed = False
        self._stop = threading.Event()  # of the work that is being done

    def warm(self) -> None:
        """Begin to load, so that the first images come sooner."""

        def load() -> None:
            with suppress(LfsganError):  # said to whoever asks for images
                self._samples().images(None, range(1))

        self._pool.submit(load)

    def close(self) -> None:
        """End after the batch that is being sampled; whoever waits or comes later gets nothing."""
        self._closed = True
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, request: Request, work: Callable[[Samples], T]) -> T:
        """Do work in the thread.

        A browser gives a request up whenever a slider moves on: then the work is left out, or ended after the batch
        in which it is, by SupersededError.
        """
        stop = threading.Event()

        def begin() -> T:
            self._stop = stop
            self._check()
            return work(self._samples())

        if self._closed:
            raise SupersededError
        future = asyncio.get_running_loop().run_in_executor(self._pool, begin)
        while not (await asyncio.wait({future}, timeout=ASK))[0]:
            if not stop.is_set() and await request.is_disconnected():
                stop.set()
        if future.cancelled():
            raise SupersededError
        return future.result()

    def _check(self) -> None:
        if self._stop.is_set():
            raise SupersededError

    def _samples(self) -> Samples:
        if self._found is None:
            from lfsgan_cli.studio.samples import Samples

            self._found = Samples(self._root, self._device, self._check)
        return self._found
