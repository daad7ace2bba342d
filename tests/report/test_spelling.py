"""Numbers are spelled with the digits that people read."""

import pytest

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.report.model import Cell
from lfsgan_cli.report.text import spell, spell_bytes, spell_seconds


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        ("left", "left"),
        (235936, "235,936"),
        (0.0, "0"),
        (108.68770671815273, "108.7"),
        (12345.6, "12,346"),
        (9.876, "9.88"),
        (0.4567, "0.457"),
        (0.01234, "0.0123"),
        (0.0000123, "1.2e-05"),
        (-25.0, "-25.00"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (Measured(108.6877), "108.7"),
        (Measured(108.6877, 2.149), "108.7 ± 2.1"),
        (Measured(0.01234, 0.0004), "0.0123 ± 0.0004"),
        (Measured(0.1133, 0.00012), "0.1133 ± 0.0001"),
        (Measured(12.0, 0.0), "12.00 ± 0"),
        (Measured(12.0, 0.0000001), "12.0000 ± 0.0000"),
    ],
)
def test_a_cell(cell: Cell, text: str) -> None:
    assert spell(cell) == text


def test_durations_and_sizes() -> None:
    assert [spell_seconds(seconds) for seconds in (12.34, 59.96, 380.3, 3725.0)] == [
        "12.3 s",
        "60.0 s",
        "6 min 20 s",
        "1 h 2 min",
    ]
    assert spell_bytes(968_720) == "0.97 MB"
