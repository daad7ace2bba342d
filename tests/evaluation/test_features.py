"""An extractor is picked with a reason, and its features come in the order of the images."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors import inception
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures
from lfsgan_cli.evaluation.extractors.weights import MissingWeightsError, UnreadableWeightsError, WrongWeightsError
from lfsgan_cli.evaluation.features import (
    ExtractorName,
    LegacyWithoutInceptionError,
    features_of_batches,
    pick_extractor,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_auto_takes_what_is_always_there_and_says_where_it_looked(cache: Path) -> None:
    extractor, why = pick_extractor("auto")
    assert (extractor.name, extractor.dim) == ("efficientnet-lite0", 1280)
    assert str(cache / inception.WEIGHTS.name) in why
    assert "cannot be compared" in why
    assert inception.WEIGHTS.option in why


def test_auto_does_not_pass_over_a_file_of_another_content(cache: Path) -> None:
    (cache / inception.WEIGHTS.name).write_bytes(b"something else")
    with pytest.raises(WrongWeightsError):
        pick_extractor("auto")


def test_auto_does_not_pass_over_a_path_that_was_given(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeightsError, match=r"mine\.pt"):
        pick_extractor("auto", inception_weights=tmp_path / "mine.pt")


def test_inception_offline_without_weights_is_an_error() -> None:
    with pytest.raises(MissingWeightsError, match="--inception-weights"):
        pick_extractor("inception", offline=True)


@pytest.mark.parametrize("name", ["auto", "efficientnet-lite0"])
def test_the_legacy_mode_is_never_measured_with_another_network(name: ExtractorName) -> None:
    with pytest.raises(LegacyWithoutInceptionError, match=r"--features inception, with --inception-weights") as caught:
        pick_extractor(name, mode="legacy-pytorch")
    assert "--fid-mode clean" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["auto", "inception"])
def test_the_legacy_mode_checks_the_weights_like_the_clean_one(cache: Path, name: ExtractorName) -> None:
    with pytest.raises(MissingWeightsError, match="--inception-weights"):
        pick_extractor("inception", mode="legacy-pytorch", offline=True)
    (cache / inception.WEIGHTS.name).write_bytes(b"something else")
    with pytest.raises(WrongWeightsError):
        pick_extractor(name, mode="legacy-pytorch")


def test_an_extractors_identity_is_the_hash_of_its_weights() -> None:
    # Published in the file's own name: efficientnet-lite0-57934424.pth.
    assert pick_extractor("efficientnet-lite0").extractor.identity.startswith("57934424")


def test_features_keep_the_order_of_the_images(pictures: Tensor) -> None:
    extractor = EfficientNetFeatures()
    found = features_of_batches(extractor, iter([pictures[:4], pictures[4:]]))
    assert (found.shape, found.dtype) == ((6, 1280), torch.float32)
    torch.testing.assert_close(found[5:], extractor(pictures[5:]), atol=1e-5, rtol=1e-4)


def test_no_batch_gives_no_features() -> None:
    assert features_of_batches(EfficientNetFeatures(), []).shape == (0, 1280)
