"""`lfsgan profile` measures every phase of the program itself, and writes nothing."""

import json
from typing import TYPE_CHECKING

import pytest

from lfsgan_cli.profiling import counters

if TYPE_CHECKING:
    from tests.conftest import Program

PHASES = {
    "learn-task": [
        "d on patches", "d on whole images", "r1 on patches", "r1 on whole images", "g on patches",
        "g on whole images", "g, mode seeking", "features", "average and rates",
    ],
    "pretrain": ["g", "path", "d", "r1", "heads", "average and rates"],
    "generate": ["one batch"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counters.CONV_BATCH, "cpu", 1)
    monkeypatch.setitem(counters.COPY_BYTES, "cpu", 2**22)


def test_the_page_names_the_machine_every_phase_and_the_totals(program: "Program") -> None:
    before = program.tree()
    page = program.done("profile", "--seconds", 0).stdout
    assert program.tree() == before
    lines = page.splitlines()
    for section, phases in PHASES.items():
        shown = [line.removeprefix(section).strip() for line in lines if line.startswith(section)]
        assert [line for phase, line in zip(phases, shown, strict=False) if not line.startswith(phase)] == []
    for words in ("processor", "convolution, fp32", "copy", "steps/s", "minutes for a task of", "images/s"):
        assert words in page


def test_json_has_the_same_phases_and_shares_that_add_up(program: "Program") -> None:
    page = json.loads(program.done("profile", "--seconds", 0, "--json").stdout)
    assert page["network"] == "data"  # the base of the workspace
    for section, phases in PHASES.items():
        rows = [row for row in page["phases"] if row["of"] == section]
        assert [row["phase"] for row in rows] == phases
        assert sum(row["share"] for row in rows) == pytest.approx(1)
        assert all(row["bytes"] > 0 for row in rows)
        assert {row["bound"] for row in rows} <= {"arithmetic", "memory", "overhead"}
    assert set(page["peaks"]) == {"conv_fp32", "conv_bf16", "copy"}


def test_a_dry_run_tells_and_measures_nothing(newcomer: "Program") -> None:
    result = newcomer.done("profile", "--dry-run", "--device", "cpu")
    assert (result.stdout, result.stderr) == ("", "Would profile avatars-64-2 on cpu, each phase for 3 s or twice.\n")
    document = json.loads(
        newcomer.done("profile", "--resolution", 256, "--dry-run", "--json", "--device", "cpu").stdout
    )
    assert document == {"network": "random, 256×256", "device": "cpu", "seconds": 3.0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resolution", 100], "resolution 100: expected one of 16, 32"),
        (["--resolution", 64, "--workspace", "mine"], "either --resolution or --workspace"),
        (["--workspace", "data/00.png"], "is a file"),
        (["--device", "abacus"], "device 'abacus'"),
    ],
)
def test_a_mistake_is_one_line(program: "Program", arguments: list[object], words: str) -> None:
    result = program("profile", *arguments)
    assert words in " ".join(result.stderr.split())
    assert result.exit_code in {1, 2}
    program.refused("profile", *arguments)
