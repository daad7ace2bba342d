"""Inversion: latents moved by gradient descent until their generated images come nearer to given images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lfsgan_cli.networks.generator import Generator

BATCH = 4  # latents that share a graph
RATE = 0.05  # of Adam, for entries of standard deviation one


def inverted(
    generator: Generator,
    points: Tensor,
    images: Tensor,
    distances: Callable[[Tensor], Tensor],
    *,
    steps: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The points [A, D] after `steps` of Adam, each with its norm unchanged, so that it stays as likely a latent.

    images: the index of each one's image, [A]. distances: as for `anchors.most_similar`; gradients must pass.
    """
    moved = []
    for start, targets in zip(torch.split(points, BATCH), torch.split(images, BATCH), strict=True):
        norm = start.norm(dim=1, keepdim=True)
        z = start.clone().requires_grad_()
        adam = torch.optim.Adam([z], lr=RATE)
        for _ in range(steps):
            table = distances(generator(z, dtype=dtype))
            z.grad = torch.autograd.grad(table.gather(1, targets[:, None]).sum(), z)[0]
            adam.step()
            with torch.no_grad():
                z.copy_(norm * normalize(z, dim=1))
        moved.append(z.detach())
    return torch.cat(moved)
