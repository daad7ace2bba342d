"""The order of the images is a function of the seed and of how many were seen."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfsgan_cli.training.batches import MOST_REFERENCES, Batches, batch_of, mirrored, reference_images, shuffled


@given(count=st.integers(1, 20), seed=st.integers(0, 2**32 - 1), seen=st.integers(0, 50))
def test_going_on_after_some_images_is_going_on(count: int, seed: int, seen: int) -> None:
    whole = list(islice(shuffled(count, seed, 0), seen + 30))
    assert list(islice(shuffled(count, seed, seen), 30)) == whole[seen:]


@given(count=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_every_epoch_shows_every_image_once(count: int, seed: int) -> None:
    order = shuffled(count, seed, 0)
    for _ in range(3):
        assert sorted(islice(order, count)) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = (list(islice(shuffled(50, 0, seen), 50)) for seen in (0, 50))
    assert first != second
    assert first != list(islice(shuffled(50, 1, 0), 50))


def test_networks_see_images_from_minus_one_to_one() -> None:
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 1] = [255, 0, 51]
    (seen,) = batch_of([picture], [0], torch.device("cpu"))
    assert seen.shape == (3, 2, 3)
    torch.testing.assert_close(seen[:, 0, 1], torch.tensor([1.0, -1.0, -0.6]))


def test_batches_read_ahead_come_in_order_and_as_they_are_read_at_once() -> None:
    images = np.random.RandomState(0).randint(0, 256, (6, 4, 4, 3), np.uint8)
    order = shuffled(6, 3, 0)
    batches = Batches(images, lambda: list(islice(order, 4)), torch.device("cpu"))
    expected = shuffled(6, 3, 0)
    for _ in range(5):
        indices, batch = batches.take()
        assert indices == list(islice(expected, 4))
        assert torch.equal(batch, batch_of(images, indices, torch.device("cpu")))


def test_an_image_that_cannot_be_read_ends_the_step_that_needs_it() -> None:
    class Broken:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> np.ndarray:
            if index:
                raise OSError("gone")
            return np.zeros((4, 4, 3), np.uint8)

    order = iter([[0], [1], [0]])
    batches = Batches(Broken(), lambda: next(order), torch.device("cpu"))
    assert batches.take()[0] == [0]
    with pytest.raises(OSError, match="gone"):
        batches.take()


def test_about_half_the_images_are_mirrored_and_none_is_changed_otherwise() -> None:
    images = torch.rand(200, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    flipped = mirrored(images, torch.Generator().manual_seed(0))
    are_flipped = (flipped == images.flip(3)).all((1, 2, 3))
    are_same = (flipped == images).all((1, 2, 3))
    assert bool((are_flipped ^ are_same).all())
    assert 70 < int(are_flipped.sum()) < 130  # 100 expected, 7 standard deviation


def test_few_images_are_all_compared_with_in_their_order_and_of_many_as_many_at_random() -> None:
    images = np.arange(3000, dtype=np.uint16).view(np.uint8).reshape(3000, 1, 1, 2)
    few, many, again = (reference_images(images[:count], seed=0) for count in (MOST_REFERENCES, 3000, 3000))
    assert np.array_equal(few, images[:MOST_REFERENCES])
    assert len({one.tobytes() for one in many}) == MOST_REFERENCES
    assert np.array_equal(many, again)
    assert not np.array_equal(many, reference_images(images, seed=1))
