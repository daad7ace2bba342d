"""Whatever rosinality's layout comes in, the networks are the same; whatever is another network, is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lfsgan_cli.checkpoints.checkpoint import Checkpoint
from lfsgan_cli.checkpoints.rosinality import (
    RosinalityError,
    from_document,
    is_checkpoint,
    to_discriminator_state,
    to_state,
)
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator

States = dict[str, dict[str, Tensor]]
FILE = Path("x.pt")


def read(document: Any) -> Checkpoint:
    assert is_checkpoint(document)
    return from_document(FILE, document)


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def without(state: dict[str, Tensor], piece: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if piece not in name}


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


WRAPPED: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": lambda state: state,
    "of DataParallel": lambda state: {"g_ema": prefixed(state, "module.")},
    "of pSp": lambda state: {"state_dict": prefixed(state, "decoder.") | {"encoder.w": torch.ones(1)}, "opts": {}},
    "of a wrapped pSp": lambda state: {"state_dict": prefixed(state, "module.decoder.")},
    "without filters": lambda state: {"g_ema": without(state, "kernel")},
    "with more beside it": lambda state: {"g_ema": state, "g_optim": {"state": {}}, "ada_aug_p": 0.25},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_the_same_generator_comes_out_of_every_wrapping(wrap: Callable[[Any], Any], rosinality: States) -> None:
    whole = read({"g_ema": rosinality["g_ema"]})
    found = read(wrap(rosinality["g_ema"]))
    assert found.config == whole.config
    assert same(found.average, whole.average)
    assert found.live is None
    assert found.discriminator is None


def test_a_live_generator_and_a_discriminator_are_carried_over(rosinality: States) -> None:
    live = {name: tensor + (0.5 if "weight" in name else 0) for name, tensor in rosinality["g_ema"].items()}
    found = read({"g": live, "d": prefixed(rosinality["d"], "module."), "g_ema": rosinality["g_ema"]})
    assert found.live is not None
    assert found.average is not None
    assert not torch.equal(found.live["mapping.layers.0.weight"], found.average["mapping.layers.0.weight"])
    discriminator = Discriminator(found.config)
    discriminator.load_state_dict(dict(found.discriminator or {}))
    assert same(to_discriminator_state(discriminator), rosinality["d"])


def test_a_generator_goes_back_key_for_key(rosinality: States) -> None:
    found = read(rosinality["g_ema"])
    generator = build_generator(found.config)
    generator.load_state_dict(dict(found.average or {}), strict=False)
    assert same(to_state(generator), rosinality["g_ema"])


def test_noise_may_be_missing_and_is_then_left_to_the_reader(rosinality: States) -> None:
    found = read(without(rosinality["g_ema"], "noises."))
    assert found.average is not None
    assert not [name for name in found.average if name.endswith("noise.const")]


def test_half_precision_becomes_single(rosinality: States) -> None:
    found = read({name: tensor.half() for name, tensor in rosinality["g_ema"].items()})
    assert {tensor.dtype for tensor in (found.average or {}).values()} == {torch.float32}


@pytest.mark.parametrize("rows", [(), (1,), (8,)], ids=["vector", "row", "a row for each layer"])
def test_the_mean_latent_is_taken_in_every_shape(rows: tuple[int, ...], rosinality: States) -> None:
    config = read(rosinality["g_ema"]).config
    mean = torch.arange(float(config.w_dim))
    found = read({"g_ema": rosinality["g_ema"], "latent_avg": mean.expand(*rows, config.w_dim).clone()})
    assert found.w_mean is not None
    assert torch.equal(found.w_mean, mean)


def test_a_mean_for_each_layer_is_not_one_mean(rosinality: States) -> None:
    width = read(rosinality["g_ema"]).config.w_dim
    assert read({"g_ema": rosinality["g_ema"], "latent_avg": torch.randn(8, width)}).w_mean is None


REFUSED: list[tuple[str, Callable[[dict[str, Tensor]], dict[str, Any]]]] = [
    ("outputs 1 channels", lambda g: g | {"to_rgb1.conv.weight": g["to_rgb1.conv.weight"][:, :1]}),
    (
        "outputs 4 channels",
        lambda g: g | {"to_rgb1.conv.weight": torch.ones(1, 4, *g["to_rgb1.conv.weight"].shape[2:])},
    ),
    ("is missing", lambda g: without(g, "convs.2.activate.bias")),
    ("is missing", lambda g: without(g, "style.1.weight")),
    ("has the shape", lambda g: g | {"style.1.bias": g["style.1.bias"][1:]}),
    ("another filter", lambda g: g | {"convs.0.conv.blur.kernel": torch.full((4, 4), 0.25)}),
    ("no tensor 'convs.0.conv.weight_modulation.b'", lambda g: g | {"convs.0.conv.weight_modulation.b": torch.ones(1)}),
    ("not a tensor of floating", lambda g: g | {"style.1.bias": "text"}),
    ("not a tensor of floating", lambda g: g | {"style.1.bias": torch.ones(1).expand(10**12)}),
]


@pytest.mark.parametrize(("reason", "change"), REFUSED)
def test_another_network_is_refused_with_the_reason(
    reason: str, change: Callable[[Any], Any], rosinality: States
) -> None:
    with pytest.raises(RosinalityError, match=reason):
        from_document(FILE, {"g_ema": change(rosinality["g_ema"])})


def test_a_discriminator_of_another_size_is_refused(rosinality: States) -> None:
    small = rosinality["d"] | {"final_linear.1.weight": torch.ones(1, 3)}
    with pytest.raises(RosinalityError, match=r"'d'.*has the shape \[1, 3\]"):
        from_document(FILE, {"g_ema": rosinality["g_ema"], "d": small})


def test_generators_of_two_sizes_are_refused(rosinality: States) -> None:
    deeper = rosinality["g_ema"] | {
        "style.9.weight": rosinality["g_ema"]["style.1.weight"],
        "style.9.bias": rosinality["g_ema"]["style.1.bias"],
    }
    with pytest.raises(RosinalityError, match="other sizes"):
        from_document(FILE, {"g_ema": rosinality["g_ema"], "g": deeper})
