"""Whatever is interrupted, at any moment and by any signal, ends in the same bytes as if it had not been."""

import os

import pytest

from tests.reliability.resumes import KINDS
from tests.reliability.told import told

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are forked, and signals are POSIX's")


def test_interrupted_runs_end_in_the_same_bytes() -> None:
    lines = [line.partition(" (")[0] for line in told("resumes", "--points", 1)]
    assert lines == [f"{kind}: 1 of 1 interrupted runs ended in the same bytes" for kind in KINDS]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_interrupted_runs_end_in_the_same_bytes(kind: str) -> None:
    assert told("resumes", "--points", 20, kind)
