"""A kept state tells what its run was asked to do, or one line says that nothing can go on from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lfsgan_cli.runs.folder import PLAN_KEY, NothingToResumeError, RunFolder
from lfsgan_cli.workspace import checkpoint_file
from lfsgan_cli.workspace.checkpoint_file import UnusableStateError


@dataclass(frozen=True)
class Plan:
    steps: int

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Plan":
        return cls(**document)


def keep(folder: Path, metadata: dict[str, str]) -> RunFolder:
    checkpoint_file.write(folder, 0, {"x": torch.zeros(1)}, metadata)
    return RunFolder(folder)


def test_a_kept_plan_comes_back(tmp_path: Path) -> None:
    assert keep(tmp_path, {PLAN_KEY: '{"steps": 3}'}).plan(Plan.from_json) == Plan(3)


@pytest.mark.parametrize(
    "metadata",
    [{}, {PLAN_KEY: "{"}, {PLAN_KEY: "{}"}, {PLAN_KEY: '{"steps": 3, "leaps": 1}'}, {PLAN_KEY: "[3]"}],
    ids=["none", "torn", "lacking", "of a newer version", "no object"],
)
def test_a_plan_that_this_version_cannot_read_is_one_line(tmp_path: Path, metadata: dict[str, str]) -> None:
    with pytest.raises(UnusableStateError, match="start again with --overwrite instead of --resume"):
        keep(tmp_path, metadata).plan(Plan.from_json)


def test_where_nothing_was_begun_nothing_can_go_on(tmp_path: Path) -> None:
    with pytest.raises(NothingToResumeError, match="holds no checkpoint; start a new run without --resume"):
        RunFolder(tmp_path).plan(Plan.from_json)
