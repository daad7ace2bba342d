"""A number says how many pictures it rests on."""

import pytest

from lfsgan_cli.metrics.counts import TooFewToMeasureError, fid_warnings, label, require_two


def test_a_metrics_name_carries_its_extractor_and_its_counts() -> None:
    assert label("fid", "efficientnet-lite0", n=2000, reals=2000) == "fid[efficientnet-lite0] n=2000 reals=2000"
    assert label("lpips", "efficientnet-lite0", n=200) == "lpips[efficientnet-lite0] n=200"


def test_enough_pictures_give_no_warning() -> None:
    assert fid_warnings(n=1281, reals=1281, dim=1280) == []


def test_each_set_that_is_too_small_gives_a_warning_with_a_way_out() -> None:
    fakes, reals = fid_warnings(n=64, reals=10, dim=1280)
    assert "64 generated" in fakes
    assert "-n" in fakes
    assert "10 real" in reals
    assert "--reals" in reals


def test_as_many_pictures_as_features_are_still_too_few() -> None:
    assert len(fid_warnings(n=2049, reals=2048, dim=2048)) == 1


@pytest.mark.parametrize(("count", "words"), [(0, "no picture"), (1, "one picture")])
def test_one_picture_has_no_spread(count: int, words: str) -> None:
    with pytest.raises(TooFewToMeasureError, match=f"of {words}: expected at least 2"):
        require_two("FID", count)
    require_two("FID", 2)
