"""The worst file of every kind that is still read, or nearly, stays within the time and memory that are promised."""

import json
import os
import subprocess
import sys

import pytest

from tests.fuzz.running import ROOT
from tests.fuzz.watching import MEMORY, PATIENCE, TIMES
from tests.fuzz.worst import WORST


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_the_worst_file_of_its_kind_is_read_or_refused_within_bounds(name: str) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worst", name], cwd=ROOT, env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(run.stdout)
    assert found["verdict"] in {"read", "refused"}, found["said"]
    assert found["seconds"] < PATIENCE
    assert found["memory"] < max(MEMORY, TIMES * found["bytes"])
