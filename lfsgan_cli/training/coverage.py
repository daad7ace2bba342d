"""Coverage: pictures of random latents should take after all shots alike, not after a favoured few.

The information that a set's shares lack: 0 where every shot has as many pictures near it, log K where one has them all.
Our own; it is the entropy that B-LPIPS (Seo et al., ICCV 2023) weighs clusters with, made differentiable.
"""

from __future__ import annotations

import math

from torch import Tensor


def missing_entropy(distances: Tensor, temperature: float) -> Tensor:
    """log K less the entropy of the mean shares of K shots, a scalar from 0 to log K.

    distances: of N pictures from every shot, [N, K]. A picture's shares are the softmax of its likenesses.
    """
    shares = (-distances / temperature).softmax(1).mean(0)
    return math.log(len(shares)) + (shares * shares.clamp(min=1e-12).log()).sum()
