"""A metric declares what it gives and needs; flags, suites, reports and pages follow from that alone."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from typer.main import get_command

from lfsgan_cli.app import app
from lfsgan_cli.evaluation.metrics.fid import Fid
from lfsgan_cli.evaluation.metrics.kid import KernelDistance
from lfsgan_cli.evaluation.metrics.precision_recall import PrecisionRecall, TooFewNeighboursError, require_neighbours
from lfsgan_cli.evaluation.registry import (
    LEGEND,
    Numbers,
    TooFewForBlocksError,
    TooFewToMeasureError,
    label,
    less_is_better,
    marked,
    metrics,
    over_blocks,
    quantity,
    require_two,
    split,
)
from tests import metrics_page


def test_declarations_are_read_without_torch() -> None:
    program = "import sys\nfrom lfsgan_cli.evaluation.registry import metrics\nmetrics()\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "lfsgan_cli.evaluation.metrics.fid" in loaded
    assert not {"torch", "numpy", "PIL"} & set(loaded)


def test_every_metric_is_a_flag_of_evaluate_with_its_own_help() -> None:
    command: Any = get_command(app)
    flags = {param.opts[0]: param.help for param in command.commands["evaluate"].params}
    for key, metric in metrics().items():
        assert flags[f"--{key}"] == metric.help
        for option in metric.options:
            assert flags[f"--{option.name}"] == option.help


def test_the_table_of_the_page_is_that_of_the_declarations() -> None:
    page = metrics_page.PAGE.read_text(encoding="utf-8")
    assert metrics_page.table() in page, "run `python -m tests.metrics_page`"


def test_no_two_metrics_give_a_quantity_of_one_name() -> None:
    names = [one.name for metric in metrics().values() for one in metric.quantities]
    assert len(set(names)) == len(names)
    assert len({metric.order for metric in metrics().values()}) == len(metrics())


@pytest.mark.parametrize(("name", "shown"), [("fid", "x ↓"), ("recall", "x ↑"), ("closer", "x → 0.5"), ("new", "x")])
def test_the_sign_behind_a_name_is_one_that_the_legend_explains(name: str, shown: str) -> None:
    assert marked(name, "x") == shown
    assert all(sign in LEGEND for sign in shown.removeprefix("x").split()[:1])


def test_forgetting_has_a_sign_only_where_less_or_more_is_better() -> None:
    found = {name: less_is_better(name) for name in ("fid", "near_duplicates", "recall", "b_lpips", "closer", "new")}
    assert found == {
        "fid": True,
        "near_duplicates": True,
        "recall": False,
        "b_lpips": False,
        "closer": None,
        "new": None,
    }
    assert quantity("new") is None


def test_a_name_carries_the_extractor_and_the_counts() -> None:
    assert label("fid", "efficientnet-lite0", n=2000, reals=2000) == "fid[efficientnet-lite0] n=2000 reals=2000"
    assert label("lpips", "efficientnet-lite0", n=200) == "lpips[efficientnet-lite0] n=200"


def test_a_spreads_name_carries_the_count_of_one_block() -> None:
    assert label("fid", "inception", n=1000, reals=2000, blocks=5) == "fid[inception] n=1000 blocks=5 reals=2000"


def test_enough_images_give_no_warning() -> None:
    assert Fid().warnings(1281, 1281, 1280) == []


def test_each_set_that_is_too_small_gives_a_warning_with_a_way_out() -> None:
    fakes, reals = Fid().warnings(64, 10, 1280)
    assert "64 generated" in fakes
    assert "-n" in fakes
    assert "10 real" in reals
    assert "--reals" in reals


def test_as_many_images_as_features_are_still_too_few() -> None:
    assert len(Fid().warnings(2049, 2048, 2048)) == 1


@pytest.mark.parametrize(("count", "words"), [(0, "no image"), (1, "one image")])
def test_one_image_has_no_spread(count: int, words: str) -> None:
    with pytest.raises(TooFewToMeasureError, match=f"of {words}: expected at least 2"):
        require_two("FID", count)
    require_two("FID", 2)


def test_kid_of_few_images_gives_a_warning_for_each_such_set() -> None:
    fakes, reals = KernelDistance().warnings(49, 10, 1280)
    assert "49 generated" in fakes
    assert "10 real" in reals
    assert "--reals" in reals


def test_kid_of_smaller_subsets_than_usual_says_their_size() -> None:
    (warning,) = KernelDistance().warnings(2000, 50, 1280)
    assert "subsets of 50 images" in warning
    assert KernelDistance().warnings(1000, 1000, 1280) == []


def test_neighbourhoods_of_more_than_a_tenth_of_a_set_give_a_warning() -> None:
    (warning,) = PrecisionRecall().warnings(2000, 49, 1280)
    assert "49 real" in warning
    assert "50 or more" in warning
    assert PrecisionRecall().warnings(50, 50, 1280) == []


def test_an_image_needs_k_others() -> None:
    with pytest.raises(TooFewNeighboursError, match="of 5 images with k=5 neighbours: expected more than 5"):
        require_neighbours(5, 5)
    require_neighbours(6, 5)
    with pytest.raises(ValueError, match="k=0"):
        require_neighbours(6, 0)


@pytest.mark.parametrize(("samples", "reals"), [(5, 100), (100, 5)])
def test_either_set_may_be_too_small_for_its_neighbourhoods(samples: int, reals: int) -> None:
    with pytest.raises(TooFewNeighboursError, match="of 5 images"):
        PrecisionRecall().check(samples, reals, 1)


def test_a_block_needs_what_its_metric_needs() -> None:
    with pytest.raises(TooFewForBlocksError, match=r"5 blocks of 29 images have 5 each: .* 6 .* use 30 images or more"):
        PrecisionRecall().check(29, 100, 5)
    PrecisionRecall().check(30, 100, 5)
    with pytest.raises(TooFewForBlocksError, match=r"5 blocks of 9 images have 1 each: expected 2 or more for FID"):
        Fid().check(9, 100, 5)


def test_blocks_are_disjoint_runs_of_seeds_and_a_remainder_is_left_out() -> None:
    parts = split(torch.arange(11.0)[:, None], 3)
    assert [part.flatten().tolist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_blocks_give_their_mean_and_their_standard_deviation() -> None:
    """1, 5 and 9: 5 on average, and √((16 + 0 + 16) / 2) = 4 apart. What one block lacks is left out."""
    blocks: list[Numbers] = [
        {"a": (1.0, None), "b": (0.0, None)},
        {"a": (5.0, 0.1), "b": (0.0, None)},
        {"a": (9.0, None)},
    ]
    assert over_blocks(blocks) == {"a": (5.0, 4.0)}
    assert over_blocks(blocks[1:2]) == blocks[1]
