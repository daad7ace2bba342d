"""Measuring from Python: metrics of tasks, blends and foreign images, retention, reports, and this machine's speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from lfsgan_cli.api.arguments import (
    CallError,
    Opened,
    PathLike,
    SamplingArguments,
    Task,
    path_of,
    sampling_options,
    tasks_text,
)

if TYPE_CHECKING:
    from lfsgan_cli.benchmark.plan import BenchmarkStep
    from lfsgan_cli.benchmark.results import Summary
    from lfsgan_cli.evaluation.evaluate import Measurement, NotMeasured
    from lfsgan_cli.evaluation.image_sets import ImageSet
    from lfsgan_cli.evaluation.registry import Metric
    from lfsgan_cli.evaluation.retention import Verdict
    from lfsgan_cli.profiling.profile import Profile


class EvaluateOptions(SamplingArguments, total=False):
    """Keyword arguments of `evaluate`; what is left out is as in `lfsgan evaluate`.

    images: training images, in place of those in the workspace. fakes: generated images to measure instead of tasks.
    jobs: processes that share the work, below `if __name__ == "__main__":` in a script.
    options: of the metrics, such as `{"parts": ["eyes=0.2,0.3,0.8,0.5"]}` of `outliers`.
    """

    reals: PathLike
    images: PathLike
    fakes: PathLike
    side: int
    n: int
    blocks: int
    with_base: bool
    save: PathLike
    features: Literal["auto", "inception", "efficientnet-lite0", "efficientnet-lite2", "pixels-16"]
    fid_mode: Literal["clean", "legacy-pytorch"]
    lpips_features: Literal["auto", "vgg", "efficientnet-lite0"]
    inception_weights: PathLike
    vgg_weights: PathLike
    offline: bool
    batch: int
    jobs: int
    options: Mapping[str, Sequence[str]]


class BenchmarkOptions(TypedDict, total=False):
    """Keyword arguments of `benchmark`; what is left out is as in `lfsgan benchmark`.

    out: folder of the results. methods: those to run. sweep: one option over values, such as `rank=1,4,14`.
    """

    data: PathLike
    out: PathLike
    methods: Sequence[str]
    sweep: str
    inception_weights: PathLike
    vgg_weights: PathLike
    offline: bool
    batch: int


@dataclass(frozen=True)
class WrittenReport:
    """The files of a report. left_out: tasks and methods without images in it, with the reason."""

    html: Path
    markdown: Path
    csv: Path
    left_out: Mapping[str, str]


class Measuring(Opened):
    """Metrics, retention, reports and speed."""

    def evaluate(
        self,
        tasks: Task | Sequence[Task] = (),
        metrics: Sequence[str] = ("fid",),
        *,
        progress: Callable[[int], None] | None = None,
        **options: Unpack[EvaluateOptions],
    ) -> list[Measurement | NotMeasured]:
        """Measure tasks, all of them if none is named; each number, and each that could not be measured with its error.

        metrics: named as the flags of `lfsgan evaluate`. progress: told how many more images were processed.
        """
        return list(self.iter_evaluate(tasks, metrics, progress=progress, **options))

    def iter_evaluate(
        self,
        tasks: Task | Sequence[Task] = (),
        metrics: Sequence[str] = ("fid",),
        *,
        progress: Callable[[int], None] | None = None,
        **options: Unpack[EvaluateOptions],
    ) -> Iterator[Measurement | NotMeasured]:
        """As `evaluate`, but each number comes as soon as it is measured.

        Processes that torchrun started share the images; the first one yields the numbers, and the others none.
        """
        from lfsgan_cli.evaluation.evaluate import Evaluation
        from lfsgan_cli.evaluation.features import ExtractorSettings
        from lfsgan_cli.evaluation.image_sets import compared_with
        from lfsgan_cli.evaluation.registry import metrics_named
        from lfsgan_cli.system.distributed import joined

        wanted = metrics_named(metrics)
        values = _metric_options(wanted, options.get("options", {}))
        sets = self._sets(tasks_text(tasks), options)
        chosen = _weights(options)
        chosen |= {key: options[key] for key in ("features", "fid_mode", "lpips_features") if key in options}
        needs = {need for metric in wanted for need in metric.needs}
        weights = ExtractorSettings(**chosen)
        extractors, _ = weights.load(self._pick(), needs)
        if "reals" in options:
            sets = compared_with(sets, path_of(options["reals"]))
        batch, blocks = options.get("batch", 50), options.get("blocks", 1)
        jobs = options.get("jobs", 1)
        with joined(self._pick()) as ranks:
            evaluation = Evaluation(sets, None, wanted, extractors, batch, blocks, values, jobs, weights, ranks)
            evaluation.check()
            yield from evaluation.not_measured if ranks.first else ()
            yield from evaluation.run(progress or (lambda _more: None))

    def check_retention(self, tasks: str | Sequence[str] = ()) -> dict[str, Verdict]:
        """Whether tasks, all of them if none is named, still generate what was recorded when they were learned."""
        from lfsgan_cli.evaluation import retention

        place = self._place(there=True, root=self._folder(tasks_text(tasks) or None))
        return retention.check_all(place, tasks_text(tasks) or retention.names(place), self._pick())

    def benchmark(
        self,
        suite: PathLike,
        *,
        progress: Callable[[int, int], object] | None = None,
        **options: Unpack[BenchmarkOptions],
    ) -> Summary:
        """Let the methods of a suite learn its tasks one after another; a finished step is never repeated.

        The benchmark has workspaces of its own. progress: called with the finished steps and all steps after each.
        """
        from lfsgan_cli.benchmark.plan import open_benchmark
        from lfsgan_cli.benchmark.results import read_runs, summarise
        from lfsgan_cli.benchmark.runner import run
        from lfsgan_cli.benchmark.suite import read_suite

        data, out = (path_of(options[key]) if key in options else None for key in ("data", "out"))
        file = path_of(suite)
        asked, device = read_suite(file, data, options.get("sweep", "")), self._pick()
        work, _ = open_benchmark(asked, file, out, device, options.get("batch", 50), **_weights(options))
        methods = asked.some(options.get("methods", ()))
        todo, total = work.todo(methods), len(methods) * len(asked.seeds) * len(asked.tasks)
        run(work, todo, _Counted(total - len(todo), total, progress), f"{self!r}.benchmark({str(suite)!r}, …)")
        return summarise(read_runs(work.out))

    def report(
        self,
        out: PathLike | None = None,
        *,
        folder: PathLike | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> WrittenReport:
        """Write an HTML report of this workspace, or of the benchmark in `folder`, with Markdown and CSV beside it.

        out: the page, `report.html` in its folder if None. progress: told how many more images were generated.
        """
        from lfsgan_cli.report.build import ReportFiles, open_report

        where = self.root if folder is None else path_of(folder)
        files = ReportFiles(where / "report.html" if out is None else path_of(out))
        files.check()
        found = open_report(where)
        files.write(found.page(self._pick(), progress or (lambda _more: None)))
        return WrittenReport(files.html, files.markdown, files.csv, dict(found.refused))

    def profile(self, *, resolution: int | None = None, seconds: float = 3.0) -> Profile:
        """How fast this machine trains and generates with this workspace's base, and what bounds each phase.

        resolution: random networks of that size with FFHQ's widths, instead of the base. seconds: for each phase.
        """
        from lfsgan_cli.profiling import profile

        subject = profile.base_of(self._place()) if resolution is None else profile.random_networks(resolution)
        return profile.profile(subject, self._pick(), seconds, lambda _amount=1, _note=None: None)

    def _sets(self, tasks: list[str], options: EvaluateOptions) -> list[ImageSet]:
        from lfsgan_cli.evaluation.image_sets import WorkspaceSets, foreign

        images, save = (path_of(options[key]) if key in options else None for key in ("images", "save"))
        with_base = options.get("with_base", False)
        if "fakes" in options:
            if tasks or with_base:
                raise CallError("fakes is passed with tasks or with_base: pass either, since fakes are of no task")
            return [foreign(path_of(options["fakes"]), images, options.get("side"))]
        if "side" in options:
            raise CallError("side is passed without fakes: tasks are measured at the side of the base; leave it out")
        style, count = sampling_options(options), options.get("n", 2000)
        place = self._place(there=True, root=self._folder(tasks or None))
        return WorkspaceSets(place, count, style, self._pick(), images, save).chosen(tasks, with_base=with_base)


def _weights(options: Mapping[str, Any]) -> dict[str, Any]:
    """Where the weights of the metrics' networks come from, as `ExtractorSettings` takes it."""
    paths = {key: path_of(options[key]) for key in ("inception_weights", "vgg_weights") if key in options}
    return {"offline": options.get("offline", False), **paths}


class _Counted:
    """A benchmark's progress by its finished steps."""

    def __init__(self, done: int, total: int, progress: Callable[[int, int], object] | None) -> None:
        self._done, self._total, self._progress = done, total, progress

    def learning(self, *_: object) -> AbstractContextManager[Callable[[object], None]]:
        return nullcontext(lambda _step: None)

    def measuring(self, *_: object) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda _more: None)

    def finished(self, _step: BenchmarkStep) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


def _metric_options(wanted: Sequence[Metric], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    known = {option.name: option for metric in wanted for option in metric.options}
    if unknown := sorted(given.keys() - known.keys()):
        raise CallError(f"no chosen metric has the option {unknown[0]!r}; they have: {', '.join(known) or 'none'}")
    return {name: known[name].parse(values) for name, values in given.items()}
