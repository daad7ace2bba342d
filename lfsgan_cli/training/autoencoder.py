"""Reconstruction in pretraining: codes of the training images in w, which the generator decodes and the mapping draws.

A GAN alone drops what is rare: hats, beards, glasses. Here the synthesis first learns as the decoder of an autoencoder,
so that every training image has a w (Ham et al., 2020, start a GAN from such a decoder). The mapping learns to draw w
that are spread as those codes are, see `latent_flow`. Adversarial training then sharpens the synthesis. The encoder is
discarded in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.layers import resized
from lfsgan_cli.training.batches import Advance, Images, RandomSource, batch_of, shuffled
from lfsgan_cli.training.config import PretrainConfig

SIZE = 96  # side at which the frozen network sees an image
# Numbers that remain of each of its stages at strides 8, 16 and 32, and of the pixels.
STAGES, PIXELS = {1: 384, 2: 384, 3: 256}, 384
EMBEDDED = sum(STAGES.values()) + PIXELS
SIDE = 32  # of the pixels that an embedding sees
CALIBRATED = 4096  # images from which covariances are computed, at most
FLOOR = 1e-3  # of the largest variance: below, a direction is noise and is not scaled up
HIDDEN = 512
NOISE = 0.3  # standard deviation that is added to a code at most, as a share of its own: neighbours decode alike


class ImageEmbeddings:
    """What a frozen EfficientNet-Lite0 and the pixels say of every training image: computed once, then looked up.

    Features and 32×32 pixels pass through a fixed random projection and are whitened. seed: of the projection.
    mirror: mirror images have embeddings of their own. advance: told of each image's, `embedding_work` in all.
    """

    def __init__(
        self,
        images: Images,
        *,
        mirror: bool,
        seed: int,
        device: torch.device,
        advance: Advance = lambda _images: None,
    ) -> None:
        self.device, self.mirror = device, mirror
        self._frozen = EfficientNetLite0(SIZE).to(device)
        self._seed, self._projections = seed, list[Tensor]()
        first = [index for index, _ in zip(shuffled(len(images), seed, 0), range(CALIBRATED), strict=False)]
        self._whitenings = list(self._calibrated(images, first[: len(images)]))
        rows = []
        for flipped in (False, True) if mirror else (False,):
            for part in _parts(images, range(len(images)), device, flipped=flipped):
                rows.append(self._whitened(self._projected(part)).half())
                advance(len(part))
        self.count, self._rows = len(images), torch.cat(rows)

    def __call__(self, indices: Tensor, flips: Tensor) -> Tensor:
        """The embeddings of images [N] or, where `flips` [N] is true, of their mirror images: floats [N, 1408]."""
        return self._rows[indices + self.count * flips.long()].to(torch.get_default_dtype())

    def _calibrated(self, images: Images, chosen: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """For each block of an embedding its mean and its whitening."""
        projected = [self._projected(part) for part in _parts(images, chosen, self.device, flipped=False)]
        for block in map(torch.cat, zip(*projected, strict=True)):
            yield block.mean(0), whitening(block)

    @torch.no_grad()
    def _projected(self, images: Tensor) -> list[Tensor]:
        stages = self._frozen.stages_at_size(resized(images, SIZE, "bilinear", antialias=False))
        pixels = F.adaptive_avg_pool2d(images, min(SIDE, images.shape[-1]))
        blocks = [each.flatten(1) for each in (*(stages[stage] for stage in STAGES), pixels)]
        if not self._projections:
            random = torch.Generator().manual_seed(self._seed)
            for block, width in zip(blocks, (*STAGES.values(), PIXELS), strict=True):
                matrix = torch.randn(block.shape[1], width, generator=random) / block.shape[1] ** 0.5
                self._projections.append(matrix.to(self.device))
        return [block @ projection for block, projection in zip(blocks, self._projections, strict=True)]

    def _whitened(self, blocks: list[Tensor]) -> Tensor:
        known = zip(blocks, self._whitenings, strict=True)
        return torch.cat([(block - mean) @ matrix for block, (mean, matrix) in known], 1)


def _parts(images: Images, chosen: Sequence[int], device: torch.device, *, flipped: bool) -> Iterator[Tensor]:
    for start in range(0, len(chosen), 50):
        part = batch_of(images, chosen[start : start + 50], device)
        yield part.flip(3) if flipped else part


def whitening(rows: Tensor) -> Tensor:
    """The matrix [D, D] that gives rows [N, D], less their mean, unit variance; what hardly varies stays small."""
    centered = rows.double() - rows.double().mean(0)
    variances, directions = torch.linalg.eigh(centered.T @ centered / max(1, len(rows) - 1))
    matrix: Tensor = directions * variances.clamp(min=FLOOR * variances[-1] + 1e-12).rsqrt()
    return matrix.to(rows.dtype)


def embedding_work(config: PretrainConfig, images: int) -> int:
    """How many embeddings are computed before the first step."""
    return images * (1 + config.mirror) if config.reconstruction_kimg else 0


class ImageEncoder(nn.Module):
    """Images by their index to codes: w, less the generator's w_avg, in units of its standard deviation.

    Codes have a root mean square of 1. A small multilayer perceptron makes them from `ImageEmbeddings`.
    generator: whose w they are to be; its mapping tells where its w lie.

    Its state (layers, center, scale, drawn) makes a resumed run exact; embeddings are not part of it.
    """

    center: Tensor  # [w_dim]
    scale: Tensor  # scalar
    drawn: Tensor  # whether the mapping has learned to draw codes, bool

    def __init__(self, embeddings: ImageEmbeddings, generator: Generator, seed: int) -> None:
        super().__init__()
        self.embeddings, width = embeddings, generator.config.w_dim
        device = embeddings.device
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            self.first, self.second = nn.Linear(EMBEDDED, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
            self.norms = nn.ModuleList([nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)])
            self.last = nn.Linear(HIDDEN, width)
            w = generator.mapping(torch.randn(CALIBRATED, width).to(device))
        self.register_buffer("center", w.mean(0))
        self.register_buffer("scale", (w - w.mean(0)).square().mean().sqrt())
        self.register_buffer("drawn", torch.tensor(False))  # noqa: FBT003 - the value
        self.to(device)

    def forward(self, indices: Tensor, flips: Tensor) -> Tensor:
        """The codes of images [N], or of their mirror images where `flips` [N] is true: [N, w_dim]."""
        x = F.gelu(self.norms[0](self.first(self.embeddings(indices, flips))))
        x = self.norms[1](x + F.gelu(self.second(x)))
        return _normalized(self.last(x))

    def noisy_w(self, codes: Tensor, random: RandomSource) -> Tensor:
        """Codes [N, w_dim] with noise, as w: the decoder learns a neighbourhood of each, since mapped w are inexact."""
        noise = NOISE * random.uniform(len(codes))[:, None] * random.normal(*codes.shape)
        return self.center + self.scale * _normalized(codes + noise)

    @torch.no_grad()
    def all_w(self) -> Tensor:
        """The w of every training image, and of their mirror images where they are used: [N, w_dim]."""
        parts = torch.split(torch.arange(self.embeddings.count, device=self.embeddings.device), CALIBRATED)
        codes = [
            self(part, torch.full_like(part, flipped, dtype=torch.bool))
            for flipped in range(1 + self.embeddings.mirror)
            for part in parts
        ]
        return self.center + self.scale * torch.cat(codes)


def _normalized(codes: Tensor) -> Tensor:
    return codes / (codes.square().mean(1, keepdim=True).sqrt() + 1e-6)


def reconstruction_loss(images: Tensor, reals: Tensor) -> Tensor:
    """How far images are from what they reconstruct, both [N, 3, R, R]: L1 of pixels, of 4×4 means, and of edges."""
    difference = images - reals
    rows, columns = difference.diff(dim=2), difference.diff(dim=3)
    coarse = F.avg_pool2d(difference, 4)
    return difference.abs().mean() + coarse.abs().mean() + rows.abs().mean() + columns.abs().mean()
