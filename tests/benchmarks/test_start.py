"""How soon the program is there; the yardstick is an interpreter that starts and does nothing."""

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.benchmarks.conftest import Timed

pytestmark = pytest.mark.benchmark


def test_start_of_help(against_an_empty_program: "Timed") -> None:
    command = [sys.executable, "-m", "lfsgan_cli", "--help"]
    against_an_empty_program(lambda: subprocess.run(command, check=True, capture_output=True))
