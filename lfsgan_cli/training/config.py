"""The knobs of training, each with its home and its bounds (no torch)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.options import LARGEST
from lfsgan_cli.system.device import Choice

AnchorNoise: TypeAlias = Literal["varied", "fixed"]
Gradients: TypeAlias = Literal["dropped", "zeroed"]
LikenessName: TypeAlias = Literal["efficientnet-lite0", "vgg"]
LikenessChoice: TypeAlias = Literal["auto", "efficientnet-lite0", "vgg"]
# What a record that does not name one of these yet was learned with; of all other settings the default says it.
_UNNAMED: Mapping[str, Any] = MappingProxyType({"own_rates": False, "copy_weight": 0.0, "freeze_blocks": 0})
OF_SETS = "seeking_weight", "energy_weight", "copy_weight", "coverage_weight"  # of what looks at sets of pictures
CHOSEN = "auto"  # as a value of a setting: what the machine has; a record says what that was
MOST_HEADS = 4  # layers of the discriminator that the public code can score patches from
MOST_CANDIDATES = 1_000_000  # of which every one is drawn before the first step
LEAST_EPSILON = 1e-12  # below it mode seeking's loss has no bound that a float32 could tell


def recorded(training: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a record, which may be older than some of them, with what these were then."""
    return {**_UNNAMED, **training}


class TrainingConfigError(LfsganError):
    """A setting out of its range."""


def _at_least(settings: object, **bounds: float) -> None:
    """Whatever is None is not settled yet."""
    for name, least in bounds.items():
        value = getattr(settings, name)
        if value is not None and not least <= value < math.inf:
            raise TrainingConfigError(f"{name} is {value}: expected at least {least}, and finite")


def _at_most(settings: object, **bounds: float) -> None:
    for name, most in bounds.items():
        value = getattr(settings, name)
        if value > most:
            raise TrainingConfigError(f"{name} is {value}: expected at most {most}")


def _as_typed(settings: object) -> None:
    """Whatever is a choice by its type is one of those that the type names."""
    for name, hint in get_type_hints(type(settings)).items():
        value, known = getattr(settings, name), get_args(hint)
        if get_origin(hint) is Literal and value not in known:
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
    decay: float = 0.25  # share of the run, the last one, in which learning rates fall to zero
    feature_weight: float = 1.0  # of the discriminator on frozen features; 0 is plain StyleGAN2
    feature_ramp_kimg: float = 20.0  # in which that weight rises from 0
    precision: Choice = "auto"  # of feature maps; the regularizers' are always fp32

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        _at_least(self, kimg=0, batch=1, lr=0, seed=0, r1_gamma=0, r1_every=1, path_weight=0, path_every=1, mixing=0)
        _at_least(self, decay=0, feature_weight=0, feature_ramp_kimg=0)
        _at_most(self, mixing=1, decay=1, seed=LARGEST)
        _as_typed(self)

    @property
    def steps(self) -> int:
        """Optimizer steps until `kimg` is reached."""
        return -(-round(self.kimg * 1000) // self.batch)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class LearnConfig:
    """How a task is learned: LFS-GAN's recipe (Seo et al., ICCV 2023), mended; `recipes` has the published one."""

    steps: int = 1000
    batch: int = 4
    lr: float = 0.002  # of the adapter
    mapping_rate: float = 0.1  # share of `lr` for what changes the mapping, where diversity lives
    own_rates: bool = True  # an adapter's tensors have the shares of `lr` that it names; or all of them have all of it
    d_lr: float = 0.002
    decay: float = 0.3  # share of the steps, the last ones, in which learning rates fall to zero
    seed: int = 0
    mirror: bool = True
    shift: float = 0.125  # share of the side by which the discriminator's pictures are moved
    r1_gamma: float = 1.0
    r1_scaled: bool = True  # `r1_gamma` is that of 64×64, and grows with the number of pixels
    r1_every: int = 15  # odd, so that whole pictures and patches have their turn
    path_weight: float = 0.0  # 0 switches path length regularization off
    path_every: int = 4
    mixing: float = 0.9
    trained_on: Literal["average", "live"] = "average"  # the base's generator; the average is what is drawn
    freeze_blocks: int | None = None  # of the discriminator, from the picture on; none: all before the one of patches
    patch_heads: int = 1  # layers of the discriminator that patches are scored from
    gradients: Gradients = "dropped"  # zeroed: Adam's memory fades where a step has no gradient, as torch 1.12 had it
    anchors: Literal["relative", "alike", "random"] = "relative"  # whose pictures take after a shot; nearest; any
    anchor_every: int = 2  # steps on whole pictures near the anchors; all others judge patches
    whole_weight: float = 0.0  # of whole pictures in those others; 0: patches alone
    anchor_spread: float = 2.5  # the most noise that is added to an anchor
    anchor_noise: AnchorNoise = "varied"  # from 0 to `anchor_spread`, or always as much
    anchors_each: int = 1  # anchors of every shot
    anchor_candidates: int = 500  # latents among which a shot's anchors are the most alike
    anchor_inversion: int = 0  # steps of descent that bring those nearer to their shots
    anchor_weight: float = 30.0  # draws the anchors' pictures to their shots
    anchor_focus: float = 2.0  # how steeply that fades around an anchor: the power of the cosine to it
    seeking_weight: float = 7.0  # 0 switches mode seeking off
    seeking_every: int = 8
    seeking_batch: int = 16
    seeking_pairs: Literal["members", "first"] = "members"  # of a cluster; or as many, the first of the batch
    seeking_scale: Literal["mean", "sum"] = "mean"  # over a cluster's pairs
    seeking_centres: Literal["shots", "batch"] = "shots"  # all of them, or the pictures of the step
    seeking_noise: Literal["const", "random"] = "const"  # in the feature maps that are compared
    seeking_epsilon: float = 1e-5  # the loss is 1 / (ratios + epsilon): at most 1 / epsilon
    energy_weight: float = 100.0  # draws mode seeking's pictures, as a set, to be spread as the shots are
    copy_weight: float = 100.0  # keeps those pictures as far from every shot as near shots are from each other
    coverage_weight: float = 0.0  # so that mode seeking's pictures take after all shots, not after a few of them
    coverage_temperature: float = 0.05  # of perceptual distances: how much nearer the nearest shot must be
    correspondence_weight: float = 0.0  # keeps the likenesses that pictures have in the base
    correspondence_every: int = 8
    held_out: int = 0  # shots that only choose the best snapshot; 0 takes the last, and learns from all
    average_steps: float = 50.0  # half-life of the averaged adapter; 0 takes it as it stands
    average_last: float = 0.0  # share of the steps, the last ones, whose even mean is taken instead
    likeness: LikenessChoice = "efficientnet-lite0"  # tells how unlike pictures are
    precision: Choice = "auto"  # of feature maps; the regularizers' are always fp32

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        _at_least(self, steps=1, batch=1, lr=0, mapping_rate=0, d_lr=0, decay=0, seed=0, mixing=0, shift=0)
        _at_least(self, r1_gamma=0, r1_every=1, path_weight=0, path_every=1, anchor_every=1, anchor_spread=0)
        _at_least(self, seeking_weight=0, seeking_every=1, seeking_batch=2, anchor_candidates=0, anchor_weight=0)
        _at_least(self, anchor_inversion=0, anchor_focus=0, whole_weight=0, average_last=0)
        _at_least(self, energy_weight=0, copy_weight=0, coverage_weight=0, coverage_temperature=1e-6)
        _at_least(self, correspondence_weight=0, correspondence_every=1, held_out=0)
        _at_least(self, anchors_each=1, freeze_blocks=0, patch_heads=1, seeking_epsilon=LEAST_EPSILON, average_steps=0)
        _at_most(self, mixing=1, decay=1, average_last=1, shift=0.5, patch_heads=MOST_HEADS, seed=LARGEST)
        _at_most(self, anchor_candidates=MOST_CANDIDATES)
        _as_typed(self)
        self._check_likeness()
        self._check_anchors()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @property
    def draws_sets(self) -> bool:
        """Whether sets of pictures are drawn, for mode seeking and what else looks at sets."""
        return any(getattr(self, name) for name in OF_SETS)

    def passes(self, shorter: LearnConfig) -> bool:
        """Whether the shorter run is this one up to its last step: nothing hangs on how many steps are to come."""
        steady = not (self.decay or self.average_last or self.held_out)
        return steady and shorter.steps < self.steps and replace(shorter, steps=self.steps) == self

    def is_anchored(self, step: int) -> bool:
        """Whether a step, counted from 0, is on whole pictures near the anchors."""
        return step % self.anchor_every == 0

    def seeks(self, step: int) -> bool:
        """Whether sets of pictures are drawn in a step, counted from 0."""
        return self.draws_sets and step % self.seeking_every == 0

    def _check_anchors(self) -> None:
        if self.anchors == "random" and (self.anchors_each, self.anchor_inversion, self.anchor_weight) != (1, 0, 0):
            raise TrainingConfigError(
                f"anchors is 'random' with anchors_each {self.anchors_each}, anchor_inversion {self.anchor_inversion} "
                f"and anchor_weight {self.anchor_weight}: expected 1, 0 and 0, or other anchors, since random ones "
                "stand for no shot"
            )

    def _check_likeness(self) -> None:
        drawn = {
            "anchor_weight": self.anchor_weight, "anchor_inversion": self.anchor_inversion,
            "energy_weight": self.energy_weight, "coverage_weight": self.coverage_weight,
        }  # fmt: skip
        said = " and ".join(f"{name} {weight}" for name, weight in drawn.items() if weight)
        if said and self.likeness != "efficientnet-lite0":
            raise TrainingConfigError(
                f"likeness is {self.likeness!r} with {said}: expected efficientnet-lite0, through which pictures are "
                "drawn to their shots, or 0 for all of these"
            )
