"""The generator: a mapping from z to w and a synthesis from w to an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.layers import (
    ActivatedLinear,
    DemodulatedConv2d,
    StyledConv,
    ToRGB,
    UpConv2d,
    normalize_latent,
    upsample,
)

MAPPING_MULTIPLIER = 0.01  # learning rate of the mapping against the synthesis


class Mapping(nn.Module):
    """z to w: fully connected layers on the normalised z."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.w_dim
        layers = [ActivatedLinear(width, width, multiplier=MAPPING_MULTIPLIER) for _ in range(config.mapping_layers)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """[N, w_dim] → [N, w_dim]."""
        w: Tensor = self.layers(normalize_latent(z))
        return w


class Synthesis(nn.Module):
    """w to an image, from a learned 4×4 start; every resolution adds its RGB (skip architecture).

    convs: one at 4×4, then two for each larger side; to_rgbs: one for each side.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.start = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        self.convs = nn.ModuleList([StyledConv(DemodulatedConv2d(widths[4], widths[4], 3, config.w_dim), 4)])
        self.to_rgbs = nn.ModuleList([ToRGB(widths[4], config.w_dim)])
        for side in config.sides[1:]:
            c_in, c_out = widths[side // 2], widths[side]
            self.convs.append(StyledConv(UpConv2d(c_in, c_out, 3, config.w_dim), side))
            self.convs.append(StyledConv(DemodulatedConv2d(c_out, c_out, 3, config.w_dim), side))
            self.to_rgbs.append(ToRGB(c_out, config.w_dim))

    def forward(
        self,
        ws: Tensor,
        noise: Sequence[Tensor] | None = None,
        features: list[Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Synthesize images.

        ws: [N, L, w_dim], one w for each of the `config.latents` inputs.
        noise: for each convolution [N, 1, side, side]; the network's constant noise when None.
        features: a list that receives the output of every convolution.
        dtype: of the feature maps; that of the weights when None. RGB is always summed in that of the weights.
        Returns [N, 3, resolution, resolution], roughly -1 to 1.
        """
        grain: Sequence[Tensor | None] = [None] * len(self.convs) if noise is None else noise
        seen: list[Tensor] = [] if features is None else features
        start = self.start.to(dtype or self.start.dtype).expand(ws.shape[0], -1, -1, -1)
        start = start.contiguous(memory_format=torch.channels_last)
        x = self.convs[0](start, ws[:, 0], grain[0])
        seen.append(x)
        image: Tensor = self.to_rgbs[0](x, ws[:, 1])
        for block, to_rgb in enumerate(list(self.to_rgbs)[1:], start=1):
            for layer in (2 * block - 1, 2 * block):
                x = self.convs[layer](x, ws[:, layer], grain[layer])
                seen.append(x)
            image = upsample(image) + to_rgb(x, ws[:, 2 * block + 1])
        return image


class Generator(nn.Module):
    """A mapping, a synthesis, and the average w that truncation interpolates towards.

    w_mean: [w_dim], `w_avg` elsewhere.
    """

    w_mean: Tensor

    def __init__(self, mapping: nn.Module, synthesis: nn.Module, config: NetworkConfig) -> None:
        super().__init__()
        self.mapping = mapping
        self.synthesis = synthesis
        self.config = config
        self.register_buffer("w_mean", torch.zeros(config.w_dim))

    def spread(self, w: Tensor) -> Tensor:
        """The same w for every input of the synthesis: [N, w_dim] → [N, L, w_dim]."""
        return w[:, None].expand(-1, self.config.latents, -1)

    def forward(
        self,
        z: Tensor,
        *,
        truncation: float = 1.0,
        noise: Sequence[Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """[N, w_dim] → [N, 3, resolution, resolution].

        truncation: 1 leaves w as it is, 0 is the image of the average w. noise and dtype: as for `Synthesis`.
        """
        w = self.w_mean.lerp(self.mapping(z), truncation)
        image: Tensor = self.synthesis(self.spread(w), noise, dtype=dtype)
        return image


def build_generator(config: NetworkConfig) -> Generator:
    """A generator with fresh weights from torch's current random state."""
    return Generator(Mapping(config), Synthesis(config), config)
