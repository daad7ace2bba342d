"""Tiny pictures for the metrics, and the network that is always there."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.metrics.efficientnet import EfficientNetLite0


@pytest.fixture(scope="session")
def network() -> EfficientNetLite0:
    """At its smallest size, 32, so that a picture takes a millisecond."""
    return EfficientNetLite0(size=32)


@pytest.fixture
def pictures() -> Tensor:
    """Six pictures of smooth colour and fine noise, uint8 [6, 3, 32, 32]."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (6, 3, 4, 4), generator=rng, dtype=torch.uint8).repeat_interleave(8, 2)
    noise = torch.randint(0, 32, (6, 3, 32, 32), generator=rng, dtype=torch.uint8)
    return coarse.repeat_interleave(8, 3) // 2 + noise
