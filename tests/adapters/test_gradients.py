"""Each number of an adapter learns: not only one of each tensor, and no tensor is excused."""

from typing import Any

import pytest
import torch
from lfsgan_adapters.adafm import AdaFM
from lfsgan_adapters.delta_w import DeltaW
from lfsgan_adapters.kml import KML
from lfsgan_adapters.stylespace import StyleSpace
from lfsgan_adapters.svd import SVD

from lfsgan_cli.apply import adapt
from lfsgan_cli.testing import tiny_generator


@pytest.mark.parametrize("cls", [AdaFM, SVD, KML, StyleSpace, DeltaW])
def test_every_single_number_has_a_gradient_within_two_steps(cls: Any) -> None:
    base = tiny_generator().double()
    torch.manual_seed(1)
    adapter = cls(base, cls.Config()).double()
    optimizer = torch.optim.Adam(adapter.parameters(), lr=0.01)
    reached = {name: torch.zeros_like(parameter, dtype=torch.bool) for name, parameter in adapter.named_parameters()}
    z = torch.randn(4, base.config.w_dim, dtype=torch.float64)
    for _ in range(2):
        optimizer.zero_grad()
        adapt(base, adapter)(z).square().mean().backward()
        for name, parameter in adapter.named_parameters():
            assert parameter.grad is not None
            reached[name] |= parameter.grad.abs() > 1e-12
        optimizer.step()
    assert not adapter.nulls
    assert [name for name, those in reached.items() if not those.all()] == []


@pytest.mark.parametrize("cls", [AdaFM, SVD, KML, StyleSpace, DeltaW])
def test_a_task_of_the_same_kind_can_be_learned_from_its_images(cls: Any) -> None:
    base, rng = tiny_generator(), torch.Generator().manual_seed(0)
    torch.manual_seed(1)
    target, adapter = (cls(base, cls.Config()) for _ in range(2))
    for parameter in target.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=rng)
    z = torch.randn(16, base.config.w_dim, generator=rng)
    with torch.no_grad():
        wanted = adapt(base, target)(z)
    optimizer = torch.optim.Adam(adapter.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (adapt(base, adapter)(z) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
