"""Steps of every kind, on one thread."""

import time
from typing import TYPE_CHECKING

import pytest

from lfsgan_cli.training.config import AnchorsConfig, ModeSeekingConfig

if TYPE_CHECKING:
    from tests.benchmarks.conftest import Steps, Timed

pytestmark = pytest.mark.benchmark(timer=time.process_time)

PATCHES, WHOLE, SEEKING = 1, AnchorsConfig.every, ModeSeekingConfig.every  # steps by number


def test_learning_on_patches(learning: "Steps", against_a_convolution: "Timed") -> None:
    against_a_convolution(learning.step(PATCHES))


def test_learning_on_whole_images(learning: "Steps", against_a_convolution: "Timed") -> None:
    against_a_convolution(learning.step(WHOLE))


def test_learning_r1(learning: "Steps", against_a_convolution: "Timed") -> None:
    against_a_convolution(learning.phase("r1", 0))


def test_learning_mode_seeking(learning: "Steps", against_a_convolution: "Timed") -> None:
    against_a_convolution(learning.phase("g", SEEKING), less=learning.phase("g", WHOLE))


def test_pretraining_with_both_regularizers(pretraining: "Steps", against_a_convolution: "Timed") -> None:
    against_a_convolution(pretraining.step(0))
