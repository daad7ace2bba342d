"""The log for TensorBoard holds what stats.jsonl and the image grids hold."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli import open_workspace
from tests.conftest import Program

pytest.importorskip("tensorboard")
LEARN = ("learn-task", "--images", "cats", "--name", "cats", "--batch", 2)


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()


def logged(folder: Path) -> dict[int, float]:
    return {event.step: event.value for event in read(folder).Scalars("loss/g")}


def stats(program: Program) -> dict[int, Any]:
    lines = program.contents("lfsgan_workspace/tasks/cats/stats.jsonl").decode().splitlines()
    return {line["step"]: pytest.approx(line["g"], rel=1e-5) for line in map(json.loads, lines)}


def test_losses_and_image_grids_are_those_of_the_run(program: Program) -> None:
    program.done(*LEARN, "--steps", 20, "--tensorboard")
    run = program.folder / "lfsgan_workspace/tasks/cats"
    assert logged(run / "tensorboard") == stats(program)
    assert sorted(logged(run / "tensorboard")) == [10, 20]
    grids = {event.step: event for event in read(run / "tensorboard").Images("samples")}
    assert sorted(grids) == [5, 10, 15, 20]
    shown = np.asarray(Image.open(io.BytesIO(grids[20].encoded_image_string)))
    assert np.array_equal(shown, np.asarray(Image.open(run / "fakes000020.png")))


def test_a_resumed_run_is_one_line_in_a_folder_of_ones_own(program: Program) -> None:
    program.done(*LEARN, "--steps", 10, "--tensorboard", "logs")
    program.done("learn-task", "--name", "cats", "--resume", "--steps", 20, "--tensorboard", "logs")
    assert logged(program.folder / "logs/cats") == stats(program)
    assert sorted(stats(program)) == [10, 20]


def test_python_logs_as_the_command_does(program: Program) -> None:
    open_workspace().learn_task("cats", "cats", steps=10, batch=2, tensorboard="logs")
    assert logged(program.folder / "logs/cats") == stats(program)


def test_without_the_extra_there_is_one_line_and_no_run(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    line = program(*LEARN, "--steps", 2, "--tensorboard").stderr.splitlines()[-1]
    assert line.startswith("Error: --tensorboard needs TensorBoard, which is not installed: pip install 'lfsgan[tensor")
    assert not program.folder.joinpath("lfsgan_workspace/tasks/cats/stats.jsonl").exists()
