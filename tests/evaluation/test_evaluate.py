"""Sides of one set, such as the domains that one network is to draw, are measured by one look at the set."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lfsgan_cli.evaluation.evaluate import Evaluation, Measurement, NotMeasured, NoTrainingImagesError
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures
from lfsgan_cli.evaluation.extractors.perceptual import EfficientNetEmbedder
from lfsgan_cli.evaluation.features import FeatureExtractors
from lfsgan_cli.evaluation.image_sets import ImageSet, SampleImages, foreign, stored_images
from lfsgan_cli.evaluation.registry import metrics

PORTRAITS = Path(__file__).parents[2] / "examples" / "few_shots"
COUNT = 10  # portraits of each style
DOMAINS = {
    "notionists": "lorelei",
    "lorelei": "notionists",
}  # the style of the training images, and of what is held out
WANTED = ("fid", "lpips", "memorization")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def drawn() -> ImageSet:
    """Ten portraits of a third style, as if one network had generated them."""
    return foreign(PORTRAITS / "openPeeps", None)


def sides(drawn: ImageSet) -> list[ImageSet]:
    """That set as each of two domains."""
    side = drawn.resolution
    return [
        replace(
            drawn,
            title=name,
            few_shots=stored_images(PORTRAITS / name, side),
            reals=stored_images(PORTRAITS / others, side),
        )
        for name, others in DOMAINS.items()
    ]


def evaluation(sets: list[ImageSet], keys: Sequence[str] = WANTED, blocks: int = 1) -> Evaluation:
    extractor = EfficientNetFeatures()
    extractors = FeatureExtractors(extractor, EfficientNetEmbedder(extractor))
    return Evaluation(sets, None, [metrics()[key] for key in keys], extractors, COUNT, blocks)


def measured(found: Iterable[Measurement | NotMeasured]) -> list[Measurement]:
    several = list(found)
    assert not [one for one in several if isinstance(one, NotMeasured)]
    return [one for one in several if isinstance(one, Measurement)]


def values(found: Iterable[Measurement | NotMeasured]) -> list[tuple[str, str, float]]:
    return [(one.task, one.value.name, one.value.value) for one in measured(found)]


def test_two_sides_of_one_set_have_the_numbers_that_each_has_alone_by_one_look_at_it(drawn: ImageSet) -> None:
    opened: list[str] = []
    looked: list[int] = []

    def open_drawn() -> SampleImages:
        opened.append(drawn.title)
        return drawn.open()

    both = evaluation(sides(replace(drawn, open=open_drawn)))
    together = values(both.run(looked.append))
    assert len(opened) == 1
    assert sum(looked) == both.images() == 3 * COUNT  # the set once, and what each side is compared with
    alone = [value for side in sides(drawn) for value in values(evaluation([side]).run(looked.append))]
    assert together == alone
    assert {task for task, *_ in together} == DOMAINS.keys()


def test_images_that_fill_no_block_are_left_out(drawn: ImageSet) -> None:
    [side, _] = sides(drawn)
    numbers = measured(evaluation([side], ["lpips"], blocks=3).run(lambda _: None))
    assert {sum(map(sum, one.value.note["clusters"])) for one in numbers} == {9}
    assert {name for _, name, _ in values(numbers)} > {"b_lpips[lpips-efficientnet-lite0] n=3 blocks=3"}


def test_a_side_with_nothing_to_be_compared_with_is_refused(drawn: ImageSet) -> None:
    with pytest.raises(NoTrainingImagesError, match="images to compare with by --reals"):
        evaluation([drawn]).check()


def test_features_of_another_device_or_of_tf32_are_not_taken_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = EfficientNetFeatures()
    cpu, gpu = (
        FeatureExtractors(extractor, EfficientNetEmbedder(extractor), torch.device(name)) for name in ("cpu", "cuda")
    )
    keys = []
    for allowed in (False, True):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
        keys += [cpu.arithmetic, gpu.arithmetic]
    assert keys[0] == keys[2]  # a setting of GPUs
    assert len({str(key) for key in keys}) == 3
