"""EWC: weights that matter for the generator as it was stay near their values (Li et al., NeurIPS 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from lfsgan_cli.recipe import Recipe, RecipeLoss, TrainedNetworks
from lfsgan_cli.training.recipe_settings import FINE_TUNING

SAMPLES = 64  # images over which the Fisher information is estimated, each scored by itself
# λ. Without it, the penalty is 0.15 after 40 steps of `full` on the embedded base: at 50 it is as large as the
# adversarial loss. The paper's 5e8 belongs to another scale of F, and here the task would not move.
WEIGHT = 50.0


class ElasticWeights(RecipeLoss):
    """Σ_i F_i (θ_i - θ⁰_i)², F_i = E_z [(∂ log σ(D(G(z))) / ∂θ_i)²]: the Fisher information of weight i.

    θ are the weights that the adapter changes, as the task has them; θ⁰ are their values when the run begins: the
    base's, or those of the task that it starts from (`--init-from`, `sequential` in a suite), so that one network that
    learns task after task is held near the task before. F is estimated then, with the base's discriminator, and no
    information on still earlier tasks is added to it.
    """

    needs_weights = True

    def __init__(self, networks: TrainedNetworks) -> None:
        super().__init__(networks)
        for name in dict(networks.adapter.weights.items()):
            frozen = networks.base.get_parameter(name)
            for kind in ("fisher", "before"):
                self.register_buffer(_key(kind, name), torch.zeros_like(frozen, requires_grad=False))

    def start(self) -> None:
        """Take the weights as they are now, and estimate their Fisher information."""
        with torch.no_grad():
            before = self._weights()
        fisher = fisher_information(self.networks, before)
        for name, weight in before.items():
            self.get_buffer(_key("before", name)).copy_(weight)
            self.get_buffer(_key("fisher", name)).copy_(fisher[name])

    def generator_loss(self, step: int) -> Tensor:  # noqa: ARG002 - the contract's signature
        """The weighted squares of all changes since the run began."""
        terms = []
        for name, weight in self._weights().items():
            change = weight - self.get_buffer(_key("before", name))
            terms.append((self.get_buffer(_key("fisher", name)) * change.square()).sum())
        return torch.stack(terms).sum()

    def _weights(self) -> dict[str, Tensor]:
        """The task's weights by name."""
        base = self.networks.base
        return {name: task(base.get_parameter(name)) for name, task in self.networks.adapter.weights.items()}


def fisher_information(networks: TrainedNetworks, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean over random latents of the squared gradients of log σ(D(G(z))), by the name of each weight."""
    learned = {name: weight.detach().clone().requires_grad_() for name, weight in weights.items()}
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for _ in range(SAMPLES):
        image = functional_call(
            networks.base, learned, (networks.latents(1),), {"noise": networks.noise(1), "dtype": networks.dtype}
        )
        likelihood = F.logsigmoid(networks.discriminator(image.to(networks.dtype))).sum()
        gradients = torch.autograd.grad(likelihood, list(learned.values()), allow_unused=True)
        for name, gradient in zip(learned, gradients, strict=True):
            if gradient is not None:
                total[name] += gradient.square() / SAMPLES
    return total


def _key(kind: str, name: str) -> str:
    return f"{kind}/{name.replace('.', '/')}"


EWC = Recipe(
    training={**FINE_TUNING, "loss_weight": WEIGHT},
    about="Fine-tuning that holds the weights that matter for the base.",
    formula="λ Σ_i F_i (θ_i - θ⁰_i)², F_i = E[(∂ log σ(D(G(z))) / ∂θ_i)²]",
    paper="EWC, Li et al., 2020",
    loss=ElasticWeights,
)
