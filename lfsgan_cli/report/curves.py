"""Draws a chart as inline SVG: titled and described for those who do not see it, coloured by the page's own style."""

import math
from collections.abc import Sequence
from statistics import fmean

from markupsafe import Markup

from lfsgan_cli.report.axes import Axis, tick_label, tight, wide
from lfsgan_cli.report.model import Chart
from lfsgan_cli.wording import printable

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44  # room for labels around the curves
MOST = 160  # points of a curve; more could not be told apart
NOISY = 40  # from so many points on, a mean is drawn over the raw values
COLOURS = 6  # that the page's style knows; further curves begin again


def svg(chart: Chart, anchor: str) -> Markup:
    """The chart as an SVG element. anchor: unique on the page, for the names of title and description."""
    shown = [[point for point in series.points if math.isfinite(point[1])] for series in chart.series]
    points = [point for line in shown for point in line]
    if not points:
        return Markup("")
    across, up = tight([x for x, _ in points]), wide([y for _, y in points])
    parts = [_head(chart, anchor), _grid(up), _feet(across, chart.x_label)]
    parts += [_curve(line, index, across, up) for index, line in enumerate(shown) if line]
    return Markup("").join([*parts, Markup("</svg>")])


def thinned(points: Points, most: int = MOST) -> list[tuple[float, float]]:
    """At most `most` points: means of equally many neighbours."""
    size = math.ceil(len(points) / most)
    bins = [points[first : first + size] for first in range(0, len(points), size)]
    return [(fmean(x for x, _ in one), fmean(y for _, y in one)) for one in bins]


def smoothed(points: Points, reach: int) -> list[tuple[float, float]]:
    """Each value replaced by the mean of itself and up to `reach` neighbours on either side."""
    near = [points[max(0, index - reach) : index + reach + 1] for index in range(len(points))]
    return [(x, fmean(y for _, y in window)) for (x, _), window in zip(points, near, strict=True)]


def _head(chart: Chart, anchor: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-desc">'
        '<title id="{}-title">{}</title><desc id="{}-desc">{}</desc>'
    ).format(WIDTH, HEIGHT, anchor, anchor, anchor, printable(chart.title), anchor, printable(chart.description))


def _grid(up: Axis) -> Markup:
    line = Markup(
        '<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
    )
    return Markup("").join(
        line.format(LEFT, WIDTH - RIGHT, y, y, LEFT - 8, _round(y + 4.5), tick_label(tick, up))
        for tick in up.ticks
        for y in [_y(tick, up)]
    )


def _feet(across: Axis, label: str) -> Markup:
    tick = Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>')
    ticks = [tick.format(_x(one, across), HEIGHT - BOTTOM + 20, tick_label(one, across)) for one in across.ticks]
    middle = (LEFT + WIDTH - RIGHT) / 2
    return Markup("").join([*ticks, tick.format(_round(middle), HEIGHT - 6, label)])


def _curve(points: Points, index: int, across: Axis, up: Axis) -> Markup:
    line = thinned(points)
    name = f"series-{index % COLOURS + 1}"
    path = Markup('<polyline class="curve {}{}" points="{}"/>')
    if len(line) >= NOISY:
        smooth = smoothed(line, len(line) // 20)
        return path.format(name, " raw", _places(line, across, up)) + path.format(name, "", _places(smooth, across, up))
    dots = Markup("").join(
        Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.5"/>').format(name, _x(x, across), _y(y, up))
        for x, y in line
    )
    return path.format(name, "", _places(line, across, up)) + dots


def _places(points: Points, across: Axis, up: Axis) -> str:
    return " ".join(f"{_x(x, across)},{_y(y, up)}" for x, y in points)


def _x(value: float, across: Axis) -> float:
    return _round(LEFT + across.share(value) * (WIDTH - LEFT - RIGHT))


def _y(value: float, up: Axis) -> float:
    return _round(HEIGHT - BOTTOM - up.share(value) * (HEIGHT - TOP - BOTTOM))


def _round(value: float) -> float:
    return round(value, 1)
