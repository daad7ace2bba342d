"""Anchors from inverting the shots: latents moved until their pictures in the base come nearer to a shot."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lfsgan_cli.networks.generator import Generator

AT_ONCE = 4  # latents whose graph is held together
RATE = 0.05  # of Adam, for entries of deviation one


def inverted(
    generator: Generator,
    points: Tensor,
    shots: Tensor,
    distances: Callable[[Tensor], Tensor],
    *,
    steps: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The points [A, D] after `steps` of descent, each as long as before, so that it stays as likely a latent.

    shots: the index of each one's shot, [A]. distances: as for `anchoring.most_alike`; gradients must pass.
    """
    parts = zip(torch.split(points, AT_ONCE), torch.split(shots, AT_ONCE), strict=True)
    return torch.cat([_descended(generator, z, owners, distances, steps, dtype) for z, owners in parts])


def _descended(
    generator: Generator,
    start: Tensor,
    shots: Tensor,
    distances: Callable[[Tensor], Tensor],
    steps: int,
    dtype: torch.dtype | None,
) -> Tensor:
    length = start.norm(dim=1, keepdim=True)
    z = start.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=RATE)
    for _ in range(steps):
        table = distances(generator(z, dtype=dtype))
        z.grad = torch.autograd.grad(table.gather(1, shots[:, None]).sum(), z)[0]
        adam.step()
        with torch.no_grad():
            z.copy_(length * normalize(z, dim=1))
    return z.detach()
