"""Outliers: held-out real images have a rate of a percent, malformed ones of one, and too few reals are refused."""

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lfsgan_cli.evaluation.features import Batch
from lfsgan_cli.evaluation.metrics.outliers import (
    METRIC,
    WORST,
    NotCalibratedError,
    PartError,
    PixelCollector,
    calibrate,
    nearest,
    parse_parts,
)
from lfsgan_cli.evaluation.registry import Collected, Rows, Setting, Value
from tests.conftest import paint

if TYPE_CHECKING:
    from tests.conftest import Program

EYES = {"eyes": (0.25, 0.25, 0.75, 0.5)}


def discs(count: int, seed: int) -> Tensor:
    """Discs of three colours at changing places on white: uint8 [count, 3, 64, 64]."""
    rng = np.random.RandomState(seed)
    rows, columns = np.mgrid[:64, :64]
    images = np.full((count, 64, 64, 3), 255, np.uint8)
    for image in images:
        inside = (rows - rng.randint(24, 40)) ** 2 + (columns - rng.randint(24, 40)) ** 2 < rng.randint(12, 18) ** 2
        image[inside] = [(200, 60, 60), (60, 160, 80), (70, 80, 200)][rng.randint(3)]
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def collected(images: Tensor, setting: Setting) -> Collected:
    collectors = METRIC.collectors(setting)
    for collector in collectors.values():
        for part in torch.split(images, 37):
            collector.see(Batch(part))
    return Collected(len(images), {name: one.result for name, one in collectors.items()})


def measured(samples: Tensor, reals: Tensor, *, blocks: int = 1, parts: bool = False) -> tuple[list[Value], Rows]:
    setting = Setting(len(samples), blocks, "", "", "", None, held_out=True, options={"parts": EYES} if parts else {})
    found = list(METRIC.measure(collected(samples, setting), collected(reals, setting), setting))
    rows = found[-1]
    assert isinstance(rows, Rows)
    return [one for one in found if isinstance(one, Value)], rows


def test_new_real_images_have_a_rate_of_about_a_percent_and_noise_of_one() -> None:
    reals, fresh = discs(2000, seed=0), discs(1000, seed=1)
    noise = torch.randint(0, 256, fresh.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert measured(fresh, reals)[0][0].value < 0.03  # of 200 held-out images the 99th percentile varies that much
    assert measured(noise, reals)[0][0].value == 1


def test_the_name_and_the_record_have_counts_and_threshold() -> None:
    value = measured(discs(30, seed=1), discs(240, seed=0))[0][0]
    assert value.name == "outliers[grey-32] n=30 reals=240"
    assert value.note["held_out"] == 100
    assert value.note["outliers"] == round(30 * value.value)
    assert value.note["threshold"] > 0


def test_distances_are_those_of_a_plain_double_loop() -> None:
    """Grey at 32×32 by means over areas; a tenth held out; the 99th percentile of their nearest distances."""
    reals, samples = discs(240, seed=0), discs(40, seed=1).clone()
    samples[:5] = 255 - samples[:5]

    def grey(images: Tensor) -> list[np.ndarray]:
        pictures = [Image.fromarray(one.permute(1, 2, 0).numpy()).convert("L") for one in images]
        return [np.asarray(one.resize((32, 32), Image.Resampling.BOX), np.float64) for one in pictures]

    order = np.random.RandomState(0).permutation(240)
    known = grey(reals)
    held, kept = [known[i] for i in order[:100]], [known[i] for i in order[100:]]
    threshold = np.quantile([min(np.linalg.norm(one - other) for other in kept) for one in held], 0.99)
    loop = [min(float(np.linalg.norm(one - other)) for other in kept) for one in grey(samples)]
    (value,), rows = measured(samples, reals)
    assert value.note["threshold"] == pytest.approx(float(threshold), rel=1e-9)
    assert value.note["outliers"] == sum(distance > threshold for distance in loop) >= 5
    assert rows.samples == np.argsort(loop)[::-1][:WORST].tolist()
    pairs = zip(rows.samples, rows.others, strict=True)
    assert all(np.linalg.norm(grey(samples[[i]])[0] - known[j]) == pytest.approx(loop[i]) for i, j in pairs)


def test_a_spoilt_part_is_an_outlier_of_that_part_alone() -> None:
    reals, spoilt = discs(300, seed=0), discs(20, seed=1)
    spoilt[:, :, 20:24, 28:36] = 0
    whole, eyes = measured(spoilt, reals, parts=True)[0]
    assert eyes.name == "outliers[eyes:rgb-16] n=20 reals=300"
    assert (eyes.note["part"], eyes.note["crop"]) == ("eyes", [0.25, 0.25, 0.75, 0.5])
    assert eyes.value > whole.value


def test_blocks_give_a_mean_and_a_deviation() -> None:
    good, bad, reals = discs(20, seed=1), 255 - discs(20, seed=2), discs(240, seed=0)
    (value,), _ = measured(torch.cat([good, bad]), reals, blocks=2)
    assert value.name == "outliers[grey-32] n=20 blocks=2 reals=240"
    alone = [measured(one, reals)[0][0].value for one in (good, bad)]
    assert alone[1] == 1 > alone[0]
    assert (value.value, value.error) == pytest.approx((statistics.fmean(alone), statistics.stdev(alone)))


def test_a_crop_is_in_colour_and_the_whole_image_is_not() -> None:
    red = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    red[:, 0] = 255
    whole, part = PixelCollector(None), PixelCollector(EYES["eyes"])
    for one in (whole, part):
        one.see(Batch(red))
    assert whole.result().tolist() == [[76.0] * 32 * 32] * 2
    assert part.result().tolist() == [[255.0, 0, 0] * 16 * 16] * 2
    assert whole.key != part.key


def test_the_nearest_of_equal_images_is_at_no_distance() -> None:
    levels = torch.rand(10, 1024, generator=torch.Generator().manual_seed(0)).mul(255).round()
    distances, indices = nearest(levels, levels.flip(0))
    assert distances.tolist() == [0.0] * 10
    assert indices.tolist() == list(range(9, -1, -1))


def test_a_tenth_is_held_out_and_never_compared_with_itself() -> None:
    found = calibrate(torch.arange(3000.0)[:, None])
    assert (found.held_out, len(found.levels)) == (300, 2700)
    assert found.threshold >= 1


def test_fewer_than_two_hundred_reals_are_refused() -> None:
    METRIC.check(10, 200, 1)
    with pytest.raises(NotCalibratedError, match="199 real images: expected 200 or more; pass the full set"):
        METRIC.check(10, 199, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.toml", "eyes = [0.3, 0.4, 0.7, 0.55]\nmouth = [0.4, 0.6, 0.6, 0.7]\n"),
     ("p.json", '{"eyes": [0.3, 0.4, 0.7, 0.55], "mouth": [0.4, 0.6, 0.6, 0.7]}')],
)  # fmt: skip
def test_parts_may_stand_in_a_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    words = ["eyes=0.3,0.4,0.7,0.55", "mouth=0.4,0.6,0.6,0.7"]
    assert parse_parts([str(path)]) == parse_parts(words) == parse_parts([" ".join(words)])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["eyes=1,2,3"], "'eyes' has not four numbers"),
        (["eyes=0,0,1,x"], "'eyes' has not four numbers"),
        (["eyes=0.7,0,0.3,1"], "'eyes' is no area within the image"),
        (["eyes=0,0,1,1.5"], "'eyes' is no area within the image"),
        (["eyes=nan,0,1,1"], "'eyes' is no area within the image"),
        (["eyes=0,0,1,1", "eyes=0,0,1,1"], "'eyes' is given twice"),
        (["=0,0,1,1"], "'' cannot name a part"),
        (["nowhere.toml"], "no such file can be read"),
        ([__file__], "the file is neither TOML nor JSON"),
    ],
)
def test_a_mistaken_part_is_one_line_with_the_form_that_was_expected(values: list[str], reason: str) -> None:
    with pytest.raises(PartError, match=r"expected NAME=LEFT,TOP,RIGHT,BOTTOM") as caught:
        parse_parts(values)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_writes_number_and_grid_and_measures_the_rest_without_enough_reals(learned: "Program") -> None:
    few = learned.done("evaluate", "--outliers", "--fid", "-n", 4, "--reals", "data", "--json")
    assert [one["metric"] for one in json.loads(few.stdout)["results"]] == ["fid"]
    assert "outliers of cats is not measured: the outlier rate cannot be calibrated with 12 real images" in few.stderr
    assert "cannot be calibrated" in learned.refused("evaluate", "--outliers", "-n", 4, "--reals", "data")
    assert "--outliers" in learned.refused("evaluate", "--fid", "-n", 4, "--parts", "eyes=0,0,1,0.5")
    paint(learned.folder / "many", 220, seed=5)
    words = ("evaluate", "--outliers", "--parts", "top=0,0,1,0.5", "-n", 4, "--reals", "many", "--json")
    found = json.loads(learned.done(*words).stdout)["results"]
    assert [one["name"].split()[0] for one in found] == ["outliers[grey-32]", "outliers[top:rgb-16]"]
    with Image.open(learned.folder / "lfsgan_workspace/tasks/cats/outliers.png") as sheet:
        note = json.loads(sheet.text["lfsgan"])  # type: ignore[attr-defined]
    assert len(note["worst"]) == 4
