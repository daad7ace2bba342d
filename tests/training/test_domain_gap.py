"""Training images that a base cannot stand for are known before anything is learned."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images  # type: ignore[import-untyped]

from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.perceptual import FAR, DomainGap
from lfsgan_cli.workspace.base_file import Base, embedded_base


@pytest.fixture(scope="module")
def embedded_generator() -> Generator:
    with embedded_base() as path:
        return Base.open(path).average


@pytest.fixture(scope="module")
def gap(embedded_generator: Generator) -> DomainGap:
    return DomainGap(embedded_generator)


SHOTS = Path(__file__).parents[2] / "examples" / "few_shots"


def scaled(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("domain", sorted(folder.name for folder in SHOTS.iterdir() if folder.is_dir()))
def test_drawn_portraits_are_near_enough(gap: DomainGap, domain: str) -> None:
    images = np.stack([scaled(Image.open(path)) for path in sorted((SHOTS / domain).glob("*.png"))])
    assert gap.of(images) < FAR


@pytest.mark.parametrize("seed", range(3))
def test_crops_of_photographs_are_far(gap: DomainGap, seed: int) -> None:
    random, photographs, crops = np.random.RandomState(seed), load_sample_images().images, []
    for index in range(10):
        photograph = Image.fromarray(photographs[index % 2])
        side = random.randint(100, 400)
        left, top = (random.randint(0, extent - side) for extent in photograph.size)
        crops.append(scaled(photograph.crop((left, top, left + side, top + side))))
    assert gap.of(np.stack(crops)) > FAR


def test_samples_of_the_base_are_as_near_as_they_are_to_each_other(
    gap: DomainGap, embedded_generator: Generator
) -> None:
    images = next(iter(sample(embedded_generator, range(1000, 1040), batch=40, noise="const")))
    assert gap.of(images.permute(0, 2, 3, 1).numpy()) == pytest.approx(1, abs=0.25)
