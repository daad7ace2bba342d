"""Inception's weights are not at hand in tests: a small TorchScript network takes their place in the file."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfsgan_cli.evaluation.extractors.inception import WEIGHTS, InceptionFeatures, LegacyInceptionFeatures, legacy
from lfsgan_cli.evaluation.extractors.weights import Weights, WrongWeightsError


class Colours(nn.Module):
    """2048 mixtures of an image's mean colour, shaped like Inception's features."""

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
        warnings.filterwarnings("ignore", message=".*torch.jit")
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
        warnings.filterwarnings("ignore", message=".*torch.jit")
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


def test_the_legacy_extractor_is_the_same_network_behind_another_resizer(
    file: Path, weights: Weights, pictures: Tensor
) -> None:
    """By pytorch-fid's own order: levels as 0…1, torch's bilinear interpolation, 2x - 1."""
    ours = LegacyInceptionFeatures(file, weights=weights)
    unit = nn.functional.interpolate(pictures / 255, size=(299, 299), mode="bilinear", align_corners=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit")
        network: Any = torch.jit.load(file)  # type: ignore[no-untyped-call]
    expected = network(2 * unit - 1).detach().flatten(1)
    torch.testing.assert_close(ours(pictures), expected, atol=1e-6, rtol=0)  # of values below 1
    clean = InceptionFeatures(file, weights=weights)
    assert (ours.name, clean.name) == ("inception-legacy", "inception")
    assert ours.identity == clean.identity
    assert not torch.allclose(ours(pictures), clean(pictures), atol=1e-4)


def test_the_legacy_resizer_puts_pixels_where_align_corners_false_says() -> None:
    """Two columns, 0 and 255: pixel i of 299 looks at (i + ½) · 2/299 - ½, which is held within 0…1."""
    picture = torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 2, 2)
    row = legacy(picture)[0, 0, 150]
    assert row[0] == -1  # at -0.497: the first column
    assert row[149] == pytest.approx(0, abs=1e-6)  # the middle of the image: half of each
    assert row[200] == pytest.approx(2 * (200.5 * 2 / 299 - 0.5) - 1, abs=1e-6)
    assert row[298] == 1


def test_the_legacy_resizer_does_not_average_what_it_skips() -> None:
    """897 columns to 299: each looks at the middle of its three, exactly, and at no other; antialiasing would mix."""
    levels = torch.randint(0, 256, (1, 3, 3, 897), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    expected = levels[0, :, 1, 1::3] / 127.5 - 1
    torch.testing.assert_close(legacy(levels)[0, :, 149], expected, atol=1e-4, rtol=0)  # float32 places of 897 columns
