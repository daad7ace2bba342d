"""The log and the image grids of a run end where it goes on."""

import json
from pathlib import Path

import torch

from lfsgan_cli.runs.folder import RunFolder
from lfsgan_cli.training.loop import Step
from lfsgan_cli.workspace.paths import STATS


def steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / STATS).read_text().splitlines()]


def test_later_lines_and_grids_go_and_earlier_ones_stay(tmp_path: Path) -> None:
    for done in (10, 20, 30):
        RunFolder(tmp_path).log(Step(done, {"d": torch.tensor(1 / 3)}))
        (tmp_path / f"fakes{done:06}.png").touch()
    before = (tmp_path / STATS).read_bytes().splitlines()
    RunFolder(tmp_path).cut(20)
    assert (tmp_path / STATS).read_bytes().splitlines() == before[:2]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["fakes000010.png", "fakes000020.png"]


def test_a_line_that_was_not_finished_or_is_no_line_at_all_goes(tmp_path: Path) -> None:
    whole = b'{"step": 10, "d": 0.5}\n'
    for rest in (b'{"step": 1', b'{"step": 10', b'{"step": 10}', b"\0\0\0\0\n", b"[]\n", b"\xff\n", b'{"d": 1}\n'):
        (tmp_path / STATS).write_bytes(whole + rest)
        RunFolder(tmp_path).cut(20)
        assert (tmp_path / STATS).read_bytes() == whole


def test_a_run_without_a_log_has_nothing_to_cut(tmp_path: Path) -> None:
    RunFolder(tmp_path).cut(20)
    assert list(tmp_path.iterdir()) == []
