"""LoRA adds matrices of the rank it is given, to the layers it is told, in steps that suit each weight's size."""

from typing import Any

import pytest
import torch
from lfsgan_adapters.left import LeFT
from lfsgan_adapters.lora import LoRA
from torch import Tensor

from lfsgan_cli.apply import merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.testing import check_adapter, tiny_generator

STYLE = ("mapping.", "affine.")


@pytest.mark.parametrize("layers", ["all", "style"])
@pytest.mark.parametrize("rank", [1, 4, 16])
@pytest.mark.parametrize("alpha", [1.0, 4.0])
def test_every_kind_of_lora_keeps_the_contract(rank: int, layers: Any, alpha: float) -> None:
    check_adapter(LoRA, LoRA.Config(rank=rank, layers=layers, alpha=alpha))


# StyleGAN2 config-f at 256 pixels has 8 layers of 512 in the mapping, and 13 convolutions and 7 ToRGB with an affine
# each. Rows and columns of their weights: mapping 8,192; affines 8,704 and 20·512; convolutions 5,376 and 9·5,760;
# ToRGB 7·3 and 2,944. Biases: mapping 4,096; affines 8,704.
BIASES = 4_096 + 8_704
FACTORS = {"style": 8_192 + 8_704 + 20 * 512, "all": 8_192 + 8_704 + 20 * 512 + 5_376 + 9 * 5_760 + 7 * 3 + 2_944}


@pytest.mark.parametrize("rank", [1, 16])
@pytest.mark.parametrize("layers", ["all", "style"])
def test_a_task_has_a_row_and_a_column_for_each_rank_and_every_bias(rank: int, layers: Any) -> None:
    assert count(rank, layers) == rank * FACTORS[layers] + BIASES


def test_at_rank_1_the_counts_are_those_of_published_rivals() -> None:
    # What learns in CoLoR-GAN's public code, and AdAM's rank-1 kernels with their biases (method 2, counted there).
    assert (count(1, "style"), count(1, "all")) == (39_936, 100_117)


def count(rank: int, layers: Any) -> int:
    with torch.device("meta"):
        return LoRA(build_generator(NetworkConfig.standard(256)), LoRA.Config(rank=rank, layers=layers)).size


def test_the_default_has_about_as_many_parameters_as_left_at_that_rank() -> None:
    network, rank = tiny_generator(), LoRA.Config().rank
    ratio = LoRA(network, LoRA.Config()).size / LeFT(network, LeFT.Config(rank=rank)).size
    assert 0.5 < ratio < 1


def test_style_is_the_mapping_and_the_affines_and_all_is_what_left_changes() -> None:
    network = tiny_generator()
    style, whole = ({name for name, _ in LoRA(network, LoRA.Config(layers=layers)).weights.items()} for layers in KINDS)
    assert whole == {name for name, _ in LeFT(network, LeFT.Config(biases=False)).weights.items()}
    assert style == {name for name in whole if any(part in name for part in STYLE)}


KINDS: tuple[Any, Any] = ("style", "all")


@pytest.mark.parametrize("name", ["mapping.layers.0.weight", "synthesis.convs.1.conv.weight"])
@pytest.mark.parametrize("rank", [1, 3])
def test_what_is_learned_has_the_rank_it_is_given(name: str, rank: int) -> None:
    network = tiny_generator().double()
    weight = network.get_parameter(name).squeeze(0)
    difference = (merge(network, moved(rank)).get_parameter(name).squeeze(0) - weight).flatten(1)
    assert torch.linalg.matrix_rank(difference, rtol=1e-9) == rank


# Raw weights of the mapping are a hundred times as large as those of convolutions (equalized learning rate).
@pytest.mark.parametrize("rank", [1, 16])
def test_the_same_factors_move_every_weight_by_the_same_share_of_it(rank: int) -> None:
    network = tiny_generator().double()
    merged = merge(network, moved(rank))
    shares = [
        float((merged.get_parameter(name) - weight).norm() / weight.norm())
        for name, weight in network.named_parameters()
        if name.endswith(("layers.0.weight", "conv.weight", "affine.weight"))
    ]
    assert max(shares) < 3 * min(shares)  # factors are random, and some weights have three rows only


def moved(rank: int) -> LoRA:
    """As after a step that moved every zero by the same amount, this way or that."""
    adapter = LoRA(tiny_generator(), LoRA.Config(rank=rank)).double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if name.endswith(".up"):
                parameter.copy_(signs(parameter, rng))
    return adapter


def signs(like: Tensor, rng: torch.Generator) -> Tensor:
    return 0.01 * torch.randn(like.shape, generator=rng).sign()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"rank": 0}, "rank is 0"), ({"alpha": 0.0}, "alpha is 0"), ({"alpha": float("nan")}, "alpha is nan")],
)
def test_what_could_not_learn_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LoRA.Config(**options)
