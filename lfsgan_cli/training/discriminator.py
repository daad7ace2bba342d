"""The discriminators of training (whole images, patches, frozen features), and what they see: augmented images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator, block_count, blocks_before_patches, patch_head
from lfsgan_cli.networks.layers import resized, translated
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import AugmentConfig, Gradients, LearnConfig, TrainingConfigError
from lfsgan_cli.training.loop import Phase, Rated, lazy_adam


class PatchDiscriminator:
    """The base's discriminator, trained further and then discarded, and a head that scores patches.

    Whole images are scored by all of it, patches by the head on its inner features. Its first blocks may stay frozen.
    layer: where patches are scored from, see `Discriminator.patch_features`.
    """

    def __init__(
        self, discriminator: Discriminator, config: LearnConfig, random: RandomSource, device: torch.device
    ) -> None:
        self.discriminator, self.random, self.shift, self.layer = discriminator, random, config.discriminator.shift, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = patch_head(discriminator.config, self.layer).to(device)
        self.augmentation = None if config.augment.mode == "none" else Augmentation(config.augment, random)
        self._frozen = list(discriminator.first_blocks(frozen_blocks(config, discriminator.config)))
        nn.ModuleList(self._frozen).requires_grad_(requires_grad=False)  # or their gradients would be computed in vain

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All that learns."""
        fixed = {id(parameter) for module in self._frozen for parameter in module.parameters()}
        return [p for p in (*self.discriminator.parameters(), *self.head.parameters()) if id(p) not in fixed]

    def whole(self, images: Tensor, sets: int = 1) -> Tensor:
        """Logits [N, 1], computed in the images' dtype. sets: so many, one after another, each scored by itself."""
        logits: Tensor = self.discriminator(self._augmented(images), sets)
        return logits

    def patches(self, images: Tensor) -> Tensor:
        """A map of logits, [N, 1, side, side]."""
        logits: Tensor = self.head(self.discriminator.patch_features(self._augmented(images), self.layer))
        return logits

    def _augmented(self, images: Tensor) -> Tensor:
        moved = shifted(images, self.shift, self.random.choices)
        return moved if self.augmentation is None else self.augmentation(moved)


def frozen_blocks(config: LearnConfig, network: NetworkConfig) -> int:
    """How many of the discriminator's blocks stay frozen: those asked for, or all before the one of patches."""
    asked = config.discriminator.freeze_blocks
    return blocks_before_patches(network) if asked is None else asked


def fitted(config: LearnConfig, network: NetworkConfig) -> LearnConfig:
    """With numbers for what was left to the network, so that a record says what was done."""
    return replace(config, discriminator=replace(config.discriminator, freeze_blocks=frozen_blocks(config, network)))


def check_fits(config: LearnConfig, network: NetworkConfig) -> None:
    """TrainingConfigError if more blocks are to stay frozen than the base's discriminator has."""
    asked, most = frozen_blocks(config, network), block_count(network)
    if asked > most:
        raise TrainingConfigError(
            f"discriminator.freeze_blocks is {asked}: expected at most {most}, which is what the discriminator of a "
            f"base of {network.resolution}×{network.resolution} has"
        )


def shifted(images: Tensor, share: float, choices: torch.Generator, ranks: Ranks = ALONE) -> Tensor:
    """Every image [N, 3, H, W] moved by up to `share` of its side in both directions; gradients pass.

    Real and generated images alike, so that few images are not memorized: the translation of Zhao et al., 2020
    (differentiable augmentation), with the border repeated instead of black. choices: a generator on the CPU, of which
    each rank takes the numbers of its images.
    """
    most = int(share * images.shape[-1])
    if not most:
        return images
    height, width = images.shape[-2:]
    drawn = ranks.rows(lambda rows: torch.randint(2 * most + 1, (rows, 2), generator=choices), len(images))
    offsets = drawn.tolist()
    if images.device.type != "cpu":
        moved = translated(images, [(most - top, most - left) for top, left in offsets])
        return moved.contiguous(memory_format=torch.channels_last)
    grown = F.pad(images, (most, most, most, most), mode="replicate")
    crops = [one[:, top : top + height, left : left + width] for one, (top, left) in zip(grown, offsets, strict=True)]
    return torch.stack(crops).contiguous(memory_format=torch.channels_last)


CHANNELS = {1: 40, 2: 112, 3: 320}  # of the network's stages at strides 8, 16 and 32; stride 4 sees texture only
MIXED = 64  # channels after the fixed random mixing of a stage
SURE = 0.95  # share of real patches with a positive score above which the generator's loss is halved
MEMORY = 0.99  # decay of the running mean of that share
CUT = 3 / 8  # side of the square that is cut out of every second image, as a share of the image's side


class FeatureDiscriminator(nn.Module):
    """Patch heads on frozen features, after Sauer et al., 2021 (Projected GANs) and Kumari et al., 2022.

    They score what a frozen EfficientNet-Lite0 makes of an image at strides 8, 16 and 32, beside StyleGAN2's own
    discriminator, which sees pixels and colors, and are discarded after training.

    size: side that images are resampled to, a multiple of 32. width: channels of the heads. seed: of the random mixing
    and of the heads' first weights. choices: a generator on the CPU, for shifts and cuts. ranks: see `TrainingLoop`.

    Its state (heads, statistics of real features, `confidence`) makes a resumed run exact. The frozen network is not
    part of it.
    """

    confidence: Tensor  # running share of real patches that the heads call real, scalar

    def __init__(
        self,
        seed: int,
        choices: torch.Generator,
        device: torch.device,
        ranks: Ranks = ALONE,
        *,
        size: int = 96,
        width: int = 96,
    ) -> None:
        super().__init__()
        self.size, self.choices, self.ranks = size, choices, ranks
        self._fakes: list[Tensor] = []  # features of the images that the generator last learned from
        self._frozen = [EfficientNetLite0(size).to(device)]  # in a list, so that neither state nor parameters name it
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleList([_head(size >> (2 + stage), width) for stage in CHANNELS])
            for stage, channels in CHANNELS.items():
                self.register_buffer(f"mixing{stage}", torch.randn(MIXED, channels, 1, 1) / channels**0.5)
                self.register_buffer(f"mean{stage}", torch.zeros(1, MIXED, 1, 1))
                self.register_buffer(f"scale{stage}", torch.ones(1, MIXED, 1, 1))
        self.register_buffer("confidence", torch.tensor(0.5))
        self.to(device)

    @torch.no_grad()
    def calibrate(self, reals: Tensor) -> None:
        """Scale each level to zero mean and unit variance a channel on real images [N, 3, R, R] in [-1, 1]."""
        features = [torch.cat(level) for level in zip(*map(self._mixed, torch.split(reals, 32)), strict=True)]
        for stage, level in zip(CHANNELS, features, strict=True):
            self.get_buffer(f"mean{stage}").copy_(level.mean((0, 2, 3), keepdim=True))
            self.get_buffer(f"scale{stage}").copy_(level.std((0, 2, 3), keepdim=True) + 1e-4)

    def features(self, images: Tensor) -> list[Tensor]:
        """[N, 3, R, R] in [-1, 1] → for each stride [N, 64, side, side]; images are shifted and cut at random first."""
        levels = self._mixed(self._augmented(images.to(self.confidence.dtype)))
        return [
            (level - self.get_buffer(f"mean{stage}")) / self.get_buffer(f"scale{stage}")
            for stage, level in zip(CHANNELS, levels, strict=True)
        ]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """A map of scores [N, 1, side, side] for each level of `features`, positive for real."""
        return [head(level) for head, level in zip(self.heads, features, strict=True)]

    def d_loss(self, real: list[Tensor], fake: list[Tensor]) -> Tensor:
        """The hinge loss on features of real and generated images, the mean over levels (Lim and Ye, 2017)."""
        scores = list(zip(self(real), self(fake), strict=True))
        positive = torch.stack([(r > 0).to(r.dtype).mean() for r, _ in scores]).mean()
        self.confidence.lerp_(self.ranks.mean(positive), 1 - MEMORY)
        return torch.stack([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in scores]).mean()

    def g_loss(self, fake: list[Tensor]) -> Tensor:
        """The generator's hinge loss, the mean over levels; halved while the heads are too certain of real images."""
        loss = -torch.stack([scores.mean() for scores in self(fake)]).mean()
        return torch.where(self.confidence > SURE, 0.5, 1.0) * loss

    def generator_loss(self, fakes: Tensor, weight: float) -> Tensor:
        """`weight` times `g_loss` of images [N, 3, R, R]; the heads' next step learns from the same images."""
        features = self.features(fakes)
        self._fakes = [level.detach() for level in features]
        return weight * self.g_loss(features)

    def phase(self, name: str, lr: float, reals: Callable[[], Tensor], gradients: Gradients = "dropped") -> Phase:
        """The heads' step, to run after the generator's. reals: the step's training images, [N, 3, R, R]."""
        heads = list(self.parameters())

        def losses(_step: int) -> Iterator[Tensor]:
            with torch.no_grad():
                real = self.features(reals())
            yield self.d_loss(real, self._fakes)

        return Phase(name, 1, heads, lazy_adam([Rated(heads, lr)], 0, gradients), losses)

    def _mixed(self, images: Tensor) -> list[Tensor]:
        network = self._frozen[0]
        seen = resized(images, self.size, "bilinear", antialias=False)
        # Not clamped: half of a drawing is plain white, and a clamp would keep its gradient from passing.
        stages = network.stages_at_size(seen)
        return [F.conv2d(stages[stage], self.get_buffer(f"mixing{stage}")) for stage in CHANNELS]

    def _augmented(self, images: Tensor) -> Tensor:
        """Shifted by up to an eighth; every second image has a grey square (Zhao et al., 2020: translation, cutout)."""
        side = images.shape[-1]
        cut, most = round(side * CUT), side // 8
        count, rows = len(images), self.ranks.rows
        corners = rows(lambda whole: torch.randint(-most, side - most, (whole, 2), generator=self.choices), count)
        chosen = rows(lambda whole: torch.rand(whole, generator=self.choices), count) < 0.5
        kept = torch.ones(count, 1, side, side)
        for mask, (top, left), cuts in zip(kept, corners.tolist(), chosen.tolist(), strict=True):
            if cuts:
                mask[:, max(0, top) : top + cut, max(0, left) : left + cut] = 0
        return shifted(images, 1 / 8, self.choices, self.ranks) * kept.to(images.device)


def risen(done: float, ramp: float) -> float:
    """Share of its weight, 0 to 1, that a loss has after `done` of `ramp` steps or images; 1 without a ramp."""
    return min(1.0, done / ramp) if ramp else 1.0


def _head(side: int, width: int) -> nn.Module:
    """Convolutions with spectral norm to one score a patch; large maps are halved first."""
    layers: list[nn.Module] = []
    channels = MIXED
    if side > 6:
        layers += [spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
        channels = width
    layers += [spectral_norm(nn.Conv2d(channels, width, 3, 1, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(width, 1, 3, 1, 1)))


ADA_MEMORY = 0.75  # of the overfitting's running mean: about the four steps between two of the paper's adjustments
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

    random: source of all its numbers; its state is the owner's to save. Ranks share p, and each draws for its rows.
    """

    p: Tensor  # probability, scalar
    overfitting: Tensor  # running mean of r, from -1 to 1, scalar

    def __init__(self, config: AugmentConfig, random: RandomSource) -> None:
        super().__init__()
        self.config, self.random, device = config, random, random.rng.device
        self.register_buffer("p", torch.tensor(config.p, device=device))
        self.register_buffer("overfitting", torch.zeros((), device=device))

    @torch.no_grad()
    def observe(self, real_logits: Tensor, images: int) -> None:
        """Follow the overfitting. real_logits: of training images as they were scored, any shape; images: how many the
        step has, of all ranks.
        """
        if self.config.mode != "adaptive":
            return
        sure = self.random.ranks.mean(real_logits.sign().mean().to(self.overfitting))
        self.overfitting.lerp_(sure, 1 - ADA_MEMORY)
        change = torch.sign(self.overfitting - self.config.target) * (images / self.config.rise)
        self.p.add_(change).clamp_(0, self.config.most)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] of any dtype, roughly -1..1 → the same, each image transformed by itself."""
        wide = images.to(torch.promote_types(images.dtype, torch.float32))
        moved = self._moved(wide)
        return self._colored(moved).to(images.dtype).contiguous(memory_format=torch.channels_last)

    def _gate(self, count: int, p: Tensor | None = None) -> Tensor:
        """Which images a transformation happens to, bool [count]."""
        return self.random.uniform(count) < (self.p if p is None else p)

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
        then(self._gate(count), _rotation((self.random.uniform(count) * 4).floor() * (math.pi / 2)))
        across, down = ((2 * self.random.uniform(count) - 1) * SHIFT for _ in range(2))
        then(
            self._gate(count),
            _translation((across * width).round() * (2 / width), (down * height).round() * (2 / height)),
        )
        factor = torch.exp2(SCALE * self.random.normal(count))
        then(self._gate(count), _scaling(1 / factor, 1 / factor))
        then(self._gate(count, half_rotation), _rotation((2 * self.random.uniform(count) - 1) * math.pi))
        factor = torch.exp2(SCALE * self.random.normal(count))
        then(self._gate(count), _scaling(1 / factor, factor))
        then(self._gate(count, half_rotation), _rotation((2 * self.random.uniform(count) - 1) * math.pi))
        then(
            self._gate(count),
            _translation(2 * FRACTION * self.random.normal(count), 2 * FRACTION * self.random.normal(count)),
        )
        return torch.where(any_change[:, None, None, None], resampled(images, inverse.to(images.dtype)), images)

    def _flip(self, count: int) -> tuple[Tensor, Tensor]:
        across = 1 - 2 * (self.random.uniform(count) < 0.5).float()
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

        added = self._gate(count) * BRIGHTNESS * self.random.normal(count)
        offset = offset + added[:, None, None]
        then(self._gate(count), torch.exp2(CONTRAST * self.random.normal(count))[:, None, None] * eye)
        then(self._gate(count), eye - 2 * along * (self.random.uniform(count) < 0.5).float()[:, None, None])
        angle = ((2 * self.random.uniform(count) - 1) * math.pi)[:, None, None]
        cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) * 3**-0.5
        then(self._gate(count), along + angle.cos() * (eye - along) + angle.sin() * cross)
        then(
            self._gate(count), along + torch.exp2(SATURATION * self.random.normal(count))[:, None, None] * (eye - along)
        )
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
