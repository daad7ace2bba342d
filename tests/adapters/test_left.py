"""LeFT is the published modulator, tensor by tensor, and its mended start is really of the rank it is given."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from lfsgan_adapters.left import LeFT
from lfsgan_adapters.left.factors import BiasModulator, ConvModulator, LinearModulator, Soft
from lfsgan_adapters.left.reference_names import CONV, LINEAR
from torch import Tensor, nn

from lfsgan_cli.apply import adapt
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.options import to_json
from lfsgan_cli.testing import check_adapter, tiny_generator
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo
from lfsgan_cli.workspace.workspace import Workspace

SIDE_BY_SIDE = 1e-6  # fp32, values near one


def factors(case: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A reference modulator's parameters under our names: `weight.mul_out`, `bias.add`, …"""
    prefix = f"{case['case']}/param."
    table = LINEAR if case["kind"] == "fc" else CONV
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return {".".join(table[name]): tensor for name, tensor in found.items()}


def modulator(case: dict[str, Any], ours: dict[str, Tensor]) -> nn.Module:
    def pair(*names: str) -> tuple[Tensor, Tensor] | None:
        return (ours[names[0]], ours[names[1]]) if case["use_add"] else None

    if case["kind"] == "fc":
        return LinearModulator(ours["weight.mul_out"], ours["weight.mul_in"], pair("weight.add_out", "weight.add_in"))
    return ConvModulator(
        (ours["weight.out"], ours["weight.taps"], ours["weight.inner"]),
        pair("weight.gate_out", "weight.gate_taps"),
        pair("weight.shift_in", "weight.shift_taps"),
        nn.ReLU() if case["use_act"] else nn.Identity(),
    )


def test_a_weight_is_modulated_as_published(modulator_case: dict[str, Any], modulators: dict[str, Tensor]) -> None:
    case = modulator_case["case"]
    ours = modulator(modulator_case, factors(modulator_case, modulators))(modulators[f"{case}/weight"])
    theirs = modulators[f"{case}/modulated_weight"]
    torch.testing.assert_close(ours, theirs, rtol=SIDE_BY_SIDE, atol=SIDE_BY_SIDE)


def test_a_bias_is_modulated_as_published(modulator_case: dict[str, Any], modulators: dict[str, Tensor]) -> None:
    case = modulator_case["case"]
    if f"{case}/bias" not in modulators:
        return
    bias = BiasModulator(len(modulators[f"{case}/bias"]), additive=modulator_case["use_add"])
    found = factors(modulator_case, modulators)
    bias.load_state_dict({name.removeprefix("bias."): t for name, t in found.items() if name.startswith("bias.")})
    ours, theirs = bias(modulators[f"{case}/bias"]), modulators[f"{case}/modulated_bias"]
    torch.testing.assert_close(ours, theirs, rtol=SIDE_BY_SIDE, atol=SIDE_BY_SIDE)


@pytest.mark.parametrize("init", ["live", "paper"])
@pytest.mark.parametrize("additive", [True, False], ids=["additive", "multiplicative"])
@pytest.mark.parametrize("activation", [True, False], ids=["relu", "linear"])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_every_kind_of_left_keeps_the_contract(rank: int, activation: bool, additive: bool, init: Any) -> None:
    check_adapter(LeFT, LeFT.Config(rank=rank, activation=activation, additive=additive, init=init))


@pytest.mark.parametrize("gates", ["soft", "hard"])
@pytest.mark.parametrize("biases", [True, False], ids=["biases", "weights"])
def test_so_it_does_with_every_gate_and_with_biases_or_without(gates: Any, biases: bool) -> None:
    check_adapter(LeFT, LeFT.Config(rank=2, gates=gates, biases=biases))


def test_without_its_sums_a_task_only_scales() -> None:
    base = tiny_generator()
    adapter = LeFT(base, LeFT.Config(rank=2))
    sums = (".add", ".add_out", ".gate_out", ".shift_in")  # one factor of each
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            parameter.add_(torch.randn_like(parameter))
            if name.endswith(sums):
                parameter.zero_()
        for name, task in adapter.weights.items():
            nothing = torch.zeros_like(base.get_parameter(name))
            assert torch.equal(task(nothing), nothing)


def test_a_step_of_adam_moves_every_weight_by_the_same_share_of_its_size_through_its_sum() -> None:
    base = tiny_generator()

    def moved(seed: int) -> list[float]:
        """How far each weight is after a step in random directions, as a share of its size."""
        torch.manual_seed(seed)
        adapter = LeFT(base, LeFT.Config(rank=8))
        weights = [
            (base.get_parameter(name), task) for name, task in adapter.weights.items() if name.endswith("weight")
        ]
        with torch.no_grad():
            for name, parameter in adapter.named_parameters():
                if name in adapter.rates and not parameter.any():
                    parameter.copy_(0.005 * adapter.rates[name] * torch.randn_like(parameter).sign())
            return [float((task(weight) - weight).norm() / weight.norm()) for weight, task in weights]

    # The mean of many starts: the random factors of narrow layers vary.
    shares = torch.tensor([moved(seed) for seed in range(32)]).mean(0).tolist()
    assert len(shares) > 10
    assert shares == pytest.approx([0.01] * len(shares), rel=0.2)


def test_options_tell_what_is_learned_from_the_published_start_and_without_sums() -> None:
    paper, plain = LeFT.Config(init="paper"), LeFT.Config(additive=False)
    assert (paper.gates, paper.crossed) == ("hard", False)
    assert (plain.gates, plain.crossed) == ("soft", False)


def test_a_start_without_random_factors_has_no_rates_of_its_own() -> None:
    assert LeFT(tiny_generator(), LeFT.Config(init="paper")).rates == {}


@pytest.mark.parametrize(("gates", "learns"), [("soft", True), ("hard", False)])
def test_a_gate_that_has_closed_learns_on_only_if_it_is_soft(gates: Any, learns: bool) -> None:
    base, name = tiny_generator(), "synthesis.convs.1.conv.weight"
    modulator = LeFT(base, LeFT.Config(rank=2, gates=gates)).weights[name]
    out, taps = modulator.get_parameter("out"), modulator.get_parameter("taps")
    with torch.no_grad():  # every gate at -1, which is as far from open as the start is from closed
        out.fill_(1.0)
        taps.fill_(-0.5)
    modulator(base.get_parameter(name)).sum().backward()
    assert taps.grad is not None
    assert bool(taps.grad.abs().sum()) is learns


def test_a_soft_gate_is_one_at_one_near_relu_elsewhere_and_never_shut() -> None:
    x = torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0, 4.0], dtype=torch.float64, requires_grad=True)
    y = Soft()(x)
    y.sum().backward()
    assert y[3].detach().item() == pytest.approx(1.0, abs=1e-12)
    # log(1 + exp(4x)) is off ReLU by at most log(2) / 4 = 0.173, at zero.
    assert float((y - x.relu()).detach().abs().max()) < 0.175
    assert x.grad is not None
    assert bool((x.grad > 0).all())


def test_biases_are_shifted_where_the_public_code_leaves_them_alone() -> None:
    names = dict(LeFT(tiny_generator(), LeFT.Config(rank=1)).weights.items())
    without = dict(LeFT(tiny_generator(), LeFT.Config(rank=1, biases=False)).weights.items())
    added = sorted(names.keys() - without.keys())
    assert all(name.startswith("synthesis.") and name.endswith((".bias", ".strength")) for name in added)
    network = dict(tiny_generator().named_parameters())
    left_out = {name for name in network if name.startswith("synthesis.")} - names.keys()
    assert left_out == {"synthesis.start"}


# Half a megabyte in halves of 32 bits is 250,000 numbers; counted as above, FFHQ-256 has 191,540 at rank 2.
def test_without_a_rank_a_task_takes_half_a_megabyte_at_most() -> None:
    with torch.device("meta"):
        large = LeFT.settled(LeFT.Config(), NetworkConfig.standard(256))
        assert large.rank == 2
        # The published start has the same tensors, and needs no numbers of the network.
        task = LeFT(build_generator(NetworkConfig.standard(256)), replace(large, init="paper"))
        assert task.size * 2 < 450_000
    assert LeFT.settled(LeFT.Config(rank=5), NetworkConfig.standard(256)).rank == 5
    assert LeFT.settled(LeFT.Config(), tiny_generator().config).rank == 16
    assert LeFT.settled(LeFT.Config(), NetworkConfig.standard(1024)).rank == 2


def test_its_file_on_the_layers_of_ffhq_has_half_a_megabyte_at_most(tmp_path: Path) -> None:
    network = NetworkConfig.standard(256)
    config = LeFT.settled(LeFT.Config(), network)
    with torch.random.fork_rng(devices=[]):
        base = build_generator(network)
        adapter = LeFT(base, config)
    training = {**LearnConfig(lr=LeFT.lr).to_json(), "recipe": "default", "shots": "ab" * 32, "shot_count": 10}
    info = TaskInfo(
        "a-task", "left", "1", to_json(config), BaseInfo("ab" * 32, "ffhq-256", network.to_json()), training
    )
    task_file.write(tmp_path / "task", info, {**adapter.round_off(), task_file.W_MEAN: base.w_mean})
    assert (tmp_path / "task").stat().st_size <= 500_000


def test_so_does_a_task_on_the_embedded_base(tmp_path: Path) -> None:
    network = Workspace(tmp_path).base.average
    assert 2 * LeFT(network, LeFT.Config()).size < 500_000
    rank = LeFT.settled(LeFT.Config(), network.config).rank
    assert rank is not None
    assert 2 * LeFT(network, LeFT.Config(rank=rank + 1)).size > 475_000  # a rank more is not to be had


def test_without_sums_more_ranks_fit(tmp_path: Path) -> None:
    network = Workspace(tmp_path).base.average
    ranks = [
        LeFT.settled(config, network.config).rank
        for config in (LeFT.Config(), LeFT.Config(crossed=False), LeFT.Config(additive=False))
    ]
    assert ranks == [12, 14, 16]  # 16 is the most that is taken; the first is what the README's file has
    assert 2 * LeFT(network, LeFT.Config(crossed=False)).size < 500_000


def test_crossed_sums_differ_between_output_channels_and_the_published_ones_do_not() -> None:
    base, name = tiny_generator(), "synthesis.convs.1.conv.weight"

    def shift(crossed: bool) -> Tensor:
        modulator = LeFT(base, LeFT.Config(rank=2, crossed=crossed)).weights[name]
        for factor, parameter in modulator.named_parameters():
            if factor in {"shift_taps", "add_out"}:
                torch.nn.init.normal_(parameter)
        shifted: Tensor = modulator(torch.zeros_like(base.get_parameter(name))).detach()
        return shifted

    published, ours = shift(crossed=False), shift(crossed=True)
    assert torch.equal(published, published[:, :1].expand_as(published))
    assert not torch.allclose(ours, ours[:, :1].expand_as(ours))


def test_the_crossed_sum_is_worked_out_by_hand() -> None:
    out, inner, taps = torch.tensor([[2.0], [3.0]]), torch.tensor([[5.0]]), torch.zeros(9, 1)
    taps[4] = 7.0
    ones = (torch.ones(2, 1), torch.ones(1, 1, 9), torch.ones(1, 1))
    found = ConvModulator(ones, None, None, nn.Identity(), (out, inner, taps))(torch.zeros(1, 2, 1, 3, 3))
    assert found[0, :, 0, 1, 1].tolist() == [2 * 5 * 7, 3 * 5 * 7]
    assert int(found.count_nonzero()) == 2


@pytest.mark.parametrize("taps", [1, 9])
def test_every_entry_of_a_weight_is_the_sum_that_the_formula_names(taps: int) -> None:
    c_out, c_in, rank = 3, 2, 4
    normal = torch.Generator().manual_seed(0)

    def factor(*shape: int) -> Tensor:
        return torch.randn(shape, generator=normal, dtype=torch.float64)

    out, t, inner = factor(c_out, rank), factor(rank, rank, taps), factor(c_in, rank)
    a, b, c, d = factor(c_out, rank), factor(taps, rank), factor(c_in, rank), factor(taps, rank)
    e, f, g = factor(c_out, rank), factor(c_in, rank), factor(taps, rank)
    weight, side = factor(1, c_out, c_in, taps), math.isqrt(taps)
    modulator = ConvModulator((out, t, inner), (a, b), (c, d), nn.ReLU(), (e, f, g))
    found = modulator(weight.view(1, c_out, c_in, side, side)).detach().flatten(3)[0]
    for o, i, p in product(range(c_out), range(c_in), range(taps)):
        gates = [max(0.0, float(out[o] @ t[s, :, p] + a[o] @ b[p])) for s in range(rank)]
        scale = sum(float(inner[i, s]) * gates[s] for s in range(rank))
        sums = float(c[i] @ d[p] + (e[o] * f[i] * g[p]).sum())
        assert float(found[o, i, p]) == pytest.approx(float(weight[0, o, i, p]) * scale + sums, rel=1e-12)


@pytest.mark.parametrize("sums", [{}, {"crossed": False}, {"additive": False}, {"additive": False, "gates": "hard"}])
@pytest.mark.parametrize("rank", [1, 2])
def test_every_kind_of_sum_keeps_the_contract(rank: int, sums: dict[str, Any]) -> None:
    check_adapter(LeFT, LeFT.Config(rank=rank, **sums))


def test_only_rank_one_declares_a_null_and_only_the_cancelled_scale_of_demodulated_convolutions() -> None:
    nulls = LeFT(tiny_generator(), LeFT.Config(rank=1, additive=False, gates="hard")).nulls
    assert nulls
    assert all(name.startswith("weights.synthesis/convs/") and name.endswith("/weight.out") for name in nulls)
    for config in (LeFT.Config(), LeFT.Config(rank=1), LeFT.Config(rank=1, additive=False)):
        assert LeFT(tiny_generator(), config).nulls == {}


# Counted by instantiating the public code on StyleGAN2 config-f, channel multiplier 2 (method 1.2).
@pytest.mark.parametrize(
    ("resolution", "rank", "count"),
    [(256, 1, 108_446), (256, 2, 191_540), (256, 4, 358_472), (1024, 1, 117_404), (1024, 4, 392_456)],
)
def test_a_task_has_as_many_parameters_as_published(resolution: int, rank: int, count: int) -> None:
    with torch.device("meta"):
        network = build_generator(NetworkConfig.standard(resolution))
        assert LeFT(network, LeFT.Config(rank=rank, init="paper", biases=False)).size == count


def test_without_the_sums_half_of_it_is_left() -> None:
    # The products alone; also what CoLoR-GAN's public code counts for its factors at 256 pixels (method 1.7).
    with torch.device("meta"):
        network = build_generator(NetworkConfig.standard(256))
        assert LeFT(network, LeFT.Config(rank=1, init="paper", additive=False, biases=False)).size == 54_161


def test_both_starts_have_the_same_tensors() -> None:
    config, network = LeFT.Config, tiny_generator()
    shapes = [
        {
            name: tensor.shape
            for name, tensor in LeFT(network, config(rank=3, init=init, crossed=False)).tensors().items()
        }
        for init in ("live", "paper")
    ]
    assert shapes[0] == shapes[1]


def test_rank_4_changes_a_weight_by_more_than_rank_1() -> None:
    assert second_singular_value(LeFT.Config(rank=4, init="live", additive=False)) > 1e-3


def test_the_published_start_stays_at_rank_1_whatever_the_rank() -> None:
    # Equal columns get equal gradients for ever (method 1.3); float64 leaves rounding only.
    assert second_singular_value(LeFT.Config(rank=4, init="paper", additive=False)) < 1e-12


def second_singular_value(config: LeFT.Config) -> float:
    """Of what a trained 3×3 weight is multiplied with at one tap, [C_out, C_in], against the largest."""
    base, name = tiny_generator().double(), "synthesis.convs.1.conv.weight"
    adapter = LeFT(base, config).double()
    train(base, adapter, steps=4)
    weight = base.get_parameter(name)
    with torch.no_grad():
        factor = adapter.weights[name](weight) / weight
    values = torch.linalg.svdvals(factor[0, :, :, 0, 0])
    return float(values[1] / values[0])


def train(base: Generator, adapter: LeFT, steps: int) -> None:
    """A few steps towards a fixed random image."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(4, base.config.w_dim, dtype=torch.float64, generator=rng)
    target = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=rng)
    optimizer = torch.optim.Adam(adapter.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        (adapt(base, adapter)(z) - target).square().mean().backward()
        optimizer.step()


def test_a_rank_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="rank is 0"):
        LeFT.Config(rank=0)
