"""Charts as inline SVG: titled and described for screen readers, coloured by the page's style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from lfsgan_cli.errors import printable
from lfsgan_cli.report.model import Chart, Scatter

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44  # room for labels around the curves
MOST = 160  # points of a curve; more could not be told apart
NOISY = 40  # from so many points on, a mean is drawn over the raw values
LETTER, LINE = 7.5, 13.0  # width of a letter of a label, and height of its line
COLOURS = 6  # that the page's style knows; further curves begin again
_STEPS = (1, 2, 5, 10)  # a tick is one of these times a power of ten


@dataclass(frozen=True)
class Axis:
    """A range of values and the ticks in it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def wide(values: Sequence[float], count: int = 4) -> Axis:
    """An axis from tick to tick around the values."""
    low, high = _apart(min(values), max(values))
    step = _step(high - low, count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def tight(values: Sequence[float], count: int = 5) -> Axis:
    """An axis that ends where the values end, with whole ticks inside: for steps and counts."""
    low, high = _apart(min(values), max(values))
    step = max(1.0, _step(high - low, count))
    first, last = math.ceil(low / step), math.floor(high / step)
    return Axis(low, high, tuple(index * step for index in range(first, last + 1)))


def tick_label(value: float, axis: Axis) -> str:
    """A tick in as many decimals as its axis needs."""
    gap = axis.ticks[1] - axis.ticks[0] if len(axis.ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9))
    return f"{value + 0.0:,.{decimals}f}"


def _apart(low: float, high: float) -> tuple[float, float]:
    if high > low:
        return low, high
    margin = abs(low) * 0.1 or 1.0
    return low - margin, high + margin


def _step(span: float, count: int) -> float:
    size = 10.0 ** math.floor(math.log10(span / count))
    return next(factor * size for factor in _STEPS if factor * size >= span / count * (1 - 1e-9))


def svg(chart: Chart, anchor: str) -> Markup:
    """The chart as an SVG element. anchor: unique on the page, for the names of title and description."""
    shown = [[point for point in series.points if math.isfinite(point[1])] for series in chart.series]
    points = [point for line in shown for point in line]
    if not points:
        return Markup("")
    across, up = tight([x for x, _ in points]), wide([y for _, y in points])
    parts = [_frame(chart, anchor, up)]
    parts += [_tick(_x(one, across), HEIGHT - BOTTOM + 20, tick_label(one, across)) for one in across.ticks]
    parts += [_curve(line, index, across, up) for index, line in enumerate(shown) if line]
    return Markup("").join([*parts, Markup("</svg>")])


def scatter_svg(scatter: Scatter, anchor: str) -> Markup:
    """The points as an SVG element, with the powers of ten as ticks of x, and a line through the front."""
    points = [point for point in scatter.points if point[1] > 0 and math.isfinite(point[2])]
    if not points:
        return Markup("")
    powers = [math.log10(x) for _, x, _ in points]
    ticks = tuple(
        map(float, range(math.floor(min(powers)), max(math.ceil(max(powers)), math.floor(min(powers)) + 1) + 1))
    )
    across, up = Axis(ticks[0], ticks[-1], ticks), wide([y for *_, y in points])
    places = {name: (_x(math.log10(x), across), _y(y, up)) for name, x, y in points}
    parts = [_frame(scatter, anchor, up)]
    # The last one would leave the image with its middle at the end of the axis.
    parts += [_tick(min(_x(one, across), WIDTH - 26), HEIGHT - BOTTOM + 20, f"{10**one:,.10g}") for one in ticks]
    front = sorted(places[name] for name in scatter.front if name in places)
    corners = " ".join(f"{x},{y}" for x, y in front)
    parts.append(Markup('<polyline class="front" points="{}"/>').format(corners))
    labels: list[tuple[float, float, float]] = []  # left end, right end and line of those that are placed
    for name, (x, y) in sorted(places.items(), key=lambda place: place[1][1]):
        beaten = "" if name in scatter.front else " beaten"
        parts.append(Markup('<circle class="point{}" cx="{}" cy="{}" r="4"/>').format(beaten, x, y))
        width = LETTER * len(name)
        left = x - 8 - width if x + 8 + width > WIDTH else x + 8
        line = y + 4
        for begin, end, taken in labels:  # from the top down, so that one pass is enough
            if begin < left + width and left < end and taken > line - LINE:
                line = taken + LINE
        labels.append((left, left + width, line))
        label = Markup('<text class="label" x="{}" y="{}">{}</text>')
        parts.append(label.format(round(left, 1), round(line, 1), printable(name)))
    return Markup("").join([*parts, Markup("</svg>")])


def _frame(chart: Chart | Scatter, anchor: str, up: Axis) -> Markup:
    """The opening tag, title, description, rules with the ticks of y, and the name of x."""
    head = Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-desc">'
        '<title id="{}-title">{}</title><desc id="{}-desc">{}</desc>'
    ).format(WIDTH, HEIGHT, anchor, anchor, anchor, printable(chart.title), anchor, printable(chart.description))
    rule = Markup(
        '<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
    )
    parts = [head]
    for one in up.ticks:
        y = _y(one, up)
        parts.append(rule.format(LEFT, WIDTH - RIGHT, y, y, LEFT - 8, round(y + 4.5, 1), tick_label(one, up)))
    parts.append(_tick(round((LEFT + WIDTH - RIGHT) / 2, 1), HEIGHT - 6, chart.x_label))
    return Markup("").join(parts)


def _tick(x: float, y: float, text: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(x, y, text)


def thinned(points: Points, most: int = MOST) -> list[tuple[float, float]]:
    """At most `most` points: means of equally many neighbours."""
    size = math.ceil(len(points) / most)
    bins = [points[first : first + size] for first in range(0, len(points), size)]
    return [(fmean(x for x, _ in one), fmean(y for _, y in one)) for one in bins]


def smoothed(points: Points, reach: int) -> list[tuple[float, float]]:
    """Each value replaced by the mean of itself and up to `reach` neighbours on either side."""
    near = [points[max(0, index - reach) : index + reach + 1] for index in range(len(points))]
    return [(x, fmean(y for _, y in window)) for (x, _), window in zip(points, near, strict=True)]


def _curve(points: Points, index: int, across: Axis, up: Axis) -> Markup:
    line = thinned(points)
    name = f"series-{index % COLOURS + 1}"

    def path(points: Points, kind: str = "") -> Markup:
        places = " ".join(f"{_x(x, across)},{_y(y, up)}" for x, y in points)
        return Markup('<polyline class="curve {}{}" points="{}"/>').format(name, kind, places)

    if len(line) >= NOISY:
        return path(line, " raw") + path(smoothed(line, len(line) // 20))
    dot = Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.5"/>')
    return path(line) + Markup("").join(dot.format(name, _x(x, across), _y(y, up)) for x, y in line)


def _x(value: float, across: Axis) -> float:
    return round(LEFT + across.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, up: Axis) -> float:
    return round(HEIGHT - BOTTOM - up.share(value) * (HEIGHT - TOP - BOTTOM), 1)
