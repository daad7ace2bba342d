"""Training images that a base cannot stand for are known before anything is learned."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images  # type: ignore[import-untyped]

from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.domain_gap import FAR, domain_gap
from lfsgan_cli.workspace.base_file import Base
from lfsgan_cli.workspace.workspace import embedded_base


@pytest.fixture(scope="module")
def embedded_generator() -> Generator:
    with embedded_base() as path:
        return Base.open(path).average


SHOTS = Path(__file__).parents[2] / "examples" / "few_shots"


def scaled(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("domain", sorted(folder.name for folder in SHOTS.iterdir() if folder.is_dir()))
def test_drawn_portraits_are_near_enough(embedded_generator: Generator, domain: str) -> None:
    images = np.stack([scaled(Image.open(path)) for path in sorted((SHOTS / domain).glob("*.png"))])
    assert domain_gap(images, embedded_generator) < FAR


@pytest.mark.parametrize("seed", range(3))
def test_crops_of_photographs_are_far(embedded_generator: Generator, seed: int) -> None:
    random, photographs, crops = np.random.RandomState(seed), load_sample_images().images, []
    for index in range(10):
        photograph = Image.fromarray(photographs[index % 2])
        side = random.randint(100, 400)
        left, top = (random.randint(0, extent - side) for extent in photograph.size)
        crops.append(scaled(photograph.crop((left, top, left + side, top + side))))
    assert domain_gap(np.stack(crops), embedded_generator) > FAR


def test_samples_of_the_base_are_as_near_as_they_are_to_each_other(embedded_generator: Generator) -> None:
    images = next(iter(sample(embedded_generator, range(1000, 1040), batch=40, noise="const")))
    assert domain_gap(images.permute(0, 2, 3, 1).numpy(), embedded_generator) == pytest.approx(1, abs=0.25)
