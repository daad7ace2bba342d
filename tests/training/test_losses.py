"""Losses, penalties and their gradients are those of the public LFS-GAN code, in float64."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from lfsgan_cli.apply import adapt
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.layers import Conv2d
from lfsgan_cli.training import losses

if TYPE_CHECKING:
    from tests.training.conftest import Reference

Close = Callable[[Tensor, Tensor], None]
HEADS = ["image", "patch", "patch32"]


class Judge:
    """The reference's three ways to look at an image. head: None for whole images."""

    def __init__(self, reference: "Reference", name: str) -> None:
        self.discriminator, self.name = reference.discriminator, name
        self.head: Conv2d | None = None
        if name != "image":
            self.head = reference.patch_head({"patch": "extra", "patch32": "extra32"}[name])

    def __call__(self, images: Tensor) -> Tensor:
        if self.head is None:
            logits: Tensor = self.discriminator(images)
            return logits
        patches: Tensor = self.head(self.features(images))
        return patches

    def features(self, images: Tensor) -> Tensor:
        if self.name == "patch":
            return self.discriminator.patch_features(images)
        # Side 32 whatever the images': at 64 pixels that is the first block, which no recipe here reads.
        x = self.discriminator.from_rgb(images)
        for block in self.discriminator.blocks:
            if x.shape[2] == 2 * 32:
                side_32: Tensor = block.residual(x)  # type: ignore[operator]
                return side_32
            x = block(x)
        raise AssertionError("no features of side 32")


@pytest.mark.parametrize("name", HEADS)
def test_logits(reference: "Reference", name: str, close: Close) -> None:
    numbers, judge = reference.numbers, Judge(reference, name)
    close(reference.draw(numbers["in.z"]), numbers["out.fake"])
    close(judge(numbers["in.real"]), numbers[f"out.logits.{name}.real"])
    close(judge(numbers["out.fake"]), numbers[f"out.logits.{name}.fake"])


@pytest.mark.parametrize("name", HEADS)
def test_the_discriminators_loss_and_gradients(reference: "Reference", name: str, close: Close) -> None:
    numbers, judge = reference.numbers, Judge(reference, name)
    loss = losses.logistic_d(judge(numbers["in.real"]), judge(reference.draw(numbers["in.z"]).detach()))
    close(loss, numbers[f"out.d_loss.{name}"])
    loss.backward()  # type: ignore[no-untyped-call]
    result = f"out.d_loss.{name}.grad"
    close(reference.discriminator_norms(), numbers[f"{result}_d_norms"])
    for tensor, gradient in reference.part(f"{result}_d.").items():
        close(reference.discriminator_gradient(tensor), gradient)
    if judge.head is not None:
        assert judge.head.weight.grad is not None
        assert judge.head.bias.grad is not None
        close(judge.head.weight.grad, numbers[f"{result}_extra.new_conv.0.0.weight"])
        norms = torch.stack([judge.head.weight.grad.norm(), judge.head.bias.grad.norm()])
        close(norms, numbers[f"{result}_extra_norms"][:2])  # the other three heads are not in use


@pytest.mark.parametrize("name", HEADS)
def test_the_generators_loss_and_gradients(reference: "Reference", name: str, close: Close) -> None:
    numbers = reference.numbers
    loss = losses.nonsaturating_g(Judge(reference, name)(reference.draw(numbers["in.z"])))
    close(loss, numbers[f"out.g_loss.{name}"])
    loss.backward()  # type: ignore[no-untyped-call]
    close(reference.left_gradient(), numbers[f"out.g_loss.{name}.grad_left"])


@pytest.mark.parametrize("name", HEADS)
def test_r1_and_its_gradients(reference: "Reference", name: str, close: Close) -> None:
    numbers = reference.numbers
    penalty = losses.r1(Judge(reference, name), numbers["in.real"])
    close(penalty, numbers[f"out.r1.{name}"])
    penalty.backward()  # type: ignore[no-untyped-call]
    close(reference.discriminator_norms(), numbers[f"out.r1.{name}.grad_d_norms"])
    close(reference.discriminator_gradient("convs.0.0.weight"), numbers[f"out.r1.{name}.grad_d.convs.0.0.weight"])


@pytest.mark.parametrize(("kind", "first_layers"), [("plain", 10**6), ("mixed", 4)])
def test_path_length_and_its_gradients(reference: "Reference", kind: str, first_layers: int, close: Close) -> None:
    numbers, generator = reference.numbers, reference.generator
    first, second = (generator.spread(generator.mapping(numbers[f"path.{name}"])) for name in ("z", "z2"))
    ws = torch.cat([first[:, :first_layers], second[:, first_layers:]], 1)
    path = losses.path_length(generator.synthesis(ws), ws, numbers["path.mean_path_length"], numbers["path.noise"])
    close(ws, numbers[f"out.path.{kind}.latents"])
    close(path.lengths, numbers[f"out.path.{kind}.lengths"])
    close(path.mean, numbers[f"out.path.{kind}.mean"])
    close(path.penalty, numbers[f"out.path.{kind}.penalty"])
    path.penalty.backward()  # type: ignore[no-untyped-call]
    close(reference.left_gradient(), numbers[f"out.path.{kind}.grad_left"])


def test_the_carried_mean_holds_no_graph(reference: "Reference") -> None:
    numbers, generator = reference.numbers, reference.generator
    ws = generator.spread(generator.mapping(numbers["path.z"]))
    path = losses.path_length(generator.synthesis(ws), ws, numbers["path.mean_path_length"], numbers["path.noise"])
    assert not path.mean.requires_grad
    assert not path.lengths.requires_grad


def slope(loss: Callable[[], Tensor], parameters: list[Tensor]) -> tuple[float, float]:
    """The derivative along a random direction: by autograd, and by a central difference."""
    rng, step = torch.Generator().manual_seed(0), 1e-6
    direction = [torch.randn(p.shape, generator=rng, dtype=p.dtype) for p in parameters]
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True, materialize_grads=True)
    exact = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
    ends = []
    for sign in (1, -1):
        move(parameters, direction, sign * step)
        ends.append(float(loss().detach()))
        move(parameters, direction, -sign * step)
    return exact, (ends[0] - ends[1]) / (2 * step)


def move(parameters: list[Tensor], direction: list[Tensor], step: float) -> None:
    with torch.no_grad():
        for parameter, way in zip(parameters, direction, strict=True):
            parameter.add_(step * way)


def tiny_networks() -> tuple["torch.nn.Module", Discriminator, torch.nn.Module]:
    from lfsgan_adapters.left import LeFT

    from lfsgan_cli.testing import tiny_generator

    base = tiny_generator().double()
    torch.manual_seed(0)
    adapter = LeFT(base, LeFT.Config(rank=2)).double()
    config: NetworkConfig = base.config
    return adapt(base, adapter), Discriminator(config).double(), adapter


def test_the_gradient_of_r1_is_its_slope() -> None:
    generator, discriminator, _ = tiny_networks()
    z = torch.randn(4, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    images = generator(z).detach()
    exact, measured = slope(lambda: losses.r1(discriminator, images), list(discriminator.parameters()))
    assert exact == pytest.approx(measured, rel=1e-4)


def test_the_gradient_of_the_path_penalty_is_its_slope() -> None:
    generator, _, adapter = tiny_networks()
    rng = torch.Generator().manual_seed(0)
    z, noise = (torch.randn(shape, dtype=torch.float64, generator=rng) for shape in ((2, 16), (2, 3, 16, 16)))

    def penalty() -> Tensor:
        ws = generator.spread(generator.mapping(z))  # type: ignore[operator]
        image = generator.synthesis(ws)  # type: ignore[operator]
        return losses.path_length(image, ws, torch.zeros((), dtype=torch.float64), noise).penalty

    exact, measured = slope(penalty, list(adapter.parameters()))
    assert exact == pytest.approx(measured, rel=1e-4)
