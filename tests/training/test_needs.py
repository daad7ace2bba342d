"""What a run is expected to take is near what runs took, and grows with what they depend on."""

from pathlib import Path

import pytest
import torch

from lfsgan_cli import options
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.training import memory
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.pretraining import memory_needed
from lfsgan_cli.workspace.workspace import Workspace

FFHQ = NetworkConfig.standard(256)
NEAR = 0.25  # what the estimates promise


def test_it_is_near_what_was_measured() -> None:
    # docs/performance.md: the most memory of `lfsgan profile --resolution 256`, both in batches of 4
    assert memory.of_learning(FFHQ, LearnConfig(batch=4), 10) == pytest.approx(7515.8e6, rel=NEAR)
    assert memory_needed(FFHQ, PretrainConfig(batch=4), 10) == pytest.approx(4988.3e6, rel=NEAR)


def test_it_is_near_what_was_measured_on_the_embedded_base() -> None:
    # docs/benchmarks.md: the most memory while `left` was learned
    network = Workspace(Path("nowhere")).base.average.config
    assert memory.of_learning(network, LearnConfig(), 10) == pytest.approx(1144e6, rel=NEAR)


def test_a_larger_batch_takes_more() -> None:
    small, large = PretrainConfig(batch=4), PretrainConfig(batch=16)
    assert memory_needed(FFHQ, large, 10) > 3 * memory_needed(FFHQ, small, 10)
    assert memory.of_learning(FFHQ, LearnConfig(batch=64), 10) > 3 * memory.of_learning(FFHQ, LearnConfig(batch=16), 10)


def test_less_is_taken_where_nothing_looks_at_sets_of_images() -> None:
    alone = options.changed(LearnConfig(), {"mode_seeking.weight": 0, "energy_weight": 0, "memorization_weight": 0})
    assert memory.of_learning(FFHQ, alone, 10) < memory.of_learning(FFHQ, LearnConfig(), 10)


def test_sets_of_large_images_take_more_than_a_usual_machine_has_and_fewer_of_them_less() -> None:
    large, few = NetworkConfig.standard(1024), options.build(LearnConfig, {"batch": 2, "mode_seeking.batch": 4})
    # Sixteen images' feature maps and their gradients, which stay in memory however small the parts: 16.8 GB.
    assert memory.of_learning(large, LearnConfig(batch=2), 10) > 16.8e9
    assert memory.of_learning(large, few, 10) < memory.of_learning(large, LearnConfig(batch=2), 10) / 2


def test_this_machine_says_what_is_free_or_nothing() -> None:
    free = memory.free(torch.device("cpu"))
    assert free is None or free > 1e8  # bytes: what these tests themselves take at least
    assert memory.free(torch.device("mps")) is None
