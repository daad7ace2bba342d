"""Copies of the shots are caught, and real pictures are not, by perceptual distances and by plain ones."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.perceptual import EfficientNetEmbedder, Embedder, pairwise
from lfsgan_cli.evaluation.extractors.pixels import PixelEmbedder
from lfsgan_cli.evaluation.metrics.memorization import (
    Memorization,
    NoReferenceError,
    Pair,
    closest,
    held_out,
    leave_one_out,
    memorization,
)
from lfsgan_cli.evaluation.registry import TooFewToMeasureError, quantity
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.workspace.workspace import Workspace


def judged(judge: Embedder, pictures: Tensor, shots: Tensor) -> Memorization:
    """What the judge says of pictures, uint8 [N, 3, R, R], by the shots alone."""
    centres = judge.embed(shots)
    return memorization(pairwise(judge.embed(pictures), centres), pairwise(centres, centres))


def noisy(pictures: Tensor, levels: int) -> Tensor:
    """Each level changed by up to `levels`."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(-levels, levels + 1, pictures.shape, generator=rng)
    return (pictures.int() + noise).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def avatars(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """Different portraits of one style, drawn by the embedded base: uint8 [130, 3, 64, 64]."""
    base = Workspace(tmp_path_factory.mktemp("none")).base
    return torch.cat(list(sample(base.average, range(130))))


@pytest.fixture(scope="module", params=["perceptual", "pixels"])
def either(request: pytest.FixtureRequest, judge: EfficientNetEmbedder) -> Embedder:
    return judge if request.param == "perceptual" else PixelEmbedder()


@pytest.fixture(scope="module")
def embedded(either: Embedder, avatars: Tensor) -> Tensor:
    return torch.cat([either.embed(part) for part in torch.split(avatars, either.batch)])


@pytest.fixture(scope="module")
def apart(embedded: Tensor) -> Tensor:
    """The distances of all avatars from the first ten, which serve as shots: [130, 10]."""
    return pairwise(embedded, embedded[:10])


@pytest.mark.parametrize("style", [0, 1, 2], ids=["lorelei", "notionists", "openPeeps"])
@pytest.mark.parametrize("levels", [0, 1], ids=["exact", "noisy"])
def test_a_memorizer_is_caught_by_the_shots_alone(portraits: Tensor, either: Embedder, style: int, levels: int) -> None:
    shots = portraits[10 * style : 10 * style + 10]
    found = judged(either, noisy(shots.repeat(2, 1, 1, 1), levels), shots)
    assert found.share == 1
    assert found.closer == 1
    assert (found.reference, found.references) == ("each training image against the others", 10)


def test_a_memorizer_is_caught_by_held_out_portraits_too(
    avatars: Tensor, either: Embedder, embedded: Tensor, apart: Tensor
) -> None:
    copies = pairwise(either.embed(noisy(avatars[:10], 1)), embedded[:10])
    found = memorization(torch.cat([copies, apart[70:80]]), apart[:10], apart[10:70])
    assert found.share == pytest.approx(0.5, abs=0.1)  # half of them are copies
    assert (found.reference, found.references) == ("held-out images", 60)


def test_each_judge_catches_what_hides_from_the_other(portraits: Tensor, judge: EfficientNetEmbedder) -> None:
    shots = portraits[:10]
    grainy, shifted = noisy(shots, 8), torch.roll(shots, 1, 3)
    assert judged(judge, grainy, shots).share == 0
    assert judged(PixelEmbedder(), grainy, shots).share == 1
    assert judged(judge, shifted, shots).share == 1
    assert judged(PixelEmbedder(), shifted, shots).share < 0.5


def test_real_against_real_is_near_the_floor(apart: Tensor) -> None:
    found = memorization(apart[70:], apart[:10], apart[10:70])
    assert found.floor == pytest.approx(1 / 61)
    assert found.share <= 0.1  # one of sixty is expected, every further one half as likely: more than six, one in 128
    assert found.closer == pytest.approx(0.5, abs=0.16)  # three standard deviations of U for 60 and 60
    assert found.nearest == pytest.approx(found.expected, rel=0.1)


def test_pictures_that_miss_the_domain_are_farther_than_real_ones(
    either: Embedder, portraits: Tensor, embedded: Tensor, apart: Tensor
) -> None:
    found = memorization(pairwise(either.embed(portraits[:10]), embedded[:10]), apart[:10], apart[10:70])
    assert found.share == 0
    assert found.closer < 0.1


def test_shots_among_the_real_pictures_are_not_held_out(apart: Tensor) -> None:
    within = apart[:10]
    assert memorization(apart[70:], within, apart[:70]) == memorization(apart[70:], within, apart[10:70])
    assert memorization(apart[70:], within, within) == memorization(apart[70:], within)


@pytest.mark.parametrize("count", [1, 2, 5, 10])
def test_shots_among_the_real_pictures_are_known_however_few_they_are(embedded_portraits: Tensor, count: int) -> None:
    # A long float32 sum loses as much as `SAME` allows, and only for a few shots: how it is summed depends on them.
    to_shots = pairwise(embedded_portraits, embedded_portraits[:count])
    assert len(held_out(to_shots)) == len(embedded_portraits) - count


@pytest.mark.parametrize(("count", "rank"), [(1, 1), (100, 1), (101, 2), (250, 3), (1000, 10)])
def test_the_threshold_is_the_first_percentile_of_the_references(count: int, rank: int) -> None:
    references = (
        torch.arange(1, count + 1)[:, None] / count
    )  # count / 100 of them, rounded up, are at most the threshold
    found = memorization(torch.ones(2, 1), torch.zeros(1, 1), references)
    assert found.threshold == pytest.approx(rank / count)
    assert found.floor == pytest.approx(rank / (count + 1))


def test_closer_counts_the_pairs_as_a_double_loop_does() -> None:
    rng = torch.Generator().manual_seed(0)
    pictures, reals = (torch.randint(1, 6, (n, 3), generator=rng).float() for n in (9, 14))  # with many ties
    loop = [(a < b) + (a == b) / 2 for a in pictures.amin(1).tolist() for b in reals.amin(1).tolist()]
    assert memorization(pictures, torch.zeros(3, 3), reals).closer == pytest.approx(sum(loop) / len(loop))


def test_real_images_are_closer_half_of_the_time_copies_always_and_another_domain_never() -> None:
    shots, copies, misses = torch.ones(3, 3), torch.zeros(4, 3), torch.full((4, 3), 9.0)
    assert memorization(copies, shots, shots).closer == 1
    assert memorization(misses, shots, shots).closer == 0
    found = quantity("closer")
    assert found is not None
    assert memorization(shots, shots, shots).closer == found.best


def test_the_closest_pairs_come_first_and_name_a_picture_once() -> None:
    distances = torch.tensor([[0.5, 0.25], [0.125, 0.0], [0.75, 1.0]])
    assert closest(distances, 2) == [Pair(1, 1, 0.0), Pair(0, 1, 0.25)]
    assert len(closest(distances, 10)) == 3


def test_a_shot_given_twice_is_no_reference_for_itself() -> None:
    within = torch.tensor([[0.0, 0.0, 0.3], [0.0, 0.0, 0.3], [0.3, 0.3, 0.0]])
    assert leave_one_out(within).tolist() == pytest.approx([0.3] * 3)
    assert held_out(within).numel() == 0


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(NoReferenceError, match="pass more images with --reals"):
        memorization(torch.ones(2, 1), torch.zeros(1, 1))
    with pytest.raises(TooFewToMeasureError, match="memorization of one image"):
        memorization(torch.ones(1, 2), torch.ones(2, 2))
