"""What networks of NVIDIA's code can be that ours cannot: one sentence for each."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from lfsgan_cli.checkpoints.found import CheckpointError
from lfsgan_cli.checkpoints.nvidia_names import FILTER
from lfsgan_cli.checkpoints.nvidia_objects import Part

FILTER_TOLERANCE = 1e-4  # filters may be kept in half precision
_KNOWN_ACTIVATIONS = {"lrelu", "linear"}  # linear: affine layers, shortcuts, the score


class OtherNetworkError(CheckpointError):
    """A network of NVIDIA's code that is not the StyleGAN2 that lfsgan has."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(path, what, "import a StyleGAN2 without classes, in colour, of the default architecture")


def check_generator(path: Path, part: Part) -> None:
    """OtherNetworkError where a generator does what ours cannot."""
    for check in (_alias_free, _conditional, _architecture, _colours, _latents):
        if what := check(part):
            raise OtherNetworkError(path, what)
    _check_layers(path, part)


def check_discriminator(path: Path, part: Part) -> None:
    """OtherNetworkError where a discriminator does what ours cannot."""
    for check in (_conditional, _residual):
        if what := check(part):
            raise OtherNetworkError(path, what)
    _check_layers(path, part)


def _check_layers(path: Path, part: Part) -> None:
    for name, tensor in part.tensors.items():
        if name.endswith(FILTER) and not _is_binomial(tensor):
            raise OtherNetworkError(path, f"resamples with another filter than [1, 3, 3, 1] ({name})")
    for name, value in part.settings.items():
        if name.endswith(".activation") and "_init_kwargs" not in name and value not in _KNOWN_ACTIVATIONS:
            raise OtherNetworkError(path, f"has the activation {str(value)[:40]!r}, and leaky ReLU is expected")


def _alias_free(part: Part) -> str:
    marked = any(re.match(r"synthesis\.(input\.|L\d+_)", name) for name in part.tensors)
    return "is a StyleGAN3 network, which lfsgan does not have" if marked else ""


def _conditional(part: Part) -> str:
    classes = part.settings.get("c_dim", 0)
    if any(name.startswith("mapping.embed.") for name in part.tensors) or classes not in {0, None}:
        return f"is a conditional network ({classes or 'several'} classes), and lfsgan's know no classes"
    return ""


def _architecture(part: Part) -> str:
    sides = {found[1] for name in part.tensors if (found := re.match(r"synthesis\.(b\d+)\.", name))}
    coloured = {side for side in sides if f"synthesis.{side}.torgb.weight" in part.tensors}
    if any(re.fullmatch(r"synthesis\.b\d+\.skip\.weight", name) for name in part.tensors):
        return "is a generator of the architecture 'resnet', and 'skip' is expected"
    if coloured and coloured != sides:
        return "is a generator of the architecture 'orig', and 'skip' is expected"
    return ""


def _colours(part: Part) -> str:
    channels = {
        tensor.shape[0]
        for name, tensor in part.tensors.items()
        if name.endswith(".torgb.weight") and tensor.dim() and tensor.shape[0] != 3
    }
    return f"draws pictures of {max(channels)} channel(s), and 3 (red, green, blue) are needed" if channels else ""


def _latents(part: Part) -> str:
    first, affine = (part.tensors.get(name) for name in ("mapping.fc0.weight", "synthesis.b4.conv1.affine.weight"))
    if first is None or affine is None or first.shape[1:] == affine.shape[1:]:
        return ""
    widths = f"z of {list(first.shape[1:])} and a w of {list(affine.shape[1:])}"
    return f"has a {widths} numbers, and lfsgan's are of one width"


def _residual(part: Part) -> str:
    sides = {found[1] for name in part.tensors if (found := re.match(r"(b\d+)\.conv0\.", name))}
    if any(f"{side}.skip.weight" not in part.tensors for side in sides):
        return "has a discriminator of the architecture 'orig' or 'skip', and 'resnet' is expected"
    return ""


def _is_binomial(kernel: Tensor) -> bool:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    expected = torch.outer(taps, taps) / 64
    return kernel.shape == expected.shape and torch.allclose(kernel.float(), expected, atol=FILTER_TOLERANCE)
