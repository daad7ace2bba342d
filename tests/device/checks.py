"""Compares a device with the CPU: losses, gradients, learning, sampling, resuming, bf16 and metrics.

Both sides compute from the same random numbers, which the CPU generates. A difference is relative to the largest value
of the CPU's tensor. The tolerances are several times what two sets of convolution kernels on one CPU (oneDNN's and
torch's own) are apart. A comparison of the CPU with itself uses one set on each side, so that it can measure this.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.full import FullFineTune
from lfsgan_adapters.left import LeFT
from lfsgan_adapters.lora import LoRA
from torch import Tensor

from lfsgan_cli import options
from lfsgan_cli.adapter import Adapter, construct
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures
from lfsgan_cli.evaluation.metrics.fid import frechet_distance
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training import loop
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.perceptual import perceptual_distance_to
from lfsgan_cli.training.pretraining import Pretraining

CPU = torch.device("cpu")
ADAPTERS: Mapping[str, type[Adapter]] = {"left": LeFT, "full": FullFineTune, "cam": CAM, "lora": LoRA}
STEPS = 6
SAMPLES = 64  # of which features are compared
SIDE = 16  # of the networks that are trained
IMAGES = np.random.RandomState(0).randint(0, 256, (5, SIDE, SIDE, 3), np.uint8)

Build = Callable[[torch.device], Learning | Pretraining]

# The largest tolerated differences; behind them, those of two sets of kernels on a CPU.
TOLERANCES = {
    "loss": 1e-4,  # 4e-7
    "gradient": 1e-2,  # 1e-3, of mode seeking, which compares features by the signs of their differences; else 2e-4
    # After six steps. Adam makes a whole step even of a gradient that is nothing but rounding.
    "training": 0.1,  # 0.025
    "image": 0.4,  # 0.12, as a share of how far the images have moved
    "sample": 1,  # level of 255; 0
    "features": 1e-3,  # 2e-6
    "bf16": 0.1,  # 0.011; some twenty roundings to 8 bits follow one another
    "resume": 0.1,  # on a GPU, where some gradients are added up in any order; on a CPU, none is tolerated
}


@dataclass(frozen=True)
class Side:
    """Where to compute. onednn: whether a CPU uses oneDNN's convolutions, as it does by itself."""

    device: torch.device
    onednn: bool = True

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Within the block, runs are built with the CPU's random numbers, and compute as the side does."""
        before = torch.backends.mkldnn.set_flags(_enabled=self.onednn)  # type: ignore[no-untyped-call]
        try:
            with patch.object(loop, "RandomSource", SameNumbers):
                yield
        finally:
            torch.backends.mkldnn.set_flags(_enabled=before[0])  # type: ignore[no-untyped-call]


REFERENCE = Side(CPU)


@dataclass(frozen=True)
class Check:
    """One comparison. found: the largest difference; limit: what is tolerated; why: what kept it from being made."""

    name: str
    found: float
    limit: float
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference was measured, and is tolerated; NaN is not."""
        return not self.why and self.found <= self.limit


class SameNumbers(RandomSource):
    """Random numbers of the CPU, moved to the device: the same on all devices."""

    def __init__(self, seed: int, device: torch.device, ranks: Ranks = ALONE) -> None:
        super().__init__(seed, CPU, ranks)
        self.device = device

    def normal(self, *shape: int) -> Tensor:
        return super().normal(*shape).to(self.device)

    def uniform(self, count: int) -> Tensor:
        return super().uniform(count).to(self.device)

    def indices(self, below: int, count: int) -> Tensor:
        return super().indices(below, count).to(self.device)


def all_checks(device: torch.device) -> Iterator[Check]:
    """Every comparison, one after another; one that fails with an exception says so in its `why`."""
    side = Side(device, onednn=device.type != "cpu")
    checks: dict[str, Callable[[], Iterator[Check]]] = {
        "sampling": partial(sampling, side),
        "bf16": partial(half_precision, side),
        "features": partial(metrics, side),
    }
    builds: dict[str, Build] = {f"learn-task, {name}": partial(learning, cls) for name, cls in ADAPTERS.items()}
    for name, build in {**builds, "pretrain": pretraining}.items():
        checks[f"{name}: first step"] = partial(gradients, name, build, side)
        checks[f"{name}: {STEPS} steps"] = partial(training, name, build, side)
        checks[f"{name}: resume"] = partial(resuming, name, build, device)
    for name, check in checks.items():
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - the other checks go on, and this one has failed
            yield Check(name, math.nan, 0.0, f"{type(error).__name__}: {error}")


def learning(cls: type[Adapter], device: torch.device) -> Learning:
    """A task at 16×16 under the default recipe, every kind of step within six steps."""
    base = tiny_generator().to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        adapter, discriminator = construct(cls, base, cls.Config()), Discriminator(base.config)
    config = options.build(LearnConfig, {
        "steps": STEPS, "batch": 2, "anchors.every": 2, "anchors.candidates": 5, "discriminator.r1_every": 3,
        "mode_seeking.every": 4, "mode_seeking.batch": 4, "mixing": 1.0, "path_weight": 2.0,
    })  # fmt: skip
    distance = perceptual_distance_to(IMAGES, "efficientnet-lite0", device)
    return Learning(base, adapter.to(device), discriminator.to(device), list(IMAGES), distance, config)


def pretraining(device: torch.device) -> Pretraining:
    """Pretraining at 16×16, every phase within six steps."""
    raw = tiny_generator().to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        discriminator = Discriminator(raw.config).to(device)
    config = PretrainConfig(kimg=0.004 * STEPS, batch=4, r1_every=3, path_every=2, mixing=1.0)
    return Pretraining(raw, copy.deepcopy(raw), discriminator, list(IMAGES), config)


def gradients(name: str, build: Build, side: Side) -> Iterator[Check]:
    """The loss of each phase and its gradient, before anything is learned: R1 and path length are second-order."""
    here, there = _first_gradients(build, side), _first_gradients(build, REFERENCE)
    for phase in there:
        for index, kind in enumerate(("loss", "gradient")):
            found = difference([here[phase][index]], [there[phase][index]])
            yield Check(f"{name}: {phase}, {kind}", found, TOLERANCES[kind])


def _first_gradients(build: Build, side: Side) -> dict[str, tuple[Tensor, Tensor]]:
    found = {}
    with side.computing():
        run = build(side.device)
        run.begin()
        for phase in run.phases:
            for parameter in phase.parameters:
                parameter.requires_grad_()
            losses = []
            for loss in phase.losses(0):
                loss.backward()  # type: ignore[no-untyped-call]
                losses.append(loss.detach())
            slopes = [parameter.grad.flatten() for parameter in phase.parameters if parameter.grad is not None]
            found[phase.name] = torch.stack(losses).sum().cpu(), torch.cat(slopes).cpu()
            for parameter in phase.parameters:
                parameter.requires_grad_(False).grad = None  # noqa: FBT003
    return found


def training(name: str, build: Build, side: Side) -> Iterator[Check]:
    """Six steps: the losses on the way, and what the result generates."""
    losses, images = [], []
    for one in (side, REFERENCE):
        with one.computing():
            run = build(one.device)
            log = [{key: float(loss) for key, loss in step.losses.items()} for step in run.steps()]
            images.append(_images(run.generator))
        losses.append([torch.tensor([step[key] for step in log if key in step]) for key in log[0]])
    yield Check(f"{name}: losses of {STEPS} steps", difference(*losses), TOLERANCES["training"])
    start = _images(tiny_generator())
    apart, moved = (float((one.double() - images[1].double()).abs().mean()) for one in (images[0], start))
    yield Check(f"{name}: images after them, by how far they have moved", apart / moved, TOLERANCES["image"])


def resuming(name: str, build: Build, device: torch.device) -> Iterator[Check]:
    """A run that is stopped in the middle and resumed, beside one that is not, by the device's own random numbers."""
    whole, first, second = build(device), build(device), build(device)
    for _ in whole.steps():
        pass
    for step in first.steps():
        if step.done == STEPS // 2:
            break
    second.unpack(first.pack())
    for _ in second.steps():
        pass
    one, other = whole.pack(), second.pack()
    found = difference([one[key] for key in sorted(one)], [other[key] for key in sorted(other)])
    exact = device.type == "cpu"  # there, the states are equal bit for bit
    yield Check(f"{name}: state after a resume", found, 0.0 if exact else TOLERANCES["resume"])


def sampling(side: Side) -> Iterator[Check]:
    """Samples of the same seeds, and the same again."""
    images = []
    for one in (side, side, REFERENCE):
        with one.computing():
            images.append(_images(tiny_generator().to(one.device)))
    yield Check("samples: levels", _levels(images[0], images[2]), TOLERANCES["sample"])
    yield Check("samples: levels, the same again", _levels(images[0], images[1]), 0)


def half_precision(side: Side) -> Iterator[Check]:
    """Images at 128×128 and a discriminator's logits of them, with feature maps in bf16."""
    config = NetworkConfig(128, {4: 32, 8: 32, 16: 32, 32: 16, 64: 16, 128: 8}, w_dim=32, mapping_layers=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        generator, discriminator = build_generator(config), Discriminator(config)
        z = torch.randn(2, config.w_dim)
    found = []
    for one in (side, REFERENCE):
        with one.computing(), torch.no_grad():
            image = generator.to(one.device)(z.to(one.device), noise=None, dtype=torch.bfloat16)
            logits = discriminator.to(one.device)(image.to(torch.bfloat16))
        found.append((image.float().cpu(), logits.float().cpu()))
    for index, what in enumerate(("image", "logits")):
        yield Check(f"bf16: {what}", difference([found[0][index]], [found[1][index]]), TOLERANCES["bf16"])


def metrics(side: Side) -> Iterator[Check]:
    """Features of samples, and FID between them and random images."""
    samples = torch.cat(list(sample(tiny_generator(), range(SAMPLES))))
    others = torch.from_numpy(np.random.RandomState(2).randint(0, 256, (SAMPLES, 3, SIDE, SIDE), np.uint8))
    found, distances = [], []
    for one in (side, REFERENCE):
        with one.computing():
            extractor = EfficientNetFeatures(one.device)
            features = [extractor(images).cpu() for images in (samples, others)]
        found.append(features[0])
        distances.append(torch.tensor(frechet_distance(*features)))
    yield Check(f"features of {SAMPLES} samples", difference(found[:1], found[1:]), TOLERANCES["features"])
    yield Check(f"FID of {SAMPLES} samples", difference(distances[:1], distances[1:]), TOLERANCES["features"])


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference within a tensor, relative to the largest of their values; the worst of all tensors."""
    worst = 0.0
    for mine, its in zip(ours, theirs, strict=True):
        scale = float(its.double().abs().max()) if its.numel() else 0.0
        gap = float((mine.double() - its.double()).abs().max()) if its.numel() else 0.0
        if math.isnan(gap):
            return math.nan
        worst = max(worst, gap / scale if scale else gap)
    return worst


def _images(generator: Generator) -> Tensor:
    return torch.cat(list(sample(generator, range(8))))


def _levels(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.int() - theirs.int()).abs().max())
