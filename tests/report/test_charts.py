"""Curves are SVG that says in words what it shows."""

import xml.etree.ElementTree as ET

import pytest

from lfsgan_cli.report.charts import HEIGHT, MOST, NOISY, WIDTH, scatter_svg, smoothed, svg, thinned
from lfsgan_cli.report.model import Chart, Scatter, Series


def parsed(chart: Chart) -> ET.Element:
    return ET.fromstring(str(svg(chart, "c1")))  # noqa: S314 - our own


def chart(*lines: list[tuple[float, float]]) -> Chart:
    series = tuple(Series(f"line {index}", tuple(line)) for index, line in enumerate(lines))
    return Chart("Losses <of> cats", "They fall & fall.", "step", series)


def test_title_and_description_are_named_and_escaped() -> None:
    root = parsed(chart([(1, 2), (2, 1)]))
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "c1-title c1-desc")
    assert [(one.get("id"), one.text) for one in root[:2]] == [
        ("c1-title", "Losses <of> cats"),
        ("c1-desc", "They fall & fall."),
    ]


def test_a_higher_value_is_higher_up_and_all_points_are_on_the_image() -> None:
    root = parsed(chart([(1, 5), (2, 1), (3, 3)]))
    [line] = root.findall("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    (x1, y1), (x2, y2), (x3, y3) = points
    assert 0 < x1 < x2 < x3 < WIDTH
    assert 0 < y1 < y3 < y2 < HEIGHT


def test_a_long_noisy_curve_is_generated_pale_with_its_mean_over_it() -> None:
    line = [(float(step), float(step % 2)) for step in range(NOISY)]
    raw, mean = parsed(chart(line)).findall("polyline")
    assert ("raw" in raw.attrib["class"], "raw" in mean.attrib["class"]) == (True, False)


def test_each_curve_has_a_look_of_its_own() -> None:
    classes = [line.attrib["class"] for line in parsed(chart([(1, 1), (2, 2)], [(1, 2), (2, 1)])).findall("polyline")]
    assert len(set(classes)) == 2


def test_values_that_are_no_numbers_are_left_out() -> None:
    nan, infinite = float("nan"), float("inf")
    text = str(svg(chart([(1, nan), (2, 1), (3, infinite), (4, 2)]), "c1"))
    assert "nan" not in text
    assert "inf" not in text
    assert str(svg(chart([(1, nan)]), "c1")) == ""


def test_thinning_keeps_the_mean_and_the_ends_of_what_is_short() -> None:
    line = [(float(step), float(step)) for step in range(10 * MOST)]
    thin = thinned(line)
    assert len(thin) == MOST
    assert sum(y for _, y in thin) / MOST == pytest.approx(sum(y for _, y in line) / len(line))
    assert thinned(line[:5]) == line[:5]


def test_smoothing_takes_the_mean_of_neighbours_and_moves_no_point() -> None:
    assert smoothed([(0, 0), (1, 3), (2, 0)], 1) == [(0, 1.5), (1, 1), (2, 1.5)]


def test_points_stand_by_the_power_of_ten_with_their_names_and_a_line_through_the_front() -> None:
    points = (("tiny", 5.0, 30.0), ("small", 50.0, 20.0), ("large", 5000.0, 25.0))
    scatter = Scatter("Size <and> quality", "As it is.", "kB", "FID", points, ("tiny", "small"))
    root = ET.fromstring(str(scatter_svg(scatter, "c1")))  # noqa: S314 - our own
    found = {(one.get("class"), float(one.attrib["cx"]), float(one.attrib["cy"])) for one in root.findall("circle")}
    [tiny, small, large] = sorted(found, key=lambda each: each[1])
    assert [each[0] for each in (tiny, small, large)] == ["point", "point", "point beaten"]
    assert small[1] - tiny[1] == pytest.approx((large[1] - small[1]) / 2, abs=0.2)  # one power of ten, and two
    assert small[2] > large[2] > tiny[2]
    [line] = root.findall("polyline")
    assert len(line.attrib["points"].split()) == 2
    texts = [one.text for one in root.findall("text")]
    assert {"tiny", "small", "large", "1", "10,000", "kB"} <= set(texts)


def test_points_of_one_size_have_an_axis_too() -> None:
    assert "circle" in str(scatter_svg(Scatter("t", "d", "kB", "FID", (("one", 10.0, 3.0),), ("one",)), "c1"))
