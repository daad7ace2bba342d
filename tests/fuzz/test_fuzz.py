"""Whatever is wrong with a file, every reader says so in one line, soon and within its memory; it runs nothing.

The whole of it, 10,000 files: `python -m tests.fuzz`.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.mutations import CHANGES, Change, damaged, unchanged
from tests.fuzz.running import ROOT, fuzz
from tests.fuzz.samples import prepare

SHORT, LONG = 100, 10_000  # files; the short one takes ten seconds
EACH = sorted({*CHANGES} - {unchanged}, key=lambda change: change.__name__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace, and undamaged samples of all that lfsgan reads, with malicious ones among them."""
    folder = tmp_path_factory.mktemp("fuzz")
    prepare(folder)
    return folder


def check(folder: Path, first: int, files: int) -> None:
    found = fuzz(folder, first, files)
    assert sum(found.files.values()) == files
    assert (found.failures, found.executed, found.died, found.outside) == ([], [], [], [])
    assert not (folder / "marker").exists()
    for reader in ("base", "task", "checkpoint", "published task"):
        given = sum(count for (name, _), count in found.verdicts.items() if name == reader)
        assert found.verdicts[reader, "refused"] > given / 2  # what changed only numbers of another program cannot be


def test_a_damaged_file_is_refused_in_one_line_and_runs_nothing(folder: Path) -> None:
    check(folder, first=20_000, files=SHORT)


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_refused_in_one_line_and_run_nothing(folder: Path) -> None:
    check(folder, first=0, files=LONG)


def test_a_file_has_a_number_and_is_the_same_for_ever(folder: Path) -> None:
    samples = {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}
    first, again = ([damaged(samples, index) for index in range(30)] for _ in range(2))
    assert first == again
    assert len({data for *_, data in first}) > 25


@pytest.mark.parametrize("change", EACH, ids=[change.__name__ for change in EACH])
def test_every_change_takes_any_file_and_nearly_always_changes_it(folder: Path, change: Change) -> None:
    samples = [path.read_bytes() for path in sorted((folder / "samples").iterdir()) if "bomb" not in path.name]
    changed = [change(data, np.random.RandomState(index)) != data for index, data in enumerate(samples)]
    assert sum(changed) > len(samples) / 2


def test_the_watch_sees_what_it_is_there_to_see(folder: Path) -> None:
    program = (
        "import os, sys; from tests.fuzz.watching import Watch; watch = Watch()\n"
        "with watch.over('base'):\n    os.system('true'); exec('1'); open(sys.argv[1], 'w').close()\n"
        "    os.mkdir(sys.argv[1] + '2')\n"
        "print(*watch.seen, sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, folder / "written"], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])},
    )  # fmt: skip
    words = ("os.system", "exec", "open", "written", "os.mkdir")
    assert [word for word in words if word not in run.stdout] == []
    (folder / "written").unlink()
    (folder / "written2").rmdir()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell")
def test_the_peak_is_what_was_taken_and_given_back() -> None:
    program = (
        "from tests.fuzz.watching import Peak\n"
        "with Peak() as peak:\n    bytearray(50_000_000)\n"
        "print(peak.taken)\n"
        "with Peak() as peak:\n    pass\n"
        "print(peak.taken)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    much, little = map(int, run.stdout.split())
    assert 45_000_000 < much < 60_000_000
    assert little < 5_000_000
