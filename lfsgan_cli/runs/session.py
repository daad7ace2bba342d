"""One training run at work, whatever it trains: checkpoints, interrupts, logs, divergence checks, image grids."""

from __future__ import annotations

import importlib
import shlex
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Generator as Run
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import Pixels, near_square, save_grid, to_arrays
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.images.formats import BadImagesError
from lfsgan_cli.io.files import FileWriteError
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.runs.folder import DivergedRunError, RunFolder, Stopwatch, diverged_loss, enough_memory
from lfsgan_cli.runs.plan import Plan
from lfsgan_cli.system.distributed import LostRankError
from lfsgan_cli.training.loop import Meanwhile, Step, TrainingLoop

Result = TypeVar("Result")
Seen = TypeVar("Seen")

LOG_EVERY = 10  # steps; reading the losses more often would make a GPU wait
BETWEEN_SIGNALS = 10  # updates of long work between two steps, after which a signal may end it
TOLD_EVERY = 30.0  # seconds between two lines about it
CHECK_EVERY = 100  # steps between two checks that all ranks have the same weights


class BrokenOffRunError(LfsganError):
    """A run that cannot continue now; its checkpoints are whole. cause: in one line, without a full stop."""

    def __init__(self, cause: LfsganError, done: int | None, resume: str) -> None:
        super().__init__(f"{cause}; the checkpoint after step {done or 0:,} is kept; then resume with: {resume}")


class Session(ABC, Generic[Result]):
    """A training run from its start, or from its newest checkpoint, to its result.

    A run yields its steps, so that a command can show them. grid_seeds: what its image grids show; grid_note: what
    their files say besides. damaged: checkpoints that could not be read, so that the run resumes from the one before
    them. moved: the hardware of the checkpoint, where it is not this one. seconds: how long this process trained, once
    the steps are done. newest_grid: the image grid that was written last. tensorboard: a log beside the run's own, if
    it is wanted. Of several ranks, only the first writes.
    """

    seconds = 0.0
    newest_grid: Path | None = None
    tensorboard: Tensorboard | None = None

    grid_seeds: Sequence[int]
    grid_note: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, folder: RunFolder, plan: Plan, loop: TrainingLoop, device: torch.device, *, resumed: bool
    ) -> None:
        self.folder, self.plan, self.loop, self.device, self.ranks = folder, plan, loop, device, loop.ranks
        self._restored = folder.restore(loop) if resumed else None
        self.since_checkpoint = Stopwatch()
        self.tell: Callable[[str], object] = lambda _line: None
        self.damaged: tuple[Path, ...] = self._restored.damaged if self._restored else ()
        self.moved = self._restored.moved if self._restored else ""
        if self._restored:
            self.unpack(self._restored.extra)

    @property
    def resumed(self) -> bool:
        """Whether the run stands on a checkpoint."""
        return self._restored is not None

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.loop.total

    @property
    def done(self) -> int:
        """Steps that are finished, earlier processes included."""
        return self.loop.done

    @abstractmethod
    def begin(self) -> None:
        """Make the folder of a new run. After it comes the first checkpoint: before that, nothing can be resumed."""

    @abstractmethod
    def after(self, done: int) -> None:
        """Called after every step: image grids and whatever else is taken on the way."""

    @abstractmethod
    def view(self) -> Generator:
        """The generator that image grids show."""

    @abstractmethod
    def finish(self, seconds: float, *, keep_checkpoint: bool = False) -> None:
        """Write the result of the finished steps, which took so many seconds.

        keep_checkpoint: so that the run can be lengthened.
        """

    @abstractmethod
    def result(self) -> Result:
        """The summary of the result's file."""

    def pack(self) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the training loop."""
        return {}

    def unpack(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `pack` returned."""

    def complete(self, *, save_every: float, resume_command: str, keep_checkpoint: bool) -> Run[Step, None, Result]:
        """As `steps`, then `finish`; the generator returns `result`. A signal meanwhile raises StoppedRunError."""
        watch = Stopwatch()
        try:
            yield from self.steps(save_every=save_every, resume_command=resume_command)
            self.seconds = watch.seconds
            with stop_at_once(self.total, resume_command):
                if self.ranks.first:
                    self.finish(self.seconds, keep_checkpoint=keep_checkpoint)
                self.ranks.wait()
                return self.result()
        finally:
            if self.tensorboard:
                self.tensorboard.close()

    def steps(self, *, save_every: float, resume_command: str) -> Iterator[Step]:
        """Train to the end; the last step has its checkpoint too, since the result may still take a while.

        save_every: seconds between two checkpoints. Raises StoppedRunError, with a checkpoint, when a signal asked to
        stop; DivergedRunError, OutOfMemoryRunError and BrokenOffRunError leave the checkpoints as they are.
        """
        document = self.plan.to_json()
        self.ranks.equalize(self.loop.modules.values(), self.done)
        if self.ranks.first:
            self._open(document)
        watch = self.since_checkpoint = Stopwatch()
        with self._stoppable(resume_command) as request, enough_memory(self.loop, document["training"], resume_command):
            self.loop.meanwhile = self._told(lambda: self._stop_if_asked(request, document, resume_command))
            for step in self._saved_at_bad_images(document):
                last = step.done == self.total
                if step.done % LOG_EVERY == 0 or last:
                    self._log(step)
                yield step
                if self.ranks.first:
                    self.after(step.done)
                self._stop_if_asked(request, document, resume_command)
                if watch.passed(save_every) or last:
                    self.folder.save(self.loop, document, self.pack())

    def _stop_if_asked(self, request: StopRequest, document: Mapping[str, Any], resume: str) -> None:
        if number := self.ranks.highest(request.signal or 0):
            self.folder.save(self.loop, document, self.pack())
            self.ranks.wait()  # or the end of another rank would interrupt the one that writes
            raise STOPPED[signal.Signals(number)](self.done, self.total, resume)

    def _told(self, stop_if_asked: Callable[[], None]) -> Meanwhile:
        """Of long work between two steps: `tell` gets a line for each part of it, and for each half minute."""
        shown, watch = "", Stopwatch()

        def meanwhile(what: str, done: int, count: int) -> None:
            nonlocal shown
            if done % BETWEEN_SIGNALS == 0:
                stop_if_asked()
            if what != shown or watch.passed(TOLD_EVERY):
                shown = what
                self.tell(f"Between steps {self.done:,} and {self.done + 1:,}: {what}, {done:,} of {count:,}.")

        return meanwhile

    def _open(self, document: Mapping[str, Any]) -> None:
        """Make or reopen the folder; a new run, and one that was lengthened, has a checkpoint before its first step."""
        if self._restored is None:
            self.begin()
        if self._restored is None or self._restored.plan != document:
            self.folder.save(self.loop, document, self.pack())
        self.folder.reopen()

    def _saved_at_bad_images(self, document: Mapping[str, Any]) -> Iterator[Step]:
        """The loop's steps; where an image cannot be read any more, a checkpoint holds all that was learned till then.

        Some of the unfinished step's updates may be in it, which the resumed run repeats.
        """
        try:
            yield from self.loop.steps()
        except BadImagesError:
            self.folder.save(self.loop, document, self.pack())
            raise

    def _log(self, step: Step) -> None:
        wrong = diverged_loss(step.losses)
        if wrong is not None:
            raise DivergedRunError(wrong, step.done, self.plan.to_json(), self.folder.checkpoint_step)
        if self.ranks.first:
            self.folder.log(step)
            if self.tensorboard:
                self.tensorboard.losses(step)
        if step.done % CHECK_EVERY == 0 or step.done == self.total:
            self.ranks.check_equal(self.loop.modules.values())

    @contextmanager
    def _stoppable(self, resume: str) -> Iterator[StopRequest]:
        with stop_on_signals() as request:
            try:
                yield request
            except (FileWriteError, LostRankError) as error:
                raise BrokenOffRunError(error, self.folder.checkpoint_step, resume) from error
            except BadImagesError as error:
                without = " ".join(f"--skip {shlex.quote(one.name)}" for one in error.bad)
                way = f"{resume}; to go on without it, add {without}"
                raise BrokenOffRunError(error, self.folder.checkpoint_step, way) from error
            except KeyboardInterrupt as error:
                if request.signal is None:
                    raise
                raise STOPPED[request.signal](self.folder.checkpoint_step or 0, self.total, resume) from error

    @torch.no_grad()
    def samples(self, seeds: Sequence[int]) -> list[Pixels]:
        """What the generator makes of seeds now, with constant noise; training goes on as if nobody had looked."""
        return to_arrays(torch.cat(list(sample(self.view(), list(seeds), noise="const"))))

    def image_grid(self) -> None:
        """Write `fakes000123.png` into the run's folder: the samples of `grid_seeds` after the steps done."""
        done, seeds = self.loop.done, list(self.grid_seeds)
        about = {**self.grid_note, "step": done, "seeds": seeds, "noise": "const"}
        self.newest_grid = self.folder.path / f"fakes{done:06}.png"
        save_grid(self.newest_grid, near_square(self.samples(seeds)), about)
        if self.tensorboard:
            self.tensorboard.samples(self.newest_grid, done)


def seen_as(run: Run[Step, None, Result], view: Callable[[Step], Seen]) -> Run[Seen, None, Result]:
    """The run, with a view of each step in the step's place."""
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            return cast("Result", end.value)
        try:
            yield view(step)
        except (
            KeyboardInterrupt
        ) as interrupt:  # the second Ctrl-C, while the caller looks at the step: the run words it
            run.throw(interrupt)


def result_of(run: Run[Seen, None, Result], each: Callable[[Seen], object]) -> Result:
    """Run to the end, with a call after each step; what the generator returns."""
    while True:
        try:
            seen = next(run)
        except StopIteration as end:
            return cast("Result", end.value)
        try:
            each(seen)
        except KeyboardInterrupt as interrupt:
            run.throw(interrupt)


# Ctrl-C, SIGTERM and SIGHUP during training: finish the step, write a checkpoint, then end.


class StoppedRunError(LfsganError):
    """A run that was told to stop, and that has a checkpoint."""

    label = ""  # nothing went wrong

    def __init__(self, done: int, total: int, resume: str) -> None:
        super().__init__(f"Stopped after step {done:,} of {total:,}; resume with: {resume}")


class InterruptedRunError(StoppedRunError):
    """Stopped by Ctrl-C."""

    status = 128 + signal.SIGINT


class TerminatedRunError(StoppedRunError):
    """Stopped by SIGTERM."""

    status = 128 + signal.SIGTERM


STOPPED: dict[signal.Signals, type[StoppedRunError]] = {
    signal.SIGINT: InterruptedRunError,
    signal.SIGTERM: TerminatedRunError,
}
if hasattr(signal, "SIGHUP"):  # the terminal is gone; Windows has no such signal

    class HungUpRunError(StoppedRunError):
        """Stopped because its terminal was closed."""

        status = 128 + signal.SIGHUP

    STOPPED[signal.SIGHUP] = HungUpRunError


class StopRequest:
    """Whether a signal asked to stop, and which."""

    signal: signal.Signals | None = None

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal; a second one ends the step at once, by KeyboardInterrupt."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """The signals only ask to stop while the block runs."""
    request = StopRequest()
    with _handled_by(request.ask):
        yield request


@contextmanager
def stop_at_once(total: int, resume: str) -> Iterator[None]:
    """The signals end the block with StoppedRunError: all steps have their checkpoint, and the rest can be redone."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise STOPPED[signal.Signals(number)](total, total, resume)

    with _handled_by(end):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there may a program handle signals
        yield
        return
    # Under nohup, SIGHUP is ignored, and stays so: a closed terminal ends nothing.
    numbers = [
        number
        for number in STOPPED
        if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in zip(numbers, before, strict=True):
            signal.signal(number, earlier)


TENSORBOARD = "tensorboard"  # in the folder of a run


class NoTensorboardError(LfsganError):
    """The extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "--tensorboard needs TensorBoard, which is not installed: pip install 'lfsgan[tensorboard]'; "
            "the losses are in stats.jsonl without it"
        )


class Tensorboard:
    """Writes event files into a folder, which is made with the first entry; NoTensorboardError.

    Entries of an earlier run or process from the first new step on are hidden, so that a resumed run has one line.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._writers: Any = importlib.import_module("torch.utils.tensorboard")
        except ImportError as error:
            raise NoTensorboardError from error
        self.folder = folder
        self._open: Any = None

    def losses(self, step: Step) -> None:
        """Add the losses of a step, as `loss/NAME`."""
        for name, loss in step.losses.items():
            self._writer(step.done).add_scalar(f"loss/{name}", float(loss), step.done)

    def samples(self, grid: Path, done: int) -> None:
        """Add an image grid from its file."""
        with Image.open(grid) as image:
            pixels = np.asarray(image.convert("RGB"))
        writer = self._writer(done)
        writer.add_image("samples", pixels, done, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._open is not None:
            self._open.close()

    def _writer(self, step: int) -> Any:
        if self._open is None:
            self._open = self._writers.SummaryWriter(str(self.folder), purge_step=step)
        return self._open
