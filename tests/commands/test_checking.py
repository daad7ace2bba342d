"""Memory that may not be enough is said before the work starts."""

import pytest

from lfsgan_cli.commands.options import tell_memory


def test_too_little_is_a_warning_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    tell_memory(21_000_000_000, 14_300_000_000, "--batch")
    said = capsys.readouterr().err
    assert "Warning: this needs about 21.0 GB of memory, and 14.3 GB are free" in said
    assert "--batch" in said


@pytest.mark.parametrize("free", [21_000_000_000, None])
def test_enough_or_an_unknown_amount_needs_no_word(free: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    tell_memory(21_000_000_000, free, "--batch")
    assert capsys.readouterr().err == ""
