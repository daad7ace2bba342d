"""`lfsgan tasks merge NAME FILE.onnx`: other programs generate what the task generates."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lfsgan_cli.checkpoints import onnx as exporter
from lfsgan_cli.checkpoints.onnx import OnnxDiffersError
from lfsgan_cli.generation.sampling import SamplingOptions, generator_of, sample, to_pixels
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import Program

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(path: Path, **inputs: Any) -> torch.Tensor:
    """uint8 [N, 3, R, R] of a model."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [images] = session.run(None, {name: np.asarray(value, np.float32) for name, value in inputs.items()})
    return to_pixels(torch.from_numpy(images))


def expected(program: Program, truncation: float, strength: float = 1.0) -> torch.Tensor:
    place = Workspace(program.folder / "lfsgan_workspace")
    generator = generator_of(place, "cats", SamplingOptions(truncation, "const", strength), torch.device("cpu"))
    return torch.cat(list(sample(generator, range(5), truncation=truncation, noise="const")))


def z() -> Any:
    return np.concatenate([np.random.RandomState(seed).randn(1, 16) for seed in range(5)])


def apart(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a.int() - b.int()).abs().max())


def test_the_model_generates_the_images_of_the_task(learned: Program) -> None:
    told = json.loads(learned.done("tasks", "merge", "cats", "cats.onnx", "--json").stdout)
    assert told == {"task": "cats", "file": "cats.onnx", "opset": 18, "input": "z", "difference": told["difference"]}
    assert told["difference"] <= 2
    path = learned.folder / "cats.onnx"
    assert apart(run(path, z=z()), expected(learned, 1.0)) <= 2
    assert apart(run(path, z=z(), truncation=[0.5]), expected(learned, 0.5)) <= 2
    assert apart(run(path, z=z()), expected(learned, 1.0, 0.0)) > 2  # the task is in it
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["lfsgan.task"] == "cats"
    assert about["lfsgan.noise"] == "const"
    assert str(Path(exporter.__file__).parent).encode() not in path.read_bytes()  # nor any path of this machine
    assert b"site-packages" not in path.read_bytes()


def test_latents_of_a_file_go_into_a_model_of_w(learned: Program) -> None:
    shown = learned.done("tasks", "merge", "cats", "w.onnx", "--input", "w", "--strength", 0.5).stderr
    assert "ONNX opset 18: input w [N, 6, 16], output image [N, 3, 16, 16], -1 to 1." in shown
    assert f"Checked with onnxruntime {onnxruntime.__version__}: at most " in shown
    place = Workspace(learned.folder / "lfsgan_workspace")
    generator = generator_of(place, "cats", SamplingOptions(1.0, "const", 0.5), torch.device("cpu"))
    with torch.no_grad():
        w = generator.spread(generator.mapping(torch.from_numpy(z()).float()))
    assert apart(run(learned.folder / "w.onnx", w=w.numpy()), expected(learned, 1.0, 0.5)) <= 2


class Unsteady(torch.nn.Module):
    """A synthesis that is brighter the first time than ever after."""

    def __init__(self, synthesis: torch.nn.Module) -> None:
        super().__init__()
        self.synthesis, self.calls = synthesis, 0

    def forward(self, ws: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        image: torch.Tensor = self.synthesis(ws) + (0.1 if self.calls == 1 else 0.0)
        return image


def test_a_model_that_generates_something_else_is_not_written(learned: Program) -> None:
    base = Workspace(learned.folder / "lfsgan_workspace").base.average
    base.synthesis = Unsteady(base.synthesis)
    with pytest.raises(OnnxDiffersError, match="levels of 255, and 2 are allowed"):
        exporter.write(learned.folder / "x.onnx", base, "w", {})
    assert not learned.folder.joinpath("x.onnx").exists()


def test_without_the_extra_there_is_one_line(learned: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    line = learned.refused("tasks", "merge", "cats", "cats.onnx")
    assert line == (
        "Error: an .onnx file needs the package onnxscript, which is not installed: pip install 'lfsgan[onnx]'"
    )


def test_the_input_belongs_to_onnx(learned: Program) -> None:
    assert "belongs to .onnx files" in learned.refused("tasks", "merge", "cats", "cats.pt", "--input", "w")
    assert ".pt or .safetensors or .onnx" in learned.refused("tasks", "merge", "cats", "cats.bin")
