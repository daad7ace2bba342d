"""Images, from latents to files, on one thread."""

import time
from typing import TYPE_CHECKING

import pytest

from lfsgan_cli.generation.output import encode, to_arrays
from lfsgan_cli.generation.sampling import sample

if TYPE_CHECKING:
    from lfsgan_cli.workspace.base_file import Base
    from tests.benchmarks.conftest import Timed

pytestmark = pytest.mark.benchmark(timer=time.process_time)

SEEDS = range(16)


def test_drawing_a_batch(base: "Base", against_a_convolution: "Timed") -> None:
    against_a_convolution(lambda: list(sample(base.average, SEEDS, batch=len(SEEDS))))


def test_encoding_png_files(base: "Base", against_a_convolution: "Timed") -> None:
    [pictures] = sample(base.average, SEEDS, batch=len(SEEDS))
    against_a_convolution(lambda: [encode(picture, {"lfsgan": "{}"}) for picture in to_arrays(pictures)])
