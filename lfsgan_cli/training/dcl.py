"""DCL: dual contrastive learning between the base's and the task's images (Zhao et al., CVPR 2022)."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.networks.discriminator import ResBlock
from lfsgan_cli.recipe import Recipe, RecipeLoss
from lfsgan_cli.training.recipe_settings import ANCHOR_REGION

TEMPERATURE = 0.07  # τ
WEIGHT = 2.0  # λ₁, of the generator's loss
DISCRIMINATOR_SHARE = 0.25  # λ₂ / λ₁: the discriminator's loss has the weight 0.5


class DualContrast(RecipeLoss):
    """In G: -log softmax_j (cos(f_i, f⁰_j) / τ) at j = i. In D: the same latent's two images, against training images.

    f and f⁰ are features of the same latents from the task's generator and from the base, at one layer that is chosen
    at random in each step. In D, the positive pair is D(G(z_i)), D(G⁰(z_i)), and the negatives of D(G(z_i)) are D(x_j)
    of the step's training images, at the output of one block that learns, chosen likewise.

    Written from the paper's equations: its authors published no training code. Batches are the step's.
    """

    def generator_loss(self, step: int) -> Tensor:  # noqa: ARG002 - the contract's signature
        """Over a batch of random latents."""
        networks = self.networks
        z, noise = networks.latents(networks.batch), networks.noise(networks.batch)
        with torch.no_grad():
            _, source = networks.generate(networks.base, z, noise)
        _, target = networks.generate(networks.generator, z, noise)
        layer = int(torch.randint(len(target), (), generator=networks.choices))
        return generator_contrast(target[layer], source[layer])

    def discriminator_loss(self, step: int, reals: Tensor) -> Tensor | None:  # noqa: ARG002 - as above
        """Over as many random latents as there are training images; None where every block is frozen."""
        networks = self.networks
        blocks = cast("list[ResBlock]", list(networks.discriminator.blocks))
        learning = [index for index, block in enumerate(blocks) if any(p.requires_grad for p in block.parameters())]
        if not learning:
            return None
        z, noise = networks.latents(len(reals)), networks.noise(len(reals))
        with torch.no_grad():
            source, target = (
                networks.generate(generator, z, noise)[0] for generator in (networks.base, networks.generator)
            )
        last = learning[int(torch.randint(len(learning), (), generator=networks.choices))]
        x = networks.discriminator.from_rgb(torch.cat([target, source, reals]).to(networks.dtype))
        for block in blocks[: last + 1]:
            x = block(x)
        return DISCRIMINATOR_SHARE * discriminator_contrast(*x.chunk(3))


def generator_contrast(target: Tensor, source: Tensor) -> Tensor:
    """Cross-entropy of each sample with its own latent among all, a scalar. target, source: features [N, …]."""
    logits = _cosines(target, source) / TEMPERATURE
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def discriminator_contrast(target: Tensor, source: Tensor, reals: Tensor) -> Tensor:
    """Cross-entropy of each generated image with the base's of its latent, among training images; features [N, …]."""
    positive = _cosines(target, source).diagonal()[:, None]
    logits = torch.cat([positive, _cosines(target, reals)], 1) / TEMPERATURE
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Of N features with M others, [N, M]."""
    wide = torch.promote_types(a.dtype, torch.float32)
    return F.normalize(a.flatten(1).to(wide), dim=1) @ F.normalize(b.flatten(1).to(wide), dim=1).T


DCL = Recipe(
    training={**ANCHOR_REGION, "loss_weight": WEIGHT},
    about="Fine-tuning with contrastive losses between images of the same latents, in both networks.",
    formula="-λ log softmax_j(cos(f_i, f⁰_j) / τ) at j = i, in G and in D",
    paper="DCL, Zhao et al., 2022",
    loss=DualContrast,
)
