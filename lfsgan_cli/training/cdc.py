"""CDC: images of the same latents stay as similar to each other as the base's (Ojha et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.recipe import Recipe, RecipeLoss
from lfsgan_cli.training.recipe_settings import ANCHOR_REGION

SAMPLES = 4  # that are compared with each other in a step
WEIGHT = 1000.0  # the paper's, of the mean over the samples; the paper sums over samples and layers


class CrossDomainCorrespondence(RecipeLoss):
    """KL(softmax_j≠i cos(f_i, f_j) ‖ softmax_j≠i cos(f⁰_i, f⁰_j)), with features f of the task and f⁰ of the base.

    f_i is what one convolution, chosen at random for each sample in each step, makes of latent i.
    """

    def generator_loss(self, step: int) -> Tensor:  # noqa: ARG002 - the contract's signature
        """The mean over four samples of random latents."""
        networks = self.networks
        z, noise = networks.latents(SAMPLES), networks.noise(SAMPLES)
        with torch.no_grad():
            _, source = networks.generate(networks.base, z, noise)
        _, target = networks.generate(networks.generator, z, noise)
        layers = torch.randint(len(target), (SAMPLES,), generator=networks.choices).tolist()
        return correspondence(target, source, layers)


def correspondence(target: Sequence[Tensor], source: Sequence[Tensor], layers: Sequence[int]) -> Tensor:
    """The mean divergence over N samples, a scalar; sample i is compared by the features of layer `layers[i]`.

    target, source: for each layer, features [N, …] of the same latents from the adapted generator and from the base.
    """
    terms = []
    for sample, layer in enumerate(layers):
        mine, theirs = (_similarities(features[layer], sample) for features in (target, source))
        terms.append(F.kl_div(theirs.log_softmax(0), mine.log_softmax(0), reduction="sum", log_target=True))
    return torch.stack(terms).mean()


def _similarities(features: Tensor, sample: int) -> Tensor:
    """Cosines of one sample's features to those of the N - 1 others, [N - 1]."""
    rows = features.flatten(1).to(torch.promote_types(features.dtype, torch.float32))
    others = torch.cat([rows[:sample], rows[sample + 1 :]])
    return F.cosine_similarity(rows[sample : sample + 1], others)


CDC = Recipe(
    training={**ANCHOR_REGION, "loss_weight": WEIGHT},
    about="Fine-tuning that keeps the similarities between samples; patches are scored outside of an anchor region.",
    formula="λ E_i KL(softmax_j cos(f_i, f_j) ‖ softmax_j cos(f⁰_i, f⁰_j))",
    paper="CDC, Ojha et al., 2021",
    loss=CrossDomainCorrespondence,
)
