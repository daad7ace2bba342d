"""The spread of a number between disjoint blocks of seeds."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.metrics.fid import distance, statistics
from lfsgan_cli.evaluation.metrics.names import TooFewForBlocksError
from lfsgan_cli.evaluation.registry import Spread, split, spread, summarise


def test_blocks_are_disjoint_runs_of_seeds_and_a_remainder_is_left_out() -> None:
    parts = split(torch.arange(11.0)[:, None], 3, metric="a mean")
    assert [part.flatten().tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_it_is_the_mean_and_the_standard_deviation_of_the_blocks() -> None:
    """Means of 1, 5 and 9: 5 on average, and √((16 + 0 + 16) / 2) = 4 apart."""
    features = torch.tensor([0.0, 2, 4, 6, 8, 10])[:, None]
    found = spread(features, 3, lambda block: float(block.mean()), metric="a mean")
    assert found == Spread(mean=5.0, deviation=4.0, blocks=3, size=2)


def test_several_numbers_of_one_measurement_are_summed_up_apart() -> None:
    parts = split(torch.tensor([1.0, 3, 2, 8])[:, None], 2, metric="a range")
    smallest, largest = zip(*((float(part.min()), float(part.max())) for part in parts), strict=True)
    assert summarise(smallest, len(parts[0])).mean == 1.5
    assert summarise(largest, len(parts[0])).mean == 5.5


def test_real_pictures_in_blocks_of_one_style_each_differ_more_than_mixed_ones(avatars: Tensor) -> None:
    """Blocks are runs: in their order the thirty portraits make three styles, dealt out in turn they make none."""
    known = statistics(avatars)

    def fid(block: Tensor) -> float:
        return distance(statistics(block), known)

    mixed = torch.cat([avatars[start::3] for start in range(3)])
    styles = spread(avatars, 3, fid, metric="FID")
    assert styles.size == 10
    assert styles.deviation > 2 * spread(mixed, 3, fid, metric="FID").deviation


def test_blocks_of_too_few_pictures_are_refused_before_anything_is_measured() -> None:
    def never(block: Tensor) -> float:
        raise AssertionError(block)

    with pytest.raises(TooFewForBlocksError, match=r"5 blocks of 30 pictures have 6 each: expected 50 or more for KID"):
        spread(torch.zeros(30, 4), 5, never, metric="KID", least=50)


def test_one_block_has_no_spread() -> None:
    with pytest.raises(ValueError, match="expected 2 or more"):
        split(torch.zeros(30, 4), 1, metric="FID")
