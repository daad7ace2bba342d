"""Adaptive discriminator augmentation (Karras et al., NeurIPS 2020): a differentiable pipe and its probability."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lfsgan_cli.training.config import AugmentConfig

MEMORY = 0.75  # of the overfitting's running mean: about the four steps between two of the paper's adjustments
SHIFT, SCALE, FRACTION = 0.125, 0.2, 0.125  # of the side; log2; of the side: the paper's strengths of the geometry
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0  # of the range -1..1; log2; log2: the paper's of the colors


class Augmentation(nn.Module):
    """Transforms every image that a discriminator sees, real and generated alike, so that few are not memorized.

    Each transformation happens to each image with the probability p: horizontal flips, quarter turns, shifts, scaling,
    rotation, brightness, contrast, inverted luma, hue, saturation ("bgc", the paper's pipe without filters and noise).
    Gradients pass, also those of gradients, which R1 needs. With p = 0 images stay bit for bit as they are.

    With `adaptive`, p follows r = E[sign D(x)] of real images x: it rises while r is above the target, the
    discriminator being too sure of its training images, and falls below. The paper adjusts p after every fourth step;
    here it is after every one, by a running mean of r.

    Use it so, in any training: score `augmentation(images)` instead of images, for real and generated ones, and call
    `observe` with the logits of the real ones once in a step. Its state (p and r) makes a resumed run exact.

    rng: source of all its random numbers, on the device of the images; its state is the owner's to save.
    """

    p: Tensor  # probability, scalar
    overfitting: Tensor  # running mean of r, from -1 to 1, scalar

    def __init__(self, config: AugmentConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.rng = config, rng
        self.register_buffer("p", torch.tensor(config.p, device=rng.device))
        self.register_buffer("overfitting", torch.zeros((), device=rng.device))

    @torch.no_grad()
    def observe(self, real_logits: Tensor, images: int) -> None:
        """Follow the overfitting. real_logits: of training images as they were scored, any shape; images: how many."""
        if self.config.mode != "adaptive":
            return
        self.overfitting.lerp_(real_logits.sign().mean().to(self.overfitting), 1 - MEMORY)
        change = torch.sign(self.overfitting - self.config.target) * (images / self.config.rise)
        self.p.add_(change).clamp_(0, self.config.most)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] of any dtype, roughly -1..1 → the same, each image transformed by itself."""
        wide = images.to(torch.promote_types(images.dtype, torch.float32))
        moved = self._moved(wide)
        return self._colored(moved).to(images.dtype).contiguous(memory_format=torch.channels_last)

    def _uniform(self, count: int) -> Tensor:
        return torch.rand(count, generator=self.rng, device=self.rng.device)

    def _normal(self, count: int) -> Tensor:
        return torch.randn(count, generator=self.rng, device=self.rng.device)

    def _gate(self, count: int, p: Tensor | None = None) -> Tensor:
        """Which images a transformation happens to, bool [count]."""
        return self._uniform(count) < (self.p if p is None else p)

    def _moved(self, images: Tensor) -> Tensor:
        """Flips, turns, shifts, scaling and rotation as one bilinear resampling with mirrored borders."""
        count, _, height, width = images.shape
        half_rotation = 1 - (1 - self.p).clamp(min=0).sqrt()  # twice, so that one of them happens with p
        inverse = torch.eye(3, device=images.device).repeat(count, 1, 1)  # from output to input, sides from -1 to 1
        any_change = torch.zeros(count, dtype=torch.bool, device=images.device)

        def then(gate: Tensor, matrix: Tensor) -> None:
            nonlocal inverse, any_change
            step = torch.where(gate[:, None, None], matrix, torch.eye(3, device=matrix.device))
            inverse, any_change = inverse @ step, any_change | gate

        then(self._gate(count), _scaling(*self._flip(count)))
        then(self._gate(count), _rotation((self._uniform(count) * 4).floor() * (math.pi / 2)))
        across, down = ((2 * self._uniform(count) - 1) * SHIFT for _ in range(2))
        then(
            self._gate(count),
            _translation((across * width).round() * (2 / width), (down * height).round() * (2 / height)),
        )
        factor = torch.exp2(SCALE * self._normal(count))
        then(self._gate(count), _scaling(1 / factor, 1 / factor))
        then(self._gate(count, half_rotation), _rotation((2 * self._uniform(count) - 1) * math.pi))
        factor = torch.exp2(SCALE * self._normal(count))
        then(self._gate(count), _scaling(1 / factor, factor))
        then(self._gate(count, half_rotation), _rotation((2 * self._uniform(count) - 1) * math.pi))
        then(self._gate(count), _translation(2 * FRACTION * self._normal(count), 2 * FRACTION * self._normal(count)))
        return torch.where(any_change[:, None, None, None], resampled(images, inverse.to(images.dtype)), images)

    def _flip(self, count: int) -> tuple[Tensor, Tensor]:
        across = 1 - 2 * (self._uniform(count) < 0.5).float()
        return across, torch.ones_like(across)

    def _colored(self, images: Tensor) -> Tensor:
        """Brightness, contrast, inverted luma, hue and saturation as one affine map of the three channels."""
        count, device = len(images), images.device
        luma = torch.full((3, 1), 3**-0.5, device=device)  # the gray axis
        along, eye = luma @ luma.T, torch.eye(3, device=device)
        matrix, offset = eye.repeat(count, 1, 1), torch.zeros(count, 3, 1, device=device)

        def then(gate: Tensor, change: Tensor) -> None:
            nonlocal matrix, offset
            step = torch.where(gate[:, None, None], change, eye)
            matrix, offset = step @ matrix, step @ offset

        added = self._gate(count) * BRIGHTNESS * self._normal(count)
        offset = offset + added[:, None, None]
        then(self._gate(count), torch.exp2(CONTRAST * self._normal(count))[:, None, None] * eye)
        then(self._gate(count), eye - 2 * along * (self._uniform(count) < 0.5).float()[:, None, None])
        angle = ((2 * self._uniform(count) - 1) * math.pi)[:, None, None]
        cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) * 3**-0.5
        then(self._gate(count), along + angle.cos() * (eye - along) + angle.sin() * cross)
        then(self._gate(count), along + torch.exp2(SATURATION * self._normal(count))[:, None, None] * (eye - along))
        changed = (matrix.to(images.dtype) @ images.flatten(2) + offset.to(images.dtype)).view_as(images)
        same = ((matrix == eye).all((1, 2)) & (offset == 0).all((1, 2)))[:, None, None, None]
        return torch.where(same, images, changed)


def resampled(images: Tensor, theta: Tensor) -> Tensor:
    """Images [N, C, H, W] read where `theta` [N, 3, 3] sends each pixel, bilinearly, mirrored beyond the borders.

    Coordinates are (x, y, 1) with sides from -1 to 1. By gathering, since `grid_sample` has no gradient of gradients.
    """
    count, channels, height, width = images.shape
    xs = (torch.arange(width, device=images.device, dtype=images.dtype) * 2 + 1) / width - 1
    ys = (torch.arange(height, device=images.device, dtype=images.dtype) * 2 + 1) / height - 1
    places = torch.stack([xs.repeat(height), ys.repeat_interleave(width), torch.ones_like(xs.repeat(height))])
    found = theta @ places  # [N, 3, H·W]
    (left, right, by_x), (top, bottom, by_y) = _neighbours(found[:, 0], width), _neighbours(found[:, 1], height)
    flat = images.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return flat.gather(2, (row * width + column)[:, None].expand(-1, channels, -1))

    upper = at(top, left) * (1 - by_x) + at(top, right) * by_x
    lower = at(bottom, left) * (1 - by_x) + at(bottom, right) * by_x
    return (upper * (1 - by_y) + lower * by_y).view(count, channels, height, width)


def _neighbours(place: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of coordinates [N, P] with sides from -1 to 1: the pixels before and after, and the share of the second."""
    mirrored = size - (((place + 1) * (size / 2)).remainder(2 * size) - size).abs()  # from 0 to size
    pixel = (mirrored - 0.5).clamp(0, size - 1)
    first = pixel.floor()
    return first.long(), (first.long() + 1).clamp(max=size - 1), (pixel - first)[:, None]


def _matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    none, one = torch.zeros_like(x), torch.ones_like(x)
    return _matrix((x, none, none), (none, y, none), (none, none, one))


def _rotation(angle: Tensor) -> Tensor:
    none, one = torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix((angle.cos(), -angle.sin(), none), (angle.sin(), angle.cos(), none), (none, none, one))


def _translation(x: Tensor, y: Tensor) -> Tensor:
    none, one = torch.zeros_like(x), torch.ones_like(x)
    return _matrix((one, none, x), (none, one, y), (none, none, one))
