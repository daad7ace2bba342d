"""Tiny images for the metrics, and the network that is always there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures, EfficientNetLite0
from lfsgan_cli.evaluation.extractors.perceptual import EfficientNetEmbedder
from lfsgan_cli.images.dataset import load_images

FEW_SHOTS = Path(__file__).parents[2] / "examples" / "few_shots"


@pytest.fixture(scope="session")
def network() -> EfficientNetLite0:
    """At its smallest size, 32, so that an image takes a millisecond."""
    return EfficientNetLite0(size=32)


@pytest.fixture
def pictures() -> Tensor:
    """Six images of smooth colour and fine noise, uint8 [6, 3, 32, 32]."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (6, 3, 4, 4), generator=rng, dtype=torch.uint8).repeat_interleave(8, 2)
    noise = torch.randint(0, 32, (6, 3, 32, 32), generator=rng, dtype=torch.uint8)
    return coarse.repeat_interleave(8, 3) // 2 + noise


@pytest.fixture(scope="session")
def judge() -> EfficientNetEmbedder:
    """At full size: what perceptual distances are shown from."""
    return EfficientNetEmbedder(EfficientNetFeatures())


@pytest.fixture(scope="session")
def portraits() -> Tensor:
    """The thirty example portraits, ten of lorelei, ten of notionists, ten of openPeeps: uint8 [30, 3, 64, 64]."""
    shots = [load_images(FEW_SHOTS / style, 64).pictures for style in ("lorelei", "notionists", "openPeeps")]
    return torch.from_numpy(np.concatenate(shots)).permute(0, 3, 1, 2)


@pytest.fixture(scope="session")
def embedded_portraits(judge: EfficientNetEmbedder, portraits: Tensor) -> Tensor:
    """Their embeddings, [30, D]."""
    return judge.embed(portraits)


@pytest.fixture(scope="session")
def avatars(portraits: Tensor) -> Tensor:
    """Features of the thirty example portraits: float32 [30, 1280]."""
    return EfficientNetFeatures()(portraits)
