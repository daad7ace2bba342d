"""Networks of NVIDIA's StyleGAN2 code (stylegan2-ada-pytorch, and stylegan3's StyleGAN2) as states of ours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli.checkpoints.checkpoint import Checkpoint, CheckpointError, State
from lfsgan_cli.checkpoints.safe_pickle import AVERAGE, Part, load
from lfsgan_cli.checkpoints.torch_file import is_plain
from lfsgan_cli.errors import one_line
from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import MAPPING_MULTIPLIER, build_generator

LIVE, DISCRIMINATOR = "G", "D"
GROUP = 4  # pictures that our minibatch standard deviation compares
_MARKS = ("synthesis.b4.const", "synthesis.input.transform")  # StyleGAN2's and StyleGAN3's; no other program's
_STRENGTH = ".noise.strength"
_NOISE = (".noise.const", _STRENGTH)  # networks can be trained without; the strength is none then


class NvidiaNetworkError(CheckpointError):
    """Networks under NVIDIA's names that are incomplete, or do not belong together."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path, f"has networks of NVIDIA's that cannot be used: {reason}", "expected a plain StyleGAN2 in color"
        )


def is_state(state: object) -> bool:
    """Whether these are the tensors of a generator under NVIDIA's names."""
    return isinstance(state, Mapping) and any(mark in state for mark in _MARKS)


def is_checkpoint(document: object) -> bool:
    """Whether this is the state of a generator under NVIDIA's names, or a dict with one."""
    return is_state(document) or (isinstance(document, Mapping) and any(map(is_state, _states(document).values())))


def read(path: Path) -> Checkpoint:
    """The networks of a network pickle; nothing in it is run. Raises CheckpointError in every other case."""
    return _checkpoint(path, load(path))


def from_state(
    path: Path,
    average: Mapping[str, Any] | None,
    live: Mapping[str, Any] | None = None,
    discriminator: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """The networks of plain state dicts under NVIDIA's names, at least one of them a generator's."""
    states = {AVERAGE: average, LIVE: live, DISCRIMINATOR: discriminator}
    parts = {name: _part(path, name, state) for name, state in states.items() if state is not None}
    return _checkpoint(path, parts)


def from_document(path: Path, document: Mapping[str, Any]) -> Checkpoint:
    """The networks of a dict that `is_checkpoint`, such as somebody's `torch.save` of NVIDIA's states."""
    states = {AVERAGE: document} if is_state(document) else _states(document)
    return from_state(path, states.get(AVERAGE), states.get(LIVE), states.get(DISCRIMINATOR))


def _states(document: Mapping[Any, Any]) -> dict[str, Any]:
    """The dicts that are called as NVIDIA's networks are, or as rosinality's."""
    called = {name: document.get(name, document.get(name.lower())) for name in (AVERAGE, LIVE, DISCRIMINATOR)}
    return {name: state for name, state in called.items() if isinstance(state, Mapping)}


def _part(path: Path, name: str, state: Mapping[str, Any]) -> Part:
    for tensor_name, value in state.items():
        if not isinstance(value, Tensor):
            raise NvidiaNetworkError(path, f"{_short(tensor_name)!r} of {name} is no tensor")
    return Part(state)


def _checkpoint(path: Path, found: Mapping[str, Part]) -> Checkpoint:
    parts = {name: found[name] for name in (AVERAGE, LIVE, DISCRIMINATOR) if name in found}
    generators = {name: part for name, part in parts.items() if name != DISCRIMINATOR}
    if not generators:
        raise NvidiaNetworkError(path, f"there is no {AVERAGE!r} and no {LIVE!r}")
    for name, part in parts.items():
        _check(path, name, part)
    config = _config(path, generators)
    states = {name: _generator(path, name, part, config) for name, part in generators.items()}
    return Checkpoint(
        kind=f"NVIDIA's, with {', '.join(parts)}{''.join(_remarks(parts))}",
        config=config,
        average=states.get(AVERAGE),
        live=states.get(LIVE),
        discriminator=_discriminator(path, parts[DISCRIMINATOR], config) if DISCRIMINATOR in parts else None,
        w_mean=_w_mean(next(iter(generators.values())), config),
    )


def _check(path: Path, name: str, part: Part) -> None:
    for tensor_name, tensor in part.tensors.items():
        if not is_plain(tensor):
            raise NvidiaNetworkError(path, f"{_short(tensor_name)!r} of {name} holds no floating-point numbers")
    check = check_discriminator if name == DISCRIMINATOR else check_generator
    check(path, part)


def _config(path: Path, generators: Mapping[str, Part]) -> NetworkConfig:
    try:
        configs = [config_of(part.tensors) for part in generators.values()]
    except (KeyError, IndexError) as error:
        raise NvidiaNetworkError(path, f"a generator lacks {_short(error)}") from error
    except NetworkConfigError as error:
        raise NvidiaNetworkError(path, str(error)) from error
    if any(config != configs[0] for config in configs):
        raise NvidiaNetworkError(path, f"{AVERAGE} and {LIVE} are of different sizes")
    return configs[0]


def _generator(path: Path, name: str, part: Part, config: NetworkConfig) -> State:
    with torch.device("meta"):
        expected = {name: tensor for name, tensor in build_generator(config).state_dict().items() if name != "w_mean"}
    return dict(_renamed(path, name, part, generator_names(config), expected))


def _discriminator(path: Path, part: Part, config: NetworkConfig) -> State:
    with torch.device("meta"):
        expected = Discriminator(config).state_dict()
    return dict(_renamed(path, DISCRIMINATOR, part, discriminator_names(config), expected))


def _renamed(
    path: Path, name: str, part: Part, names: Mapping[str, str], expected: State
) -> Iterator[tuple[str, Tensor]]:
    """All tensors under our names, in fp32 and in our shapes, which differ from theirs by axes of one number."""
    for theirs in part.tensors.keys() - set(names.values()) - {W_MEAN}:
        if not theirs.endswith(FILTER):
            raise NvidiaNetworkError(path, f"a StyleGAN2 has no {_short(theirs)!r} in {name}")
    for ours, theirs in names.items():
        tensor, shape = part.tensors.get(theirs), expected[ours].shape
        if tensor is None and not ours.endswith(_NOISE):
            raise NvidiaNetworkError(path, f"{theirs!r} is missing in {name}")
        if tensor is not None and _sizes(tensor) != _sizes(expected[ours]):
            raise NvidiaNetworkError(path, f"{theirs!r} of {name} has the shape {list(tensor.shape)}")
        if tensor is not None:
            yield ours, _scaled(path, part, theirs).reshape(shape)
        elif ours.endswith(_STRENGTH):
            yield ours, torch.zeros(shape)


def _scaled(path: Path, part: Part, name: str) -> Tensor:
    """A tensor in fp32; a layer whose learning rate was scaled by another number than ours has its weights adapted."""
    layer = name.rpartition(".")[0]
    ours = MAPPING_MULTIPLIER if layer.startswith("mapping.") else 1.0
    theirs = part.settings.get(f"{layer}.bias_gain", ours)
    if not isinstance(theirs, float | int) or not 0 < theirs < math.inf:
        raise NvidiaNetworkError(path, f"{layer!r} multiplies its weights by {_short(theirs)}")
    tensor = part.tensors[name].float()
    return tensor if theirs == ours else tensor * (theirs / ours)


def _sizes(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]


def _w_mean(part: Part, config: NetworkConfig) -> Tensor | None:
    mean = part.tensors.get(W_MEAN)
    return mean.float() if mean is not None and mean.shape == (config.w_dim,) else None


def _remarks(parts: Mapping[str, Part]) -> Iterator[str]:
    clamps = {
        value
        for part in parts.values()
        for name, value in part.settings.items()
        if name.endswith(".conv_clamp") and value is not None
    }
    if clamps:
        limits = ", ".join(sorted(_short(limit) for limit in clamps))
        yield f"; it cuts activations at {limits} and lfsgan does not, which tells apart only pictures that go beyond"
    group = parts[DISCRIMINATOR].settings.get("b4.mbstd.group_size", GROUP) if DISCRIMINATOR in parts else GROUP
    if group != GROUP:
        yield f"; its discriminator compared {_short(group)} pictures at a time, and lfsgan's compares {GROUP}"


def _short(value: object) -> str:
    """A name or number of a file, as messages may show it."""
    return one_line(str(value))[:80]


# What networks of NVIDIA's code can be that ours cannot: one sentence for each.


FILTER_TOLERANCE = 1e-4  # filters may be kept in half precision
_KNOWN_ACTIVATIONS = {"lrelu", "linear"}  # linear: affine layers, shortcuts, the score


class OtherNetworkError(CheckpointError):
    """A network of NVIDIA's code that is not the StyleGAN2 that lfsgan has."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(path, what, "import a StyleGAN2 without classes, in color, of the default architecture")


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
            raise OtherNetworkError(path, f"has the activation {str(value)[:40]!r}: expected leaky ReLU")


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
        return "is a generator of the architecture 'resnet': expected 'skip'"
    if coloured and coloured != sides:
        return "is a generator of the architecture 'orig': expected 'skip'"
    return ""


def _colours(part: Part) -> str:
    channels = {
        tensor.shape[0]
        for name, tensor in part.tensors.items()
        if name.endswith(".torgb.weight") and tensor.dim() and tensor.shape[0] != 3
    }
    return f"outputs {max(channels)} channel(s): expected 3 (red, green, blue)" if channels else ""


def _latents(part: Part) -> str:
    first, affine = (part.tensors.get(name) for name in ("mapping.fc0.weight", "synthesis.b4.conv1.affine.weight"))
    if first is None or affine is None or first.shape[1:] == affine.shape[1:]:
        return ""
    widths = f"z of {list(first.shape[1:])} and a w of {list(affine.shape[1:])}"
    return f"has a {widths} numbers, and lfsgan's are of one width"


def _residual(part: Part) -> str:
    sides = {found[1] for name in part.tensors if (found := re.match(r"(b\d+)\.conv0\.", name))}
    if any(f"{side}.skip.weight" not in part.tensors for side in sides):
        return "has a discriminator of the architecture 'orig' or 'skip': expected 'resnet'"
    return ""


def _is_binomial(kernel: Tensor) -> bool:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    expected = torch.outer(taps, taps) / 64
    return kernel.shape == expected.shape and torch.allclose(kernel.float(), expected, atol=FILTER_TOLERANCE)


# NVIDIA's names of a StyleGAN2's tensors beside ours; the numbers are the same, without a flip or a factor.
#
# Source: https://github.com/NVlabs/stylegan2-ada-pytorch, `training/networks.py`.


FILTER = ".resample_filter"
W_MEAN = "mapping.w_avg"


def config_of(generator: Mapping[str, Tensor]) -> NetworkConfig:
    """The network that a generator's tensors belong to, from their shapes alone.

    Raises KeyError or IndexError where tensors are missing or misshapen, NetworkConfigError where no StyleGAN2 is so.
    """
    colours = (re.fullmatch(r"synthesis\.b(\d{1,6})\.torgb\.weight", name) for name in generator)
    sides = sorted(int(found[1]) for found in colours if found)
    layers = [name for name in generator if re.fullmatch(r"mapping\.fc\d+\.weight", name)]
    return NetworkConfig(
        resolution=max(sides, default=0),
        channels={side: generator[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides},
        w_dim=generator["synthesis.b4.conv1.affine.weight"].shape[1],
        mapping_layers=len(layers),
    )


def generator_names(config: NetworkConfig) -> dict[str, str]:
    """NVIDIA's name of every tensor of our generator, but of its w_avg."""
    return dict(_generator_names(config))


def discriminator_names(config: NetworkConfig) -> dict[str, str]:
    """NVIDIA's name of every tensor of our discriminator."""
    return dict(_discriminator_names(config))


def _generator_names(config: NetworkConfig) -> Iterator[tuple[str, str]]:
    for layer in range(config.mapping_layers):
        yield from _both(f"mapping.layers.{layer}", f"mapping.fc{layer}")
    yield "synthesis.start", "synthesis.b4.const"
    for index, side in enumerate(config.noise_sides):
        ours, theirs = f"synthesis.convs.{index}", f"synthesis.b{side}.conv{(index + 1) % 2}"
        yield f"{ours}.conv.weight", f"{theirs}.weight"
        yield from _both(f"{ours}.conv.affine", f"{theirs}.affine")
        yield from ((f"{ours}.bias", f"{theirs}.bias"), (f"{ours}.noise.strength", f"{theirs}.noise_strength"))
        yield f"{ours}.noise.const", f"{theirs}.noise_const"
    for index, side in enumerate(config.sides):
        ours, theirs = f"synthesis.to_rgbs.{index}", f"synthesis.b{side}.torgb"
        yield from ((f"{ours}.conv.weight", f"{theirs}.weight"), (f"{ours}.bias", f"{theirs}.bias"))
        yield from _both(f"{ours}.conv.affine", f"{theirs}.affine")


def _discriminator_names(config: NetworkConfig) -> Iterator[tuple[str, str]]:
    yield from _both("from_rgb", f"b{config.resolution}.fromrgb")
    for index, side in enumerate(config.sides[:0:-1]):
        yield from _both(f"blocks.{index}.conv1", f"b{side}.conv0")
        yield from _both(f"blocks.{index}.conv2", f"b{side}.conv1")
        yield f"blocks.{index}.skip.weight", f"b{side}.skip.weight"
    for ours, theirs in (("conv", "conv"), ("dense", "fc"), ("score", "out")):
        yield from _both(ours, f"b4.{theirs}")


def _both(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{ours}.{kind}", f"{theirs}.{kind}") for kind in ("weight", "bias"))
