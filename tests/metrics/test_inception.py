"""Inception's weights are not at hand in tests: a small TorchScript network takes their place in the file."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfsgan_cli.metrics.inception import WEIGHTS, InceptionFeatures
from lfsgan_cli.metrics.weights import Weights, WrongWeightsError


class Colours(nn.Module):
    """2048 mixtures of a picture's mean colour, shaped like Inception's features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2048, 1)

    def forward(self, x: Tensor) -> Tensor:
        means: Tensor = self.conv(nn.functional.adaptive_avg_pool2d(x, 1))
        return means


class Network(nn.Module):
    """As the published file: the part up to the features is called `layers`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Colours()

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / WEIGHTS.name  # clean-fid's wrapper looks for no other name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted: Any = torch.jit.script(Network())
    scripted.save(path)
    return path


@pytest.fixture
def weights(file: Path) -> Weights:
    return Weights(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), file.as_uri(), "--inception-weights")


def test_the_features_are_those_of_clean_fid(file: Path, weights: Weights, pictures: Tensor) -> None:
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = InceptionV3W(str(file.parent), download=False)
    resized = [build_resizer("clean")(picture.permute(1, 2, 0).numpy()) for picture in pictures]
    batch = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in resized])
    ours = InceptionFeatures(file, weights=weights)(pictures)
    assert ours.shape == (6, 2048)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs(batch).detach(), atol=1e-6, rtol=0)  # of values below 1


def test_the_identity_is_the_files_hash(file: Path, weights: Weights) -> None:
    assert InceptionFeatures(file, weights=weights).identity == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_program_that_is_not_the_published_one_is_never_loaded(file: Path) -> None:
    with pytest.raises(WrongWeightsError, match=f"expected {WEIGHTS.sha256}"):
        InceptionFeatures(file)
