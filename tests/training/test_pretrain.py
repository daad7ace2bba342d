"""Pretraining learns every tensor, and goes on bit for bit where it was stopped."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lfsgan_cli.io import safetensors
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.config import PretrainConfig, TrainingConfigError
from lfsgan_cli.training.pretraining import Pretraining

PICTURES = list(np.random.RandomState(0).randint(0, 256, (7, 16, 16, 3), np.uint8))
CONFIG = PretrainConfig(kimg=0.012, batch=2, r1_every=3, path_every=2, ema_kimg=0.01, feature_ramp_kimg=0.004)
STEPS = 6  # 12 images, two a step


def new_run(config: PretrainConfig = CONFIG) -> Pretraining:
    generator = tiny_generator().requires_grad_(requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        discriminator = Discriminator(generator.config)
    return Pretraining(generator, copy.deepcopy(generator), discriminator, PICTURES, config)


def finished(run: Pretraining) -> dict[str, Tensor]:
    for _ in run.steps():
        pass
    return run.pack()


def test_a_run_stopped_after_any_step_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    run = new_run()
    safetensors.write(tmp_path / "0", run.pack(), {})
    for step in run.steps():
        safetensors.write(tmp_path / str(step.done), run.pack(), {})
    whole = run.pack()
    assert run.done == run.total == STEPS
    for done in range(STEPS):
        resumed = new_run()
        resumed.unpack(safetensors.read(tmp_path / str(done))[0])
        again = finished(resumed)
        assert again.keys() == whole.keys()
        assert [name for name in whole if not torch.equal(again[name], whole[name])] == []


def test_every_tensor_of_both_networks_learns_and_the_average_follows() -> None:
    run = new_run()
    before = {name: tensor.clone() for name, tensor in run.pack().items()}
    after = finished(run)
    learned = [f"module.{part}.{name}" for part in ("generator", "ema") for name, _ in run.generator.named_parameters()]
    learned += [f"module.discriminator.{name}" for name, _ in run.discriminator.named_parameters()]
    assert [name for name in learned if torch.equal(before[name], after[name])] == []


def test_a_finished_run_has_nothing_left_to_do() -> None:
    run = new_run()
    finished(run)
    assert list(run.steps()) == []


def test_without_weight_there_are_no_heads_on_frozen_features_and_nothing_of_them_is_kept() -> None:
    plain = new_run(replace(CONFIG, feature_weight=0.0))
    assert "heads" not in plain.modules
    assert not any("heads" in name for name in finished(plain))


def test_the_heads_learn_and_the_generator_learns_from_them() -> None:
    run, plain = new_run(), new_run(replace(CONFIG, feature_weight=0.0))
    before = {name: tensor.clone() for name, tensor in run.modules["heads"].state_dict().items()}
    after, without = finished(run), finished(plain)
    weights = [name for name in before if name.startswith("heads.") and not name.endswith(("_u", "_v"))]
    assert weights
    assert [name for name in weights if torch.equal(before[name], after[f"module.heads.{name}"])] == []
    name = next(name for name in without if name.startswith("module.generator.") and "affine" in name)
    assert not torch.equal(after[name], without[name])


def test_at_the_end_rates_and_the_weight_of_the_heads_have_fallen_to_zero_and_the_average_is_slow() -> None:
    run = new_run(replace(CONFIG, decay=0.5))
    shares = [(run.optimizers["g"].param_groups[0]["lr"], run.ema.half_life) for _ in run.steps()]
    first, last = shares[0], shares[-1]
    assert first == shares[1] == shares[2]
    assert 0 < shares[4][0] < shares[3][0] < first[0]
    assert last[0] == run.optimizers["d"].param_groups[0]["lr"] == run.optimizers["heads"].param_groups[0]["lr"] == 0
    assert last[1] == 5 * first[1] == 5 * CONFIG.ema_kimg * 1000


def test_a_longer_end_raises_the_rates_again() -> None:
    run = new_run()
    state = finished(run)
    longer = new_run(replace(CONFIG, kimg=2 * CONFIG.kimg))
    longer.unpack(state)
    longer.begin()
    assert longer.optimizers["g"].param_groups[0]["lr"] > 0
    assert longer.done == STEPS < longer.total == 2 * STEPS


RECONSTRUCTING = replace(CONFIG, reconstruction_kimg=0.006, decay=0.5, mapping_updates=5)


def test_a_run_that_reconstructs_goes_on_bit_for_bit_from_any_step(tmp_path: Path) -> None:
    run = new_run(RECONSTRUCTING)
    safetensors.write(tmp_path / "0", run.pack(), {})
    for step in run.steps():
        safetensors.write(tmp_path / str(step.done), run.pack(), {})
    whole = run.pack()
    for done in range(STEPS):
        resumed = new_run(RECONSTRUCTING)
        resumed.unpack(safetensors.read(tmp_path / str(done))[0])
        again = finished(resumed)
        assert [name for name in whole if not torch.equal(again[name], whole[name])] == []


def augmented_run(config: PretrainConfig) -> Pretraining:
    """With a probability that few steps would not reach."""
    run = new_run(replace(config, augment="ada"))
    assert run.augmentation is not None
    run.augmentation.p.fill_(0.5)
    return run


@pytest.mark.parametrize("config", [CONFIG, RECONSTRUCTING], ids=["plain", "reconstructing"])
def test_a_run_with_augmentation_goes_on_bit_for_bit_and_ends_elsewhere(config: PretrainConfig, tmp_path: Path) -> None:
    run = augmented_run(config)
    for step in run.steps():
        safetensors.write(tmp_path / str(step.done), run.pack(), {})
    whole = run.pack()
    resumed = new_run(replace(config, augment="ada"))
    resumed.unpack(safetensors.read(tmp_path / "4")[0])
    again = finished(resumed)
    assert [name for name in whole if not torch.equal(again[name], whole[name])] == []
    bare = finished(new_run(config))
    learned = [f"module.discriminator.{name}" for name, _ in run.discriminator.named_parameters()]
    assert [name for name in learned if torch.equal(bare[name], whole[name])] == []


@pytest.mark.parametrize(("sure", "rises"), [(1.0, True), (-1.0, False)])
def test_the_probability_of_augmentation_follows_how_sure_the_discriminator_has_been(sure: float, rises: bool) -> None:
    run = augmented_run(CONFIG)
    assert run.augmentation is not None
    run.augmentation.overfitting.fill_(sure)
    with torch.no_grad():
        run.discriminator.score.bias.fill_(100 * sure)  # it scores every image alike
    before = float(run.augmentation.p)
    next(iter(run.steps()))
    assert (float(run.augmentation.p) > before) == rises


def test_the_discriminators_learn_nothing_until_the_generator_has_learned_to_reconstruct() -> None:
    run = new_run(RECONSTRUCTING)
    ran = [set(step.losses) for step in run.steps()]
    first = RECONSTRUCTING.reconstruction_steps
    assert first == 3
    assert all({"g", "d", "heads"}.isdisjoint(names) and "reconstruction" in names for names in ran[:first])
    assert all({"g", "d", "heads"} <= names and "reconstruction" not in names for names in ran[first:])


def test_the_generator_learns_to_reconstruct_its_training_images_and_the_mapping_to_draw_their_codes() -> None:
    config = replace(CONFIG, kimg=0.402, reconstruction_kimg=0.4, mirror=False, mapping_updates=200)
    run = new_run(config)
    w = [run.generator.mapping(torch.randn(200, run.generator.config.w_dim)).detach()]
    steps = [{name: float(loss) for name, loss in step.losses.items()} for step in run.steps()]
    reconstruction = [losses["reconstruction"] for losses in steps if "reconstruction" in losses]
    assert sum(reconstruction[-10:]) < 0.9 * sum(reconstruction[:10])
    assert run.encoder is not None
    codes = run.encoder.all_w().detach()
    assert len(codes) == len(PICTURES)
    w += [part.mapping(torch.randn(200, codes.shape[1])).detach() for part in (run.generator, run.ema.module)]
    before, after, average = (float(torch.cdist(one, codes).amin(1).mean()) for one in w)
    assert max(after, average) < 0.5 * before


def test_the_mapping_stays_in_adversarial_training_after_a_reconstruction_and_learns_without_one() -> None:
    for config, stays in ((RECONSTRUCTING, True), (CONFIG, False)):
        run, mappings = new_run(config), list[dict[str, Tensor]]()
        for _ in run.steps():
            mappings.append({name: value.clone() for name, value in run.generator.mapping.state_dict().items()})
        assert all(torch.equal(mappings[-1][name], mappings[-2][name]) for name in mappings[0]) == stays


class _StopError(Exception):
    """What asks long work to end."""


def test_a_run_that_is_stopped_while_its_mapping_learns_begins_that_anew_and_ends_as_an_uninterrupted_one() -> None:
    whole = finished(new_run(RECONSTRUCTING))
    run, told = new_run(RECONSTRUCTING), list[str]()

    def stop(what: str, _done: int, _count: int) -> None:
        told.append(what)
        if "mapping learns" in what:
            raise _StopError

    run.meanwhile = stop
    with pytest.raises(_StopError):
        finished(run)
    assert run.done == RECONSTRUCTING.reconstruction_steps
    resumed = new_run(RECONSTRUCTING)
    resumed.unpack(run.pack())
    again = finished(resumed)
    assert [name for name in whole if not torch.equal(again[name], whole[name])] == []
    assert len(set(told)) == 3


def test_the_encoder_learns_until_adversarial_training_begins() -> None:
    run, states = new_run(RECONSTRUCTING), list[dict[str, Tensor]]()
    for _ in run.steps():
        states.append({name: tensor.clone() for name, tensor in run.modules["encoder"].named_parameters()})
    first = RECONSTRUCTING.reconstruction_steps
    assert [name for name in states[0] if torch.equal(states[0][name], states[first - 1][name])] == []
    assert [name for name in states[0] if not torch.equal(states[first - 1][name], states[-1][name])] == []


def test_an_image_and_its_mirror_image_have_codes_of_their_own() -> None:
    encoder = new_run(RECONSTRUCTING).encoder
    assert encoder is not None
    index = torch.tensor([0, 0])
    code, mirrored = encoder(index, torch.tensor([False, True]))
    assert not torch.allclose(code, mirrored, atol=1e-3)
    assert code.square().mean().item() == pytest.approx(1, abs=1e-3)


def test_a_reconstruction_as_long_as_the_whole_run_is_refused() -> None:
    with pytest.raises(TrainingConfigError, match=r"reconstruction_kimg is 5: expected less than kimg, 5"):
        PretrainConfig(kimg=5, reconstruction_kimg=5)
