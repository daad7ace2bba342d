"""Curves of a run's losses, from its `stats.jsonl`."""

from pathlib import Path

from lfsgan_cli.report.jsonlines import DamagedLinesError, read_lines
from lfsgan_cli.report.model import Chart, Series

# The names as `training/` logs them; others stand as they are.
NAMES = {"d": "discriminator", "g": "generator", "r1": "R1", "path": "path length"}

MOST = 50  # curves of a chart


def losses(path: Path) -> Chart | None:
    """All losses over the steps; None where nothing was logged."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        step = line.get("step", 0)
        if not isinstance(step, int) or len(curves) > MOST:
            raise DamagedLinesError(path, number, "a step and its losses")
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float):
                curves.setdefault(name, []).append((float(step), float(value)))
    if not curves:
        return None
    series = tuple(Series(NAMES.get(name, name), tuple(points)) for name, points in curves.items())
    last = ", ".join(f"{one.name} {one.points[-1][1]:.3g}" for one in series)
    return Chart("Losses while learning", f"Losses over the steps; at the end: {last}.", "step", series)
