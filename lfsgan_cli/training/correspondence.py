"""Cross-domain correspondence: pictures of a task keep the likenesses that the same latents have in the base.

After Ojha et al., 2021 (few-shot image generation via cross-domain correspondence, Eq. 2 and 3), on several layers at
once. The base is the same network without the adapter, so it costs one more pass and no second generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.memory import with_features


class Correspondence:
    """Draws `batch` pictures, three at least, of the task and of the base, and compares who is like whom."""

    def __init__(
        self, base: Generator, task: Generator, config: LearnConfig, draws: RandomSource, dtype: torch.dtype
    ) -> None:
        self.base, self.task, self.draws, self.dtype = base, task, draws, dtype
        self.count = max(3, config.batch)  # of two, each has one other alone, and always at a share of one

    def loss(self) -> Tensor:
        """A scalar, 0 where the task has the base's likenesses."""
        z = self.draws.normal(self.count, self.task.config.w_dim)
        with torch.no_grad():
            theirs = self._features(self.base, z)
        return kept_likenesses(self._features(self.task, z), theirs)

    def _features(self, generator: Generator, z: Tensor) -> Sequence[Tensor]:
        _image, *features = with_features(generator, generator.mapping(z), None, self.dtype, len(z))
        return features


def kept_likenesses(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """The mean over layers of KL(theirs ‖ ours), of each sample's shares of likeness to all others.

    ours, theirs: feature maps of N samples, [N, …] for each layer. Shares are the softmax of cosines (Eq. 2).
    """
    layers = [(_shares(a), _shares(b)) for a, b in zip(ours, theirs, strict=True)]
    return torch.stack([F.kl_div(a, b, log_target=True, reduction="batchmean") for a, b in layers]).mean()


def _shares(features: Tensor) -> Tensor:
    """Logarithms of the shares, [N, N - 1]."""
    wide = torch.promote_types(features.dtype, torch.float32)
    unit = F.normalize(features.flatten(1).to(wide), dim=1)
    count = len(unit)
    others = ~torch.eye(count, dtype=torch.bool, device=unit.device)
    return (unit @ unit.T)[others].view(count, count - 1).log_softmax(1)
