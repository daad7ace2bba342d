"""Checkpoints in rosinality's layout (CDC, AdAM, RICK and LFS-GAN use it too): to our states, and back.

Layout: https://github.com/rosinality/stylegan2-pytorch, `train.py` and `model.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lfsgan_cli.checkpoints.checkpoint import Checkpoint, CheckpointError, State, without_prefix
from lfsgan_cli.checkpoints.torch_file import is_plain
from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.networks.rosinality import config_of, discriminator_names, generator_names, rename

AVERAGE, LIVE, DISCRIMINATOR, MEAN = "g_ema", "g", "d", "latent_avg"
_MARKS = ("input.input", "conv1.conv.weight", "to_rgb1.conv.weight")  # no other program's generators have them all
_DISCRIMINATOR_MARKS = ("convs.0.0.weight", "final_linear.1.weight")
_TELLING = 300  # characters; names in a damaged file may be of any length
_KEPT = ".noise.const"  # the only buffers that are read


class RosinalityError(CheckpointError):
    """A file in rosinality's layout that holds another network than StyleGAN2's."""

    def __init__(self, path: Path, part: str, reason: str) -> None:
        super().__init__(
            path,
            f"has a network {part!r} that cannot be used: {reason[:_TELLING]}",
            "expected a StyleGAN2 in color",
        )


def is_state(state: object) -> bool:
    """Whether these are the tensors of a generator in rosinality's layout, under whatever prefix."""
    return isinstance(state, Mapping) and all(mark in _bare(state) for mark in _MARKS)


def is_checkpoint(document: object) -> bool:
    """Whether this is a generator in rosinality's layout, or a dict with one."""
    return is_state(document) or (isinstance(document, Mapping) and bool(_generators(document)))


def from_document(path: Path, document: Mapping[str, Any]) -> Checkpoint:
    """The networks of a dict that `is_checkpoint`; RosinalityError where they are not StyleGAN2's."""
    whole = {AVERAGE: document} if is_state(document) else document
    found = _generators(whole)
    states = {part: _tensors(path, part, state) for part, state in found.items()}
    configs = {part: _config(path, part, state) for part, state in states.items()}
    if len({str(config) for config in configs.values()}) > 1:
        raise RosinalityError(path, LIVE, f"it has other sizes than {AVERAGE!r}")
    config = next(iter(configs.values()))
    generators = {part: _generator(path, part, state, config) for part, state in states.items()}
    return Checkpoint(
        kind=f"rosinality's, with {', '.join(part for part in (*found, DISCRIMINATOR) if part in whole)}",
        config=config,
        average=generators.get(AVERAGE),
        live=generators.get(LIVE),
        discriminator=_discriminator(path, whole[DISCRIMINATOR], config) if DISCRIMINATOR in whole else None,
        w_mean=_w_mean(whole.get(MEAN), config),
    )


def to_state(generator: Generator) -> dict[str, Tensor]:
    """A generator as rosinality's `Generator.state_dict()` has it, its filters and noise included."""
    ours = generator.state_dict()
    table = generator_names(_generator_layout(generator.config))
    convs, to_rgbs = range(0, len(generator.config.noise_sides) - 1, 2), range(len(generator.config.sides) - 1)
    filters = [f"convs.{k}.conv.blur.kernel" for k in convs] + [f"to_rgbs.{j}.upsample.kernel" for j in to_rgbs]
    return {theirs: ours[name] for theirs, name in table.items()} | {name: _filter(4.0) for name in filters}


def to_discriminator_state(discriminator: Discriminator) -> dict[str, Tensor]:
    """A discriminator as rosinality's `Discriminator.state_dict()` has it, its filters included."""
    ours = discriminator.state_dict()
    blocks = range(1, len(discriminator.config.sides))
    table = discriminator_names(_discriminator_layout(discriminator.config))
    filters = [f"convs.{i}.{place}.kernel" for i in blocks for place in ("conv2.0", "skip.0")]
    return {theirs: ours[name] for theirs, name in table.items()} | {name: _filter(1.0) for name in filters}


def _filter(gain: float) -> Tensor:
    """[4, 4]: the binomial filter that both programs resample with; its sum is `gain`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64 * gain


def _bare(state: Mapping[Any, Any]) -> dict[str, Any]:
    """A generator's or discriminator's state under its own names."""
    bare = without_prefix(state, *_MARKS)
    return bare if _MARKS[0] in bare else without_prefix(state, *_DISCRIMINATOR_MARKS)


def _generators(document: Mapping[Any, Any]) -> dict[str, Mapping[Any, Any]]:
    found = {part: document[part] for part in (AVERAGE, LIVE) if is_state(document.get(part))}
    # Encoders such as pSp keep their decoder among all else, and call the whole `state_dict`.
    if not found and is_state(document.get("state_dict")):
        found[AVERAGE] = document["state_dict"]
    return found


def _tensors(path: Path, part: str, state: object) -> dict[str, Tensor]:
    if not isinstance(state, Mapping):
        raise RosinalityError(path, part, f"it is a {type(state).__name__}, not a dict of tensors")
    tensors = _bare(state)
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not is_plain(tensor):
            raise RosinalityError(path, part, f"{name!r} is not a tensor of floating-point numbers that are all there")
    return tensors


def _config(path: Path, part: str, state: State) -> NetworkConfig:
    colours = state["to_rgb1.conv.weight"]
    if colours.dim() == 5 and colours.shape[1] != 3:
        raise RosinalityError(path, part, f"it outputs {colours.shape[1]} channels: expected 3 (red, green, blue)")
    try:
        return config_of(state)
    except NetworkConfigError as error:
        raise RosinalityError(path, part, str(error)) from error


def _generator(path: Path, part: str, state: State, config: NetworkConfig) -> State:
    with torch.device("meta"):
        network = build_generator(config)
    expected = {name: tensor for name, tensor in network.state_dict().items() if name != "w_mean"}
    return _renamed(path, part, state, generator_names(state), expected, gain=4.0)


def _discriminator(path: Path, state: object, config: NetworkConfig) -> State:
    tensors = _tensors(path, DISCRIMINATOR, state)
    with torch.device("meta"):
        network: nn.Module = Discriminator(config)
    return _renamed(path, DISCRIMINATOR, tensors, discriminator_names(tensors), network.state_dict(), gain=1.0)


def _renamed(
    path: Path, part: str, state: State, table: Mapping[str, str], expected: State, *, gain: float
) -> dict[str, Tensor]:
    """Under lfsgan's names, in fp32. Everything but noise must be there, and nothing else but filters."""
    _check_filters(path, part, {name: tensor for name, tensor in state.items() if name not in table}, gain)
    renamed = rename(state, table)
    for reason in _misfits(renamed, expected):
        raise RosinalityError(path, part, reason)
    return {name: tensor.float() for name, tensor in renamed.items()}


def _check_filters(path: Path, part: str, rest: State, gain: float) -> None:
    for name, tensor in rest.items():
        if not name.endswith(".kernel"):
            raise RosinalityError(path, part, f"a StyleGAN2 has no tensor {name!r}")
        if tensor.shape != (4, 4) or not torch.allclose(tensor.float(), _filter(gain), atol=1e-4):
            raise RosinalityError(path, part, f"{name!r} is another filter than [1, 3, 3, 1]")


def _misfits(renamed: State, expected: State) -> Iterator[str]:
    for name, tensor in expected.items():
        if name not in renamed and not name.endswith(_KEPT):
            yield f"{name!r} (as lfsgan calls it) is missing"
        elif name in renamed and renamed[name].shape != tensor.shape:
            yield f"{name!r} has the shape {list(renamed[name].shape)}: expected {list(tensor.shape)}"
    for name in sorted(renamed.keys() - expected.keys()):
        yield f"it has {name!r}, and a network of its resolution has not"


def _w_mean(value: object, config: NetworkConfig) -> Tensor | None:
    """[w_dim] of [w_dim] or of [L, w_dim] with equal rows; None for anything that is not one mean."""
    if not isinstance(value, Tensor) or not is_plain(value) or value.shape[-1:] != (config.w_dim,):
        return None
    rows = value.float().reshape(-1, config.w_dim)
    return rows[0].clone() if len(rows) and torch.equal(rows, rows[:1].expand_as(rows)) else None


def _generator_layout(config: NetworkConfig) -> Iterator[str]:
    for layer in range(1, config.mapping_layers + 1):
        yield from (f"style.{layer}.weight", f"style.{layer}.bias")
    yield "input.input"
    convs = ["conv1", *(f"convs.{k}" for k in range(len(config.noise_sides) - 1))]
    for conv in convs:
        yield from (f"{conv}.noise.weight", f"{conv}.activate.bias")
    to_rgbs = ["to_rgb1", *(f"to_rgbs.{j}" for j in range(len(config.sides) - 1))]
    yield from (f"{to_rgb}.bias" for to_rgb in to_rgbs)
    for layer_name in (*convs, *to_rgbs):
        yield from (f"{layer_name}.conv.{rest}" for rest in ("weight", "modulation.weight", "modulation.bias"))
    yield from (f"noises.noise_{index}" for index in range(len(convs)))


def _discriminator_layout(config: NetworkConfig) -> Iterator[str]:
    yield from ("convs.0.0.weight", "convs.0.1.bias")
    tensors = ("conv1.0.weight", "conv1.1.bias", "conv2.1.weight", "conv2.2.bias", "skip.1.weight")
    for block in range(1, len(config.sides)):
        yield from (f"convs.{block}.{tensor}" for tensor in tensors)
    yield from ("final_conv.0.weight", "final_conv.1.bias")
    yield from (f"final_linear.{index}.{kind}" for index in (0, 1) for kind in ("weight", "bias"))
