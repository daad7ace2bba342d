"""`lfsgan benchmark`: several methods learn the same tasks one after another, and are measured after each of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lfsgan_cli.commands import options as given
from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import losses_line, print_json, progress, say, table, warn
from lfsgan_cli.commands.help import INPUT, OUTPUT
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, check_images, tell_images, to_repeat

if TYPE_CHECKING:
    from lfsgan_cli.benchmark.plan import BenchmarkStep
    from lfsgan_cli.benchmark.runner import Stepped
    from lfsgan_cli.evaluation.features import Progress
    from lfsgan_cli.images.summary import ImageSummary
    from lfsgan_cli.runs.learn_task import Learner

SuiteFile = Annotated[Path, typer.Argument(metavar="SUITE.toml", help="Suite to run; see examples/benchmarks.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", rich_help_panel=INPUT, help="Folder of the suite's image paths.  [default: beside it]"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", rich_help_panel=OUTPUT, help="Folder of the results.  [default: the suite's name]"
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method", metavar="NAME", rich_help_panel=INPUT, help="Method to run; may be repeated.  [default: all]"
    ),
]
Swept = Annotated[
    str,
    typer.Option(
        "--sweep", metavar="KEY=VALUE,VALUE", rich_help_panel=INPUT, show_default=False,
        help="Run each method once for each value of an adapter option or training setting.",
    ),
]  # fmt: skip


def benchmark(
    ctx: typer.Context,
    suite: SuiteFile,
    data: Data = None,
    out: Out = None,
    method: Methods = None,
    sweep: Swept = "",
    inception_weights: given.InceptionWeights = None,
    vgg_weights: given.VggWeights = None,
    offline: given.Offline = False,
    batch: given.Batch = 50,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Compare methods on a sequence of tasks.

    Every method of the suite learns the same tasks one after another. All tasks are measured after each step, which
    shows what is forgotten. A finished step is never repeated.
    """
    from lfsgan_cli.benchmark.plan import open_benchmark
    from lfsgan_cli.benchmark.results import read_runs, summarise
    from lfsgan_cli.benchmark.runner import run
    from lfsgan_cli.benchmark.suite import read_suite
    from lfsgan_cli.images.summary import images_json
    from lfsgan_cli.system.device import pick

    asked = read_suite(suite, data, sweep)
    methods, where = asked.some(method or []), pick(device)
    work, words = open_benchmark(
        asked, suite, out, where, batch,
        inception_weights=inception_weights, vgg_weights=vgg_weights, offline=offline,
    )  # fmt: skip
    say(words)
    for warning in work.warnings:
        warn(warning)
    todo = work.todo(methods)
    total = len(methods) * len(asked.seeds) * len(asked.tasks)
    read = [shots.summary for shots in work.shots.values()]
    for task, shots in work.shots.items():
        tell_images(shots.summary, label=f"Training images of {task}")
    if dry_run:
        _print_plan(todo, total, read, as_json=as_json)
        return
    if todo:
        for task, reals in work.reals.items():
            read.append(check_images(reals.dataset, label=f"Real images of {task}"))
        say(f"{total - len(todo):,} of {total:,} steps are finished." if len(todo) < total else f"{total:,} steps.")
        paths = {"--data": data, "--out": out, "--inception-weights": inception_weights, "--vgg-weights": vgg_weights}
        given_words = [word for name, path in paths.items() if path is not None for word in (name, str(path))]
        given_words += [word for name in method or [] for word in ("--method", name)]
        given_words += ["--sweep", sweep] if sweep else []
        again = to_repeat("benchmark", str(suite), *given_words, workspace=DEFAULT_WORKSPACE, device=device)
        try:
            run(work, todo, _Progress(total, total - len(todo)), again)
        finally:
            if work.out.is_dir():  # it has begun, and may be interrupted for hours
                keep_config(ctx, work.out)
    summary = summarise(read_runs(work.out))
    if as_json:
        print_json({"folder": str(work.out), **images_json(read), **asdict(summary)})
        return
    say(f"{summary.title} after the last step:")
    headings = ("method", *summary.tasks, "forgetting", "parameters per task", "seconds per task")
    table(headings, [
        (one.method, *map(_cell, (*one.values, one.forgetting)), one.parameters, _cell(one.seconds))
        for one in summary.methods
    ])  # fmt: skip
    say(f"All numbers: {to_repeat('report', str(work.out), workspace=DEFAULT_WORKSPACE)}")


def _cell(value: object) -> str:
    return "–" if value is None else str(value)


def _print_plan(todo: "Sequence[BenchmarkStep]", total: int, read: "Sequence[ImageSummary]", *, as_json: bool) -> None:
    from lfsgan_cli.images.summary import images_json

    if as_json:
        steps = [
            {"method": one.method.name, "seed": one.seed, "step": one.number, "task": one.task.name} for one in todo
        ]
        print_json({"steps": total, "todo": steps, **images_json(read)})
        return
    say(f"Would do {len(todo):,} of {total:,} steps:")
    for step in todo:
        say(f"  {_title(step)}")


class _Progress:
    """Shows the progress on stderr."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done

    @contextmanager
    def learning(self, step: "BenchmarkStep", learner: "Learner") -> "Iterator[Stepped]":
        """Steps of training, with their losses."""
        title = f"Learning {_title(step)}"
        with progress(title, learner.total, done=learner.done, unit="steps") as advance:
            yield lambda one: advance(1, losses_line(one.losses) if one.done % 10 == 0 else None)

    @contextmanager
    def measuring(self, step: "BenchmarkStep", images: int) -> "Iterator[Progress]":
        """Images."""
        with progress(f"Measuring {_title(step)}", images, unit="images") as advance:
            yield advance

    def finished(self, step: "BenchmarkStep") -> None:
        """One more step."""
        self._done += 1
        say(f"Finished {self._done:,} of {self._total:,}: {_title(step)}.")


def _title(step: "BenchmarkStep") -> str:
    return f"{step.task.name} by {step.method.name}, seed {step.seed}"
