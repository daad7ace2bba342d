"""The settings of pretraining and of learning a task: meaning, default and range of each (no torch).

`LearnConfig` is nested: `mode_seeking.weight` is the spelling on the command line (`-t mode_seeking.weight=7`), in a
suite's TOML and in error messages; JSON nests likewise.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_origin, get_type_hints

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.options import LARGEST
from lfsgan_cli.system.device import Choice

AnchorNoise: TypeAlias = Literal["varied", "fixed"]
Gradients: TypeAlias = Literal["dropped", "zeroed"]
PerceptualChoice: TypeAlias = Literal["auto", "efficientnet-lite0", "vgg"]
CHOSEN = "auto"  # value of a setting that the machine decides; a record holds the decision


class TrainingConfigError(LfsganError):
    """A setting out of its range."""


@dataclass(frozen=True)
class Bounds:
    """The closed range of a number, in the annotation of its field; None values are not checked."""

    least: float
    most: float = math.inf


AT_LEAST_0, AT_LEAST_1, SHARE = Bounds(0), Bounds(1), Bounds(0, 1)
SEED = Bounds(0, LARGEST)


class _Checked:
    """A dataclass whose fields' annotations hold their ranges; TrainingConfigError on construction otherwise."""

    section: ClassVar[str] = ""  # what stands before its fields' names

    def __post_init__(self) -> None:
        """Check every field against its annotation."""
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            if get_origin(hint) is not Annotated:
                continue
            kind, *notes = get_args(hint)
            value, label = getattr(self, name), f"{self.section}{name}"
            if get_origin(kind) is Literal and value not in get_args(kind):
                raise TrainingConfigError(f"{label} is {value!r}: expected one of {', '.join(get_args(kind))}")
            for bounds in notes:
                if isinstance(bounds, Bounds) and value is not None:
                    _check_bounds(label, value, bounds)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, nested as the settings are."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


def _check_bounds(label: str, value: float, bounds: Bounds) -> None:
    if not bounds.least <= value < math.inf:
        raise TrainingConfigError(f"{label} is {value}: expected at least {bounds.least:g}, and finite")
    if value > bounds.most:
        raise TrainingConfigError(f"{label} is {value}: expected at most {bounds.most:.10g}")


NETWORK_DEFAULTS = {"resolution": 64, "channels": 128, "latent": 128, "mapping_layers": 8}  # of `pretrain`


@dataclass(frozen=True)
class PretrainConfig(_Checked):
    """How a base is trained (Karras et al., 2020, with lazy regularization)."""

    kimg: Annotated[float, "thousands of images shown", AT_LEAST_0] = 1000.0
    batch: Annotated[int, "images in a step", AT_LEAST_1] = 16
    lr: Annotated[float, "learning rate of generator and discriminator", AT_LEAST_0] = 0.002
    seed: Annotated[int, "random seed", SEED] = 0
    mirror: Annotated[bool, "flip images horizontally at random"] = True
    r1_gamma: Annotated[float, "weight of R1 (Mescheder et al., 2018, Eq. 9); 0 disables it", AT_LEAST_0] = 0.5
    r1_every: Annotated[int, "steps between R1 updates", AT_LEAST_1] = 16
    path_weight: Annotated[float, "path length weight (Karras et al., 2020, Eq. 4); 0 disables it", AT_LEAST_0] = 2.0
    path_every: Annotated[int, "steps between path length updates", AT_LEAST_1] = 4
    mixing: Annotated[float, "probability of style mixing (Karras et al., 2019, section 3.1)", SHARE] = 0.9
    ema_kimg: Annotated[float, "half-life of the EMA generator, in thousands of images", AT_LEAST_0] = 10.0
    ema_ramp: Annotated[float, "the half-life is at most this share of the images shown so far", AT_LEAST_0] = 0.05
    decay: Annotated[float, "last share of the run, in which learning rates fall to zero", SHARE] = 0.25
    feature_weight: Annotated[
        float, "weight of the discriminator on frozen features (Sauer et al., 2021); 0: plain StyleGAN2", AT_LEAST_0
    ] = 1.0
    feature_ramp_kimg: Annotated[float, "thousands of images in which that weight rises from 0", AT_LEAST_0] = 20.0
    reconstruction_kimg: Annotated[
        float, "thousands of images in which the generator first learns to reconstruct them; 0: none", AT_LEAST_0
    ] = 0.0
    reconstruction_weight: Annotated[float, "weight of the reconstruction in adversarial training", AT_LEAST_0] = 5.0
    mapping_updates: Annotated[
        int, "updates in which the mapping learns to draw codes then; at most two for each step before", AT_LEAST_1
    ] = 40_000
    augment: Annotated[
        Literal["none", "ada"],
        "ada: augment what the discriminator sees, the more it overfits (Karras et al., NeurIPS 2020)",
    ] = "none"
    precision: Annotated[Choice, "dtype of feature maps; the regularizers always use fp32"] = "auto"

    def __post_init__(self) -> None:
        """What is reconstructed must be less than the whole."""
        super().__post_init__()
        if self.reconstruction_kimg and self.reconstruction_kimg >= self.kimg:
            raise TrainingConfigError(
                f"reconstruction_kimg is {self.reconstruction_kimg:g}: expected less than kimg, {self.kimg:g}, so that "
                f"adversarial training follows"
            )

    @property
    def steps(self) -> int:
        """Optimizer steps until `kimg` is reached."""
        return -(-round(self.kimg * 1000) // self.batch)

    @property
    def reconstruction_steps(self) -> int:
        """Those before adversarial training."""
        return -(-round(self.reconstruction_kimg * 1000) // self.batch)

    @property
    def mapping_fit_updates(self) -> int:
        """Updates in which the mapping learns to draw codes, after the reconstruction."""
        return min(self.mapping_updates, 2 * self.reconstruction_steps)


@dataclass(frozen=True)
class AnchorsConfig(_Checked):
    """Latents that stand for training images; steps on whole images sample around them (Ojha et al., 2021)."""

    section = "anchors."
    kind: Annotated[
        Literal["relative", "random", "none"],
        "relative: latents whose images resemble one training image most; random: any; "
        "none: no anchors and no patches, every step scores whole images of random latents",
    ] = "relative"
    every: Annotated[
        int, "steps between two on whole images near the anchors; all others score patches", AT_LEAST_1
    ] = 2
    spread: Annotated[float, "largest standard deviation of the noise that is added to an anchor", AT_LEAST_0] = 2.5
    noise: Annotated[AnchorNoise, "varied: standard deviation uniform from 0 to spread; fixed: spread"] = "varied"
    candidates: Annotated[int, "latents among which anchors are chosen", Bounds(0, 1_000_000)] = 500
    inversion_steps: Annotated[int, "gradient steps that move an anchor towards its image", AT_LEAST_0] = 0
    weight: Annotated[float, "weight of the distance from an anchor's image to its training image", AT_LEAST_0] = 30.0
    focus: Annotated[float, "power of the cosine to the anchor by which that weight fades", AT_LEAST_0] = 2.0

    def __post_init__(self) -> None:
        """Random anchors stand for no training image, and cannot be drawn to one."""
        super().__post_init__()
        if self.kind != "relative" and (self.inversion_steps, self.weight) != (0, 0):
            raise TrainingConfigError(
                f"anchors.kind is {self.kind!r} with anchors.inversion_steps {self.inversion_steps} and anchors.weight "
                f"{self.weight}: expected 0 for both, or anchors.kind=relative, since only those stand for an image"
            )


@dataclass(frozen=True)
class ModeSeekingConfig(_Checked):
    """Cluster-wise mode seeking (Seo et al., ICCV 2023): samples near one training image must stay different.

    `every` and `batch` also hold for `energy_weight` and `memorization_weight`, which use the same samples.
    """

    section = "mode_seeking."
    weight: Annotated[float, "weight of the loss; 0 disables it", AT_LEAST_0] = 7.0
    every: Annotated[int, "steps between two updates", AT_LEAST_1] = 8
    batch: Annotated[int, "samples that are compared", Bounds(2)] = 16
    pairs: Annotated[
        Literal["members", "first"],
        "members: pairs of one cluster, as in the paper; first: as many, of the first samples",
    ] = "members"
    reduction: Annotated[Literal["mean", "sum"], "over the pairs of a cluster; the public code sums"] = "mean"
    centers: Annotated[
        Literal["images", "batch"], "cluster centers: all training images, or those of the step, as in the public code"
    ] = "images"
    noise: Annotated[Literal["const", "random"], "noise inputs of the samples; the public code's are random"] = "const"
    # Below 1e-12 the loss has no bound that float32 could represent.
    epsilon: Annotated[float, "the loss is 1 / (ratios + epsilon), at most 1 / epsilon", Bounds(1e-12)] = 1e-5


@dataclass(frozen=True)
class DiscriminatorConfig(_Checked):
    """The discriminator of a task: the base's, trained further and discarded."""

    section = "discriminator."
    lr: Annotated[float, "learning rate", AT_LEAST_0] = 0.002
    freeze_blocks: Annotated[
        int | None,
        "blocks that stay frozen, from the image on (Mo et al., 2020); none: all before the patch scores'",
        AT_LEAST_0,
    ] = None
    shift: Annotated[
        float, "largest translation of its inputs, as a share of the side (Zhao et al., 2020)", Bounds(0, 0.5)
    ] = 0.125
    r1_gamma: Annotated[float, "weight of R1 (Mescheder et al., 2018, Eq. 9); 0 disables it", AT_LEAST_0] = 1.0
    r1_scaled: Annotated[bool, "r1_gamma is that of 64x64, and grows with the number of pixels"] = True
    r1_every: Annotated[
        int, "steps between R1 updates; odd, so that whole images and patches take turns", AT_LEAST_1
    ] = 15


@dataclass(frozen=True)
class AugmentConfig(_Checked):
    """Augmentation of all images that the discriminator sees (Karras et al., 2020, with limited data)."""

    section = "augment."
    mode: Annotated[
        Literal["none", "adaptive", "fixed"], "adaptive: its probability follows the overfitting; fixed: it stays at p"
    ] = "none"
    p: Annotated[float, "probability of each transformation; adaptive starts with it", SHARE] = 0.0
    target: Annotated[
        float, "mean sign of the logits of training images above which the probability rises", Bounds(-1, 1)
    ] = 0.6
    rise: Annotated[float, "images in which the probability can rise from 0 to 1", AT_LEAST_1] = 2000.0
    most: Annotated[float, "largest adaptive probability; above 0.8, generated images can look augmented", SHARE] = 0.8


@dataclass(frozen=True)
class FeaturesConfig(_Checked):
    """A second discriminator on frozen EfficientNet-Lite0 features (Sauer et al., 2021; Kumari et al., 2022)."""

    section = "features."
    weight: Annotated[float, "weight of its loss; 0 disables it; it falls to 0 with the learning rates", AT_LEAST_0] = (
        1.0
    )
    ramp: Annotated[int, "steps in which that weight rises from 0", AT_LEAST_0] = 100
    lr: Annotated[float, "learning rate of its heads", AT_LEAST_0] = 0.001


@dataclass(frozen=True)
class OptimConfig(_Checked):
    """Learning rates of the adapter's tensors, Adam, and the EMA."""

    section = "optim."
    mapping_lr_scale: Annotated[float, "share of lr for what changes the mapping network", AT_LEAST_0] = 0.1
    noise_lr_scale: Annotated[float, "share of lr for the strengths of the noise inputs; 0: the base's", AT_LEAST_0] = (
        1.0
    )
    adapter_rates: Annotated[bool, "use the shares of lr that an adapter states for its tensors"] = True
    decay: Annotated[float, "last share of the steps, in which learning rates fall to zero", SHARE] = 0.3
    gradients: Annotated[
        Gradients, "after a step; zeroed: Adam's moments decay where a step has no gradient, as with torch 1.12"
    ] = "dropped"
    ema_steps: Annotated[float, "half-life of the adapter's EMA, in steps; 0 stores the last state", AT_LEAST_0] = 50.0


@dataclass(frozen=True)
class LearnConfig(_Checked):
    """How a task is learned: LFS-GAN's recipe (Seo et al., ICCV 2023), fixed; `recipes` has the published one."""

    steps: Annotated[int, "training steps", AT_LEAST_1] = 1000
    batch: Annotated[int, "images in a step", AT_LEAST_1] = 4
    lr: Annotated[float, "learning rate of the adapter", AT_LEAST_0] = 0.002
    seed: Annotated[int, "random seed", SEED] = 0
    mirror: Annotated[bool, "flip images horizontally at random"] = True
    precision: Annotated[Choice, "dtype of feature maps; the regularizers always use fp32"] = "auto"
    perceptual: Annotated[
        PerceptualChoice, "network of the perceptual distances; auto: LPIPS-VGG where its weights are in the cache"
    ] = "efficientnet-lite0"
    generator: Annotated[
        Literal["ema", "raw"], "the base's generator that is trained on; samples always come from the EMA generator"
    ] = "ema"
    mixing: Annotated[float, "probability of style mixing (Karras et al., 2019, section 3.1)", SHARE] = 0.9
    path_weight: Annotated[float, "path length weight (Karras et al., 2020, Eq. 4); 0 disables it", AT_LEAST_0] = 0.0
    path_every: Annotated[int, "steps between path length updates", AT_LEAST_1] = 4
    energy_weight: Annotated[
        float, "weight of the energy distance between samples and training images (Szekely and Rizzo, 2013)", AT_LEAST_0
    ] = 100.0
    memorization_weight: Annotated[
        float,
        "penalty on samples that are as near to a training image as near training images to each other",
        AT_LEAST_0,
    ] = 100.0
    loss_weight: Annotated[float, "weight of the recipe's own loss, of those that have one", AT_LEAST_0] = 0.0
    anchors: AnchorsConfig = field(default_factory=AnchorsConfig)
    mode_seeking: ModeSeekingConfig = field(default_factory=ModeSeekingConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        """Only EfficientNet's distances have gradients, which three losses need."""
        super().__post_init__()
        weights = {
            "anchors.weight": self.anchors.weight, "anchors.inversion_steps": self.anchors.inversion_steps,
            "energy_weight": self.energy_weight,
        }  # fmt: skip
        given = " and ".join(f"{name} {weight}" for name, weight in weights.items() if weight)
        if given and self.perceptual != "efficientnet-lite0":
            raise TrainingConfigError(
                f"perceptual is {self.perceptual!r} with {given}: expected efficientnet-lite0, the only network whose "
                "distances have gradients, or 0 for all of these"
            )

    @property
    def compares_samples(self) -> bool:
        """Whether any loss compares a set of samples: mode seeking, the energy distance, or memorization."""
        return bool(self.mode_seeking.weight or self.energy_weight or self.memorization_weight)

    def compares_samples_at(self, step: int) -> bool:
        """Whether these losses are taken in a step, counted from 0."""
        return self.compares_samples and step % self.mode_seeking.every == 0

    def is_anchored(self, step: int) -> bool:
        """Whether a step, counted from 0, scores whole images near the anchors."""
        return self.anchors.kind != "none" and step % self.anchors.every == 0

    def scores_patches(self, step: int) -> bool:
        """Whether a step, counted from 0, scores patches; all others score whole images."""
        return self.anchors.kind != "none" and not self.is_anchored(step)
