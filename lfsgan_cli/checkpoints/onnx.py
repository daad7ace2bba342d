"""A generator as an ONNX model, by the extra `[onnx]`: from z or w to an image, compared with onnxruntime.

The noise is the network's constant noise, as with `generate --noise const`: the same for all images, so that walks do
not flicker, and nobody has to supply a dozen noise maps.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from lfsgan_cli.checkpoints.convert import merged_task
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.sampling import latent, to_pixels
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.workspace import Workspace

Input: TypeAlias = Literal["z", "w"]

SUFFIX = ".onnx"
OPSET = 18  # of 2022: every runtime in use has it
LEVELS = 2  # of 255 that the model may differ by
CHECKED_SEEDS = 4
CHECKED_TRUNCATION = 0.7
DEFAULT_TRUNCATION = 1.0
INSTALL = "pip install 'lfsgan[onnx]'"


class NoOnnxError(LfsganError):
    """The extra is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an {SUFFIX} file needs the package {name}, which is not installed: {INSTALL}")


class OnnxDiffersError(LfsganError):
    """A model that does not generate what the task generates."""

    def __init__(self, path: Path, difference: int, runtime: str) -> None:
        super().__init__(
            f"{str(path)!r} is not written: in onnxruntime {runtime} its images differ from lfsgan's by up to "
            f"{difference} levels of 255, and {LEVELS} are allowed; install another version of torch or onnxruntime"
        )


@dataclass(frozen=True)
class OnnxModel:
    """A model that was written. difference: levels of 255 at most from lfsgan's images; None where nothing compared.

    shape: of the input, without the number of images. runtime: the version of onnxruntime; '' where there is none.
    """

    path: Path
    input: Input
    shape: tuple[int, ...]
    resolution: int
    difference: int | None
    runtime: str
    opset: int = OPSET


class _FromZ(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, truncation: Tensor) -> Tensor:
        """[N, w_dim] and [1] → [N, 3, R, R]."""
        w_mean = self.generator.w_mean
        w = w_mean + (self.generator.mapping(z) - w_mean) * truncation
        image: Tensor = self.generator.synthesis(self.generator.spread(w))
        return image


class _FromW(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.synthesis = generator.synthesis

    def forward(self, w: Tensor) -> Tensor:
        """[N, L, w_dim] → [N, 3, R, R]."""
        image: Tensor = self.synthesis(w)
        return image


def check_installed() -> None:
    """NoOnnxError where the packages that write a model are missing."""
    for name in ("onnx", "onnxscript"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise NoOnnxError(name) from error


def merge_task(place: Workspace, name: str, path: Path, strength: float, source: Input) -> OnnxModel:
    """Write a task, merged into its base, as an ONNX model; raises as `merged_task` and `write`."""
    check_installed()
    about = {"lfsgan.task": name, "lfsgan.base": place.base.identity, "lfsgan.strength": f"{strength:g}"}
    return write(path, merged_task(place, name, strength), source, about)


@torch.no_grad()
def write(path: Path, generator: Generator, source: Input, about: Mapping[str, str]) -> OnnxModel:
    """Write a generator on the CPU as an ONNX model; NoOnnxError, OnnxDiffersError, FileWriteError.

    source: `z` makes the inputs `z` [N, w_dim] and `truncation` [1], which is 1 unless it is passed; `w` makes the
    input `w` [N, L, w_dim], as in `latents.npz`. The output is `image` [N, 3, R, R], RGB from -1 to 1.
    about: the model's metadata, under names that begin with `lfsgan.`.
    """
    check_installed()
    config = generator.config
    z = torch.cat([latent(np.random.RandomState(seed), config) for seed in range(CHECKED_SEEDS)])
    inputs: dict[str, Tensor]
    if source == "z":
        model: nn.Module = _FromZ(generator)
        inputs = {"z": z, "truncation": torch.full((1,), CHECKED_TRUNCATION)}
    else:
        model, inputs = _FromW(generator), {"w": generator.spread(generator.mapping(z)).contiguous()}
    images = model(*inputs.values())  # first: what layers cache must be made before the exporter traces them
    proto = _traced(model.eval(), inputs, source)
    _describe(proto, about, source)
    data: bytes = proto.SerializeToString()
    difference, runtime = _compare(data, inputs, images)
    if difference is not None and difference > LEVELS:
        raise OnnxDiffersError(path, difference, runtime)
    write_atomic(path, data)
    return OnnxModel(path, source, tuple(inputs[source].shape[1:]), config.resolution, difference, runtime)


def _traced(model: nn.Module, inputs: Mapping[str, Tensor], source: Input) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own parts
        program: Any = torch.onnx.export(
            model, tuple(inputs.values()), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(inputs), output_names=["image"],
            dynamic_shapes={name: {0: "batch"} if name == source else None for name in inputs},
        )  # fmt: skip
    return program.model_proto


def _describe(proto: Any, about: Mapping[str, str], source: Input) -> None:
    """Say in the model what it is, take out where torch's and our own code lie, and make truncation optional."""
    onnx: Any = importlib.import_module("onnx")
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    onnx.helper.set_model_props(proto, {**about, "lfsgan.noise": "const"})
    proto.producer_name = "lfsgan"
    proto.doc_string = f"A StyleGAN2 generator from {source} to RGB images from -1 to 1, with constant noise."
    if source == "z":
        default = np.full(1, DEFAULT_TRUNCATION, np.float32)
        graph.initializer.append(onnx.numpy_helper.from_array(default, "truncation"))


def _compare(data: bytes, inputs: Mapping[str, Tensor], expected: Tensor) -> tuple[int | None, str]:
    """The largest difference in levels of 255, and the version of onnxruntime; None and '' where it is missing."""
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError:
        return None, ""
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    [images] = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    difference = to_pixels(torch.from_numpy(images)).int() - to_pixels(expected).int()
    return int(difference.abs().max()), str(runtime.__version__)
