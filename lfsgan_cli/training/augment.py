"""What the discriminator sees is shifted a little, real and drawn alike, so that ten pictures are not learned by heart.

Translation as in Zhao et al., 2020 (differentiable augmentation), with the border repeated instead of black.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shifted(images: Tensor, share: float, choices: torch.Generator) -> Tensor:
    """Every picture [N, 3, H, W] moved by up to `share` of its side in both directions; gradients pass.

    choices: a generator on the CPU, which alone is asked.
    """
    most = int(share * images.shape[-1])
    if not most:
        return images
    height, width = images.shape[-2:]
    offsets = torch.randint(2 * most + 1, (len(images), 2), generator=choices).tolist()
    grown = F.pad(images, (most, most, most, most), mode="replicate")
    moved = [one[:, top : top + height, left : left + width] for one, (top, left) in zip(grown, offsets, strict=True)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)
