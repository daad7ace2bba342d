"""What is left to the base's network is settled by it."""

import pytest

from lfsgan_cli import options
from lfsgan_cli.networks.config import RESOLUTIONS, NetworkConfig
from lfsgan_cli.training.config import LearnConfig, TrainingConfigError
from lfsgan_cli.training.discriminator import check_fits, fitted, frozen_blocks


@pytest.mark.parametrize(("side", "count"), [(16, 1), (32, 2), (64, 2), (256, 2), (1024, 2)])
def test_the_blocks_before_the_one_that_patches_are_scored_from_stay(side: int, count: int) -> None:
    # Patches are scored from the third block, or from the last one of a network that has fewer.
    assert frozen_blocks(LearnConfig(), NetworkConfig.standard(side)) == count


def test_a_record_says_how_many_blocks_stay_and_what_is_asked_for_stays_as_it_is() -> None:
    network = NetworkConfig.standard(64)
    assert fitted(LearnConfig(), network) == options.build(LearnConfig, {"discriminator.freeze_blocks": 2})
    assert fitted(options.build(LearnConfig, {"discriminator.freeze_blocks": 0}), network) == options.build(
        LearnConfig, {"discriminator.freeze_blocks": 0}
    )


def test_every_base_is_large_enough_for_the_default_and_none_for_more_blocks_than_it_has() -> None:
    for side in RESOLUTIONS:
        check_fits(LearnConfig(), NetworkConfig.standard(side))
    with pytest.raises(TrainingConfigError, match=r"freeze_blocks is 3: expected at most 2, .* of 16×16 has"):
        check_fits(options.build(LearnConfig, {"discriminator.freeze_blocks": 3}), NetworkConfig.standard(16))


def test_fewer_than_no_blocks_cannot_stay() -> None:
    with pytest.raises(TrainingConfigError, match="freeze_blocks is -1"):
        options.build(LearnConfig, {"discriminator.freeze_blocks": -1})
