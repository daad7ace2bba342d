"""Sets results beside each other: this commit's and the recorded ones, or those of two commits."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.running import BrokenBenchmarksError, Result, git

CLEARLY = 1.1  # beyond the ranges of both; machines whose caches differ, differ by that much

Row = tuple[str, ...]
BESIDE_RECORDED = ("benchmark", "ratio", "range", "recorded", "range", "ratio/recorded", "")
BESIDE_COMMIT = ("benchmark", "this tree", "the commit", "this/that", "range of the rounds")


def beside_recorded(now: Mapping[str, Result], then: Mapping[str, Result]) -> list[Row]:
    """A row for every benchmark; those without a recorded result say so."""
    return [_beside(name, result, then.get(name)) for name, result in now.items()]


def _beside(name: str, now: Result, then: Result | None) -> Row:
    if then is None:
        return (name, f"{now.median:.2f}", _range(now), "–", "–", "–", "not recorded")
    quotient = f"{now.median / then.median:.2f}"
    return (name, f"{now.median:.2f}", _range(now), f"{then.median:.2f}", _range(then), quotient, verdict(now, then))


def verdict(now: Result, then: Result) -> str:
    """`slower` or `faster` where no round of one comes near any round of the other; nothing elsewhere."""
    if now.low > then.high * CLEARLY:
        return "slower"
    return "faster" if now.high * CLEARLY < then.low else ""


def beside_commit(ours: Sequence[Mapping[str, Result]], theirs: Sequence[Mapping[str, Result]]) -> list[Row]:
    """A row for every benchmark; both sequences have a result for each round, which are compared one by one."""
    return [_paired(name, [one[name] for one in ours], [one[name] for one in theirs]) for name in ours[0]]


def _paired(name: str, ours: Sequence[Result], theirs: Sequence[Result]) -> Row:
    quotients = Result.of([one.median / other.median for one, other in zip(ours, theirs, strict=True)])
    both = [statistics.median(result.median for result in results) for results in (ours, theirs)]
    return (name, f"{both[0]:.2f}", f"{both[1]:.2f}", f"{quotients.median:.2f}", _range(quotients))


def _range(result: Result) -> str:
    return f"{result.low:.2f} to {result.high:.2f}"


def read(path: Path) -> tuple[dict[str, Result], str]:
    """Recorded results, and where they come from."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    origin = f"commit {document['commit']}, torch {document['torch']}, {document['machine']}"
    return {name: Result(**result) for name, result in document["ratios"].items()}, origin


def write(path: Path, found: Mapping[str, Result]) -> None:
    """Record results, to three digits."""
    ratios = {name: {key: round(value, 3) for key, value in asdict(one).items()} for name, one in found.items()}
    document = {"commit": _commit(), "machine": _machine(), "torch": version("torch"), "ratios": ratios}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _commit() -> str:
    try:
        return git("describe", "--always", "--dirty", "--abbrev=12")
    except BrokenBenchmarksError:  # an unpacked archive
        return "unknown"


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"one thread of {(names or [platform.processor() or platform.machine()])[0]}, {platform.system()}"
