"""The discriminator on frozen features: who gets gradients, what is calibrated, and what its state holds."""

import torch
from torch import Tensor

from lfsgan_cli.training.discriminator import CHANNELS, SURE, FeatureDiscriminator


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def discriminator() -> FeatureDiscriminator:
    return FeatureDiscriminator(0, torch.Generator().manual_seed(1), torch.device("cpu"), width=8)


def test_calibrated_levels_of_real_images_have_zero_mean_and_unit_variance() -> None:
    heads = discriminator()
    heads.calibrate(images(40))
    for level in heads._mixed(images(40)):
        assert level.shape[0] == 40
    scaled = [
        (level - heads.get_buffer(f"mean{stage}")) / heads.get_buffer(f"scale{stage}")
        for stage, level in zip(CHANNELS, heads._mixed(images(40)), strict=True)
    ]
    for level in scaled:
        torch.testing.assert_close(level.mean((0, 2, 3)), torch.zeros(64), atol=1e-4, rtol=0)
        torch.testing.assert_close(level.std((0, 2, 3)), torch.ones(64), atol=1e-2, rtol=0)


def test_the_generators_loss_reaches_the_images_and_no_frozen_weight() -> None:
    heads = discriminator()
    drawn = images(2).requires_grad_()
    heads.g_loss(heads.features(drawn)).backward()  # type: ignore[no-untyped-call]
    assert drawn.grad is not None
    assert float(drawn.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in heads._frozen[0].parameters())


def test_plain_white_has_a_gradient_too() -> None:
    white = torch.ones(1, 3, 32, 32, requires_grad=True)
    heads = discriminator()
    heads.g_loss(heads.features(white)).backward()  # type: ignore[no-untyped-call]
    assert white.grad is not None
    assert float(white.grad.abs().sum()) > 0


def test_heads_learn_to_tell_dark_images_from_light_ones() -> None:
    heads = discriminator()
    light, dark = images(16) * 0.2 + 0.5, images(16, 1) * 0.2 - 0.5
    heads.calibrate(light)
    adam = torch.optim.Adam(heads.parameters(), 0.01, betas=(0.0, 0.99))
    losses = []
    for _ in range(30):
        loss = heads.d_loss(heads.features(light), heads.features(dark))
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        adam.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert float(heads.confidence) > 0.5


def test_the_generator_listens_half_as_much_to_heads_that_are_too_sure() -> None:
    heads = discriminator().eval()  # or spectral norm's power iteration goes on in between
    level = [torch.randn(2, 64, 12, 12), torch.randn(2, 64, 6, 6), torch.randn(2, 64, 3, 3)]
    usual = heads.g_loss(level)
    heads.confidence.fill_(SURE + 0.01)
    torch.testing.assert_close(heads.g_loss(level), usual / 2)


def test_its_state_holds_no_frozen_network() -> None:
    names = discriminator().state_dict().keys()
    assert all(name.startswith(("heads.", "mixing", "mean", "scale", "confidence")) for name in names)


def test_building_one_leaves_torchs_own_generator_alone() -> None:
    before = torch.get_rng_state()
    discriminator()
    assert torch.equal(before, torch.get_rng_state())
