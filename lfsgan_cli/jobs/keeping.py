"""A training run that outlives its process: state kept now and then, signals heeded, a log and pictures on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lfsgan_cli.jobs.interrupt import STOPPED, stop_on_signals
from lfsgan_cli.jobs.runfolder import RunFolder, Stopwatch
from lfsgan_cli.training.phases import Step
from lfsgan_cli.training.run import Run

LOG_EVERY = 10  # steps; reading losses more often would make a GPU wait


@dataclass(frozen=True)
class Keeping:
    """How a run is kept.

    save_every: seconds between two states. resume: the command that goes on. picture: draws what was learned so far,
    given the number of finished steps; picture_every: steps between two of them. The last one is drawn by whoever
    finishes the run.
    """

    folder: RunFolder
    plan: Mapping[str, Any]
    save_every: float
    resume: str
    picture: Callable[[int], None]
    picture_every: int


def kept(run: Run, keeping: Keeping) -> Iterator[Step]:
    """The run's steps; raises StoppedRunError, with the state kept, when a signal asked to stop."""
    watch = Stopwatch()
    with stop_on_signals() as request:
        for step in run.steps():
            if step.done % LOG_EVERY == 0 or step.done == run.total:
                keeping.folder.log(step)
            yield step
            if step.done % keeping.picture_every == 0 and step.done < run.total:
                keeping.picture(step.done)
            if request.signal is not None:
                keeping.folder.save(run, keeping.plan)
                raise STOPPED[request.signal](step.done, run.total, keeping.resume)
            if watch.passed(keeping.save_every):
                keeping.folder.save(run, keeping.plan)
