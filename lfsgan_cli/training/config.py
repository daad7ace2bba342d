"""The knobs of training, each with its home and its bounds (no torch)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.precision_names import CHOICES, Choice


class TrainingConfigError(LfsganError):
    """A setting out of its range."""


def _at_least(settings: object, **bounds: float) -> None:
    for name, least in bounds.items():
        value = getattr(settings, name)
        if not least <= value < math.inf:
            raise TrainingConfigError(f"{name.replace('_', '-')} is {value}: expected at least {least}, and finite")


def _at_most(settings: object, **bounds: float) -> None:
    for name, most in bounds.items():
        value = getattr(settings, name)
        if value > most:
            raise TrainingConfigError(f"{name.replace('_', '-')} is {value}: expected at most {most}")


def _one_of(settings: object, **choices: tuple[str, ...]) -> None:
    for name, known in choices.items():
        value = getattr(settings, name)
        if value not in known:
            raise TrainingConfigError(f"{name} is {value!r}: expected one of {', '.join(known)}")


@dataclass(frozen=True)
class PretrainConfig:
    """How a base is trained (Karras et al., 2020, with lazy regularization)."""

    kimg: float = 1000.0  # thousands of pictures shown
    batch: int = 16
    lr: float = 0.002
    seed: int = 0
    mirror: bool = True
    r1_gamma: float = 0.5
    r1_every: int = 16
    path_weight: float = 2.0  # 0 switches path length regularization off
    path_every: int = 4
    mixing: float = 0.9
    average_kimg: float = 10.0  # half-life of the averaged generator
    average_ramp: float = 0.05  # … but at most this share of the pictures seen so far
    precision: Choice = "auto"  # of feature maps; the regularizers' are always fp32

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        _at_least(self, kimg=0, batch=1, lr=0, seed=0, r1_gamma=0, r1_every=1, path_weight=0, path_every=1, mixing=0)
        _at_most(self, mixing=1)
        _one_of(self, precision=CHOICES)

    @property
    def steps(self) -> int:
        """Optimizer steps until `kimg` is reached."""
        return -(-int(self.kimg * 1000) // self.batch)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class LearnConfig:
    """How a task is learned: LFS-GAN's recipe (Seo et al., ICCV 2023), with mode seeking over true cluster members."""

    steps: int = 1400
    batch: int = 4
    lr: float = 0.002  # of the adapter
    mapping_rate: float = 0.1  # share of `lr` for what changes the mapping, where diversity lives
    d_lr: float = 0.002
    decay: float = 0.3  # share of the steps, the last ones, in which learning rates fall to zero
    seed: int = 0
    mirror: bool = True
    shift: float = 0.125  # share of the side by which the discriminator's pictures are moved
    r1_gamma: float = 1.0  # at 64×64; grows with the number of pixels
    r1_every: int = 15  # odd, so that whole pictures and patches have their turn
    path_weight: float = 0.0  # 0 switches path length regularization off
    path_every: int = 4
    mixing: float = 0.9
    anchor_every: int = 2  # steps on whole pictures near the anchors; all others judge patches
    anchor_spread: float = 2.5  # the most noise that is added to an anchor
    anchors_each: int = 1  # anchors of every shot
    anchor_candidates: int = 500  # latents among which a shot's anchors are the most alike
    anchor_weight: float = 20.0  # draws the anchors' pictures to their shots
    seeking_weight: float = 7.0  # 0 switches mode seeking off
    seeking_every: int = 8
    seeking_batch: int = 16
    average_steps: float = 50.0  # half-life of the averaged adapter
    precision: Choice = "auto"  # of feature maps; the regularizers' are always fp32

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        _at_least(self, steps=1, batch=1, lr=0, mapping_rate=0, d_lr=0, decay=0, seed=0, mixing=0, shift=0)
        _at_least(self, r1_gamma=0, r1_every=1, path_weight=0, path_every=1, anchor_every=1, anchor_spread=0)
        _at_least(self, seeking_weight=0, seeking_every=1, seeking_batch=2, anchor_candidates=0, anchor_weight=0)
        _at_least(self, anchors_each=1)
        _at_most(self, mixing=1, decay=1, shift=0.5)
        _one_of(self, precision=CHOICES)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)
