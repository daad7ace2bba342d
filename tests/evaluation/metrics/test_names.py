"""A number says how many pictures it rests on."""

import pytest

from lfsgan_cli.evaluation.metrics.names import (
    TooFewForBlocksError,
    TooFewNeighboursError,
    TooFewToMeasureError,
    fid_warnings,
    kid_warnings,
    label,
    manifold_warnings,
    require_blocks,
    require_neighbours,
    require_two,
)


def test_a_metrics_name_carries_its_extractor_and_its_counts() -> None:
    assert label("fid", "efficientnet-lite0", n=2000, reals=2000) == "fid[efficientnet-lite0] n=2000 reals=2000"
    assert label("kid", "efficientnet-lite0", n=2000, reals=2000) == "kid[efficientnet-lite0] n=2000 reals=2000"
    assert label("lpips", "efficientnet-lite0", n=200) == "lpips[efficientnet-lite0] n=200"


def test_a_spreads_name_carries_the_count_of_one_block() -> None:
    assert label("fid", "inception", n=1000, reals=2000, blocks=5) == "fid[inception] n=1000 blocks=5 reals=2000"


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


def test_kid_of_few_pictures_gives_a_warning_for_each_such_set() -> None:
    fakes, reals = kid_warnings(n=49, reals=10)
    assert "49 generated" in fakes
    assert "10 real" in reals
    assert "--reals" in reals


def test_kid_of_smaller_subsets_than_usual_says_their_size() -> None:
    (warning,) = kid_warnings(n=2000, reals=50)
    assert "subsets of 50 pictures" in warning
    assert kid_warnings(n=1000, reals=1000) == []


def test_neighbourhoods_of_more_than_a_tenth_of_a_set_give_a_warning() -> None:
    (warning,) = manifold_warnings(n=2000, reals=49, k=5)
    assert "49 real" in warning
    assert "50 or more" in warning
    assert manifold_warnings(n=50, reals=50, k=5) == []


def test_a_picture_needs_k_others() -> None:
    with pytest.raises(TooFewNeighboursError, match="recall of 5 pictures with k=5 neighbours: expected more than 5"):
        require_neighbours("recall", 5, 5)
    require_neighbours("recall", 6, 5)
    with pytest.raises(ValueError, match="k=0"):
        require_neighbours("recall", 6, 0)


def test_a_block_needs_what_its_metric_needs() -> None:
    with pytest.raises(TooFewForBlocksError, match=r"5 blocks of 249 pictures have 49 each: .* 50 .* KID; draw 250"):
        require_blocks("KID", count=249, blocks=5, least=50)
    require_blocks("KID", count=250, blocks=5, least=50)
    with pytest.raises(ValueError, match="1 blocks"):
        require_blocks("KID", count=250, blocks=1, least=50)
