"""A task is learned by its adapter alone, and an interrupted run ends bit for bit where an uninterrupted one does."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.full import FullFineTune
from lfsgan_adapters.left import LeFT
from torch import Tensor

from lfsgan_cli import options
from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.io import safetensors
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.anchors import Near
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.learning import Learning, SampleComparison, rated
from tests.brightness import InBrightness

KINDS: list[Any] = [LeFT, FullFineTune, CAM]
SHOTS = list(np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3), np.uint8))
# Within six steps everything happens more than once: whole images, patches, both regularizers and mode seeking.
CONFIG = options.build(
    LearnConfig,
    {
        "steps": 6,
        "batch": 2,
        "discriminator.r1_every": 3,
        "path_weight": 2.0,
        "path_every": 2,
        "anchors.every": 2,
        "mode_seeking.every": 2,
        "mode_seeking.batch": 4,
        "optim.ema_steps": 5,
        "anchors.candidates": 10,
        "features.weight": 0.0,  # a test of its own switches them on: their network is slow beside a tiny base
    },
)


def new_run(kind: Any = LeFT, config: LearnConfig = CONFIG, base: Generator | None = None) -> Learning:
    base = base or tiny_generator()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        adapter, discriminator = kind(base, kind.Config()), Discriminator(base.config)
    return Learning(base, adapter, discriminator, SHOTS, InBrightness(SHOTS), config)


def finished(run: Learning) -> dict[str, Tensor]:
    for _ in run.steps():
        pass
    return run.pack()


def test_a_resumed_run_has_the_anchors_that_it_began_with_whatever_this_machine_would_choose() -> None:
    run, resumed = new_run(), new_run()
    other = run.anchors.points.flip(0) * 0.5
    resumed.unpack({**run.pack(), "anchors.points": other})
    assert torch.equal(resumed.anchors.points, other)
    assert not torch.equal(run.anchors.points, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_after_any_step_ends_where_an_uninterrupted_one_does(kind: Any, tmp_path: Path) -> None:
    run = new_run(kind)
    safetensors.write(tmp_path / "0", run.pack(), {})
    for step in run.steps():
        safetensors.write(tmp_path / str(step.done), run.pack(), {})
    whole = run.pack()
    for done in range(CONFIG.steps):
        resumed = new_run(kind)
        resumed.unpack(safetensors.read(tmp_path / str(done))[0])
        assert resumed.done == done
        again = finished(resumed)
        assert again.keys() == whole.keys()
        assert [name for name in whole if not torch.equal(again[name], whole[name])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_learning_moves_the_adapter_and_leaves_the_base_alone(kind: Any) -> None:
    base = tiny_generator()
    run, before = new_run(kind, base=base), copy.deepcopy(base.state_dict())
    start = copy.deepcopy(run.adapter.tensors())
    finished(run)
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.state_dict().items())
    still = [name for name, tensor in run.adapter.tensors().items() if torch.equal(tensor, start[name])]
    assert [name for name in still if name not in run.adapter.nulls] == []


def test_a_learned_full_network_can_be_merged() -> None:
    run, base = new_run(FullFineTune), tiny_generator()
    finished(run)
    z = torch.randn(2, base.config.w_dim, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(merge(base, run.ema.module)(z), adapt(base, run.ema.module)(z))


def test_every_phase_runs_at_its_interval() -> None:
    names = [set(step.losses) for step in new_run().steps()]
    assert [index for index, ran in enumerate(names) if "r1" in ran] == [0, 3]
    assert [index for index, ran in enumerate(names) if "path" in ran] == [0, 2, 4]
    assert all({"d", "g"} <= ran for ran in names)


@pytest.mark.parametrize(
    ("changed", "phases"),
    [({"discriminator.r1_gamma": 0.0}, ["d", "g", "path"]), ({"path_weight": 0.0}, ["d", "r1", "g"])],
)
def test_a_weight_of_zero_switches_a_regularizer_off(changed: dict[str, float], phases: list[str]) -> None:
    assert [phase.name for phase in new_run(config=options.changed(CONFIG, changed)).phases] == phases


def test_heads_on_frozen_features_learn_beside_the_discriminator_and_fade_with_the_learning_rates() -> None:
    run = new_run(config=options.changed(CONFIG, {"features.weight": 1.0, "features.ramp": 0, "optim.decay": 0.5}))
    assert [phase.name for phase in run.phases] == ["d", "r1", "g", "path", "features"]
    before = {name: tensor.clone() for name, tensor in run.modules["features"].state_dict().items()}
    after = finished(run)
    weights = [name for name in before if name.startswith("heads.") and not name.endswith(("_u", "_v"))]
    assert [name for name in weights if torch.equal(before[name], after[f"module.features.{name}"])] == []
    assert run.rate_share == 0
    assert run.optimizers["features"].param_groups[0]["lr"] == 0


@pytest.mark.parametrize("weight", ["mode_seeking.weight", "anchors.weight", "energy_weight"])
def test_what_is_added_to_the_adversarial_loss_can_be_switched_off(weight: str) -> None:
    on, off = (
        next(iter(new_run(config=options.changed(CONFIG, {weight: value})).steps())).losses["g"] for value in (1.0, 0.0)
    )
    assert on > off


def sets_cost(shots: Tensor, **changed: Any) -> float:
    """The loss of the first set of images if the training images, float [K, 3, R, R], are what the base generates."""
    run = new_run(
        config=options.changed(
            CONFIG, {"mode_seeking.batch": 16, "mode_seeking.weight": 0.0, "energy_weight": 0.0, **changed}
        )
    )
    comparison = SampleComparison(run.generator, run.perceptual, shots, run.config, run.random, run.dtype)
    return float(comparison.loss(shots).detach())


def test_images_near_a_shot_cost_something_and_near_its_mirror_image_where_training_images_are_mirrored() -> None:
    z = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    own = tiny_generator()(z)
    near, less = (sets_cost(own, memorization_weight=weight, mirror=False) for weight in (10.0, 1.0))
    assert near == pytest.approx(10 * less)
    assert less > 0
    turned = own.flip(3)
    assert sets_cost(turned, memorization_weight=1.0, mirror=True) > sets_cost(
        turned, memorization_weight=1.0, mirror=False
    )


def test_the_pull_to_a_shot_is_of_likeness_and_of_pixels() -> None:
    run = new_run()
    near = Near(torch.zeros(1, 16), torch.tensor([0]), torch.ones(1))
    shot = run.references[:1]
    # Stripes leave an image as bright in the mean.
    offsets = torch.zeros(16), torch.tensor([0.5, -0.5]).repeat(8), torch.full((16,), 0.5)
    pulls = [float(run._anchor_loss(shot + offset, near)) for offset in offsets]
    assert pulls == pytest.approx([0.0, 0.5, 0.5 + 0.5**2], abs=1e-5)  # likeness is that of brightness, squared


def test_r1_grows_with_the_number_of_pixels_unless_it_is_taken_as_it_stands() -> None:
    scaled, plain = (
        float(
            next(iter(new_run(config=options.changed(CONFIG, {"discriminator.r1_scaled": is_scaled})).steps())).losses[
                "r1"
            ]
        )
        for is_scaled in (True, False)
    )
    assert scaled == pytest.approx(plain * (16 / 64) ** 2)  # 64×64 is where it stands


def first_g(**anchors: float) -> float:
    changed = {f"anchors.{name}": value for name, value in anchors.items()}
    config = options.changed(CONFIG, {"anchors.weight": 1.0, **changed})
    return float(next(iter(new_run(config=config).steps())).losses["g"])


def test_the_steeper_the_focus_the_less_do_images_far_from_their_anchors_count() -> None:
    flat, linear, steep = (first_g(spread=2.5, focus=power) for power in (0.0, 1.0, 4.0))
    assert flat > linear > steep


def test_the_focus_does_not_matter_at_the_anchors_themselves() -> None:
    assert first_g(spread=0.0, focus=0.0) == first_g(spread=0.0, focus=4.0)


def test_the_average_lies_between_the_start_and_the_live_adapter() -> None:
    run = new_run(config=options.changed(CONFIG, {"optim.ema_steps": 1e9, "steps": 1}))
    start = copy.deepcopy(run.adapter)
    finished(run)
    for first, mean, last in zip(
        start.parameters(), run.ema.module.parameters(), run.adapter.parameters(), strict=True
    ):
        assert bool(((mean - first) * (mean - last) <= 0).all())


def test_more_training_images_than_a_batch_and_fewer_are_both_learned_from() -> None:
    for batch in (1, 8):
        state = finished(new_run(config=replace(CONFIG, batch=batch, steps=2)))
        assert all(tensor.isfinite().all() for tensor in state.values())


def test_another_seed_learns_another_task() -> None:
    first, second = (finished(new_run(config=replace(CONFIG, seed=seed, steps=1))) for seed in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first if name.startswith("module.adapter."))


def test_the_ema_is_learned() -> None:
    run = new_run()
    assert run.learned is run.ema.module


@pytest.mark.parametrize(
    "changed",
    [
        {"memorization_weight": 40.0},
        {"energy_weight": 0.0},
        {"mode_seeking.weight": 0.0},
        {"discriminator.freeze_blocks": 0},
        {"discriminator.freeze_blocks": 2},
        {"optim.gradients": "zeroed"},
        {"anchors.kind": "random", "anchors.weight": 0.0, "anchors.noise": "fixed"},
        {"mode_seeking.pairs": "first"},
        {"mode_seeking.reduction": "sum"},
        {"mode_seeking.centers": "batch"},
        {"mode_seeking.noise": "random"},
        {"mode_seeking.epsilon": 1.0},
        {"discriminator.r1_scaled": False},
        {"optim.ema_steps": 0.0},
        {"anchors.inversion_steps": 2},
        {"optim.adapter_rates": False},
        {"features.weight": 1.0, "features.ramp": 2},
    ],
)
def test_every_departure_is_an_option_that_changes_what_is_learned_and_that_goes_on_bit_for_bit(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    usual = options.changed(CONFIG, {"mode_seeking.batch": 8})  # enough for a cluster of more than one pair
    config = options.changed(usual, {**changed})
    run = new_run(config=config)
    for step in run.steps():
        if step.done == 3:
            safetensors.write(tmp_path / "3", run.pack(), {})
    whole, plain = run.pack(), finished(new_run(config=usual))
    learned = [name for name in whole if name.startswith("module.ema.")]
    assert any(not torch.equal(whole[name], plain[name]) for name in learned)
    resumed = new_run(config=config)
    resumed.unpack(safetensors.read(tmp_path / "3")[0])
    again = finished(resumed)
    assert [name for name in whole if not torch.equal(again[name], whole[name])] == []


@pytest.mark.parametrize("asked", [1, None])
def test_frozen_blocks_of_the_discriminator_stay_as_they_are(asked: int | None) -> None:
    run = new_run(
        config=options.changed(CONFIG, {"discriminator.freeze_blocks": asked})
    )  # 16×16: patches are scored from the second of two
    before = copy.deepcopy(run.discriminator.discriminator.state_dict())
    finished(run)
    after = run.discriminator.discriminator.state_dict()
    still = {name.split(".")[0] + "." + name.split(".")[1] for name in after if torch.equal(after[name], before[name])}
    assert still == {"from_rgb.weight", "from_rgb.bias", "blocks.0"}
    assert not any(
        name.startswith(tuple(still)) and parameter.grad is not None
        for name, parameter in run.discriminator.discriminator.named_parameters()
    )


def test_a_step_without_a_gradient_moves_adam_only_where_gradients_are_zeroed() -> None:
    def counted(gradients: Any) -> set[int]:
        run = new_run(config=options.changed(CONFIG, {"optim.gradients": gradients, "discriminator.r1_gamma": 0.0}))
        finished(run)
        return {int(slots["step"]) for slots in run.optimizers["d"].state.values()}

    # Six steps, three of them on patches. The head is not asked before the second.
    assert counted("dropped") == {3, 6}
    assert counted("zeroed") == {5, 6}


def test_learning_rates_fall_to_zero_in_the_last_share_of_the_steps() -> None:
    run = new_run(config=options.changed(CONFIG, {"optim.decay": 0.5}))
    group = run.optimizers["g"].param_groups[0]
    rates = [float(group["lr"]) for _ in run.steps()]
    full = rates[0]
    assert rates == pytest.approx([full, full, full, full * 2 / 3, full / 3, 0.0])


@pytest.mark.parametrize(("own_rates", "share"), [(True, 0.5), (False, 1.0)])
def test_tensors_learn_at_their_adapters_shares_of_the_rate_in_the_mapping_and_out_of_it(
    own_rates: bool, share: float
) -> None:
    base = tiny_generator()
    adapter = LeFT(base, LeFT.Config(rank=1))
    slower = "weights.mapping/layers/0/weight.mul_out", "weights.synthesis/convs/1/conv/weight.inner"
    adapter.rates = dict.fromkeys(slower, 0.5)
    config = options.changed(
        LearnConfig(), {"lr": 0.01, "optim.mapping_lr_scale": 0.1, "optim.adapter_rates": own_rates}
    )
    rates = {id(p): group.lr for group in rated(adapter, config) for p in group.parameters}
    found = {name: rates[id(parameter)] for name, parameter in adapter.named_parameters()}
    assert [found[name] for name in slower] == pytest.approx([0.001 * share, 0.01 * share])
    assert found["weights.mapping/layers/0/weight.mul_in"] == pytest.approx(0.001)
    assert found["weights.synthesis/convs/1/conv/weight.out"] == pytest.approx(0.01)


def test_what_changes_the_mapping_learns_at_a_share_of_the_rate() -> None:
    run = new_run(
        config=options.changed(
            CONFIG, {"lr": 0.01, "optim.mapping_lr_scale": 0.1, "optim.adapter_rates": False, "path_weight": 0.0}
        )
    )
    mapping, synthesis = run.optimizers["g"].param_groups
    assert (mapping["lr"], synthesis["lr"]) == pytest.approx((0.001, 0.01))
    assert {id(parameter) for parameter in mapping["params"]} == {
        id(parameter) for name, parameter in run.adapter.named_parameters() if "mapping/" in name
    }


def test_without_anchors_every_step_scores_whole_images_of_random_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(config=options.changed(CONFIG, {"anchors.kind": "none", "anchors.weight": 0.0}))
    assert run.anchors.points.shape == (0, run.generator.config.w_dim)

    def patches(_images: Tensor) -> Tensor:
        raise AssertionError("patches were scored")

    monkeypatch.setattr(run.discriminator, "patches", patches)
    finished(run)


def test_augmentation_follows_the_logits_of_training_images_and_is_part_of_a_checkpoint() -> None:
    changed = {"augment.mode": "adaptive", "augment.p": 0.5, "augment.rise": 20.0, "augment.target": 1.0}
    run = new_run(config=options.changed(CONFIG, changed))
    whole = finished(run)
    # The target is out of reach, so that the probability falls by 2 of 20 images in each of six steps.
    assert float(whole["module.augmentation.p"]) == pytest.approx(0)
    again = new_run(config=options.changed(CONFIG, changed))
    again.unpack(whole)
    assert torch.equal(again.modules["augmentation"].state_dict()["p"], whole["module.augmentation.p"])


def test_the_strengths_of_noise_learn_at_a_share_of_the_rate_or_not_at_all() -> None:
    def groups(scale: float) -> list[tuple[float, int]]:
        config = options.changed(CONFIG, {"optim.noise_lr_scale": scale, "lr": 1.0, "optim.mapping_lr_scale": 1.0})
        found = rated(new_run(FullFineTune).adapter, config)
        return sorted((group.lr, len(group.parameters)) for group in found)

    whole = sum(count for _, count in groups(1.0))
    strengths = len(tiny_generator().config.noise_sides)
    assert groups(1.0)[-1][0] == groups(1.0)[0][0] == 1.0
    assert groups(0.0)[0] == (0.0, strengths)
    assert groups(0.25)[0] == (0.25, strengths)
    assert sum(count for _, count in groups(0.0)) == whole
