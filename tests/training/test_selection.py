"""The best snapshot is the one whose pictures are spread as held-out shots are, and copy none that was learned."""

import pytest
import torch
from lfsgan_adapters.left import LeFT
from torch import Tensor

from lfsgan_cli.apply import adapt
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.selection import Best, copies
from tests.brightness import InBrightness


def by_brightness(shots: Tensor) -> InBrightness:
    """The likeness to pictures [K, 3, R, R] that are no levels of 255."""
    likeness = InBrightness([])
    likeness.shots = likeness.embed(shots)
    return likeness


def test_a_copy_is_nearer_to_a_shot_than_half_the_way_between_two() -> None:
    shots = torch.tensor([0.0, 1.0, 3.0])[:, None, None, None].expand(-1, 3, 4, 4)
    drawn = torch.tensor([[0.4], [0.6], [2.0], [3.0], [9.0]])
    assert float(copies(by_brightness(shots), drawn)) == pytest.approx(3 / 5)


def test_a_shot_that_is_there_twice_changes_nothing_and_shots_that_are_all_one_call_nothing_a_copy() -> None:
    drawn = torch.tensor([[0.4], [0.6], [2.0], [3.0], [9.0]])
    for levels, share in (
        ([0.0, 1.0, 1.0, 3.0], 3 / 5),
        ([0.0, 1.0, 1.01, 3.0], 3 / 5),  # or nearly twice
        ([3.0, 3.0], 0.0),
        ([3.0], 0.0),
    ):
        shots = torch.tensor(levels)[:, None, None, None].expand(-1, 3, 4, 4)
        assert float(copies(by_brightness(shots), drawn)) == pytest.approx(share), levels


class Counting(Best):
    """Counts how often it looks."""

    looks = 0

    def judged(self) -> Tensor:
        self.looks += 1
        return torch.zeros(())


def looked_at(total: int) -> list[int]:
    """The steps of a run of so many after which it is looked at."""
    base = tiny_generator()
    average = LeFT(base, LeFT.Config(rank=1))
    shots = torch.zeros(2, 3, 16, 16)
    selection, steps = Counting(average, adapt(base, average), shots, by_brightness(shots), total), []
    for done in range(1, total + 1):
        before = selection.looks
        selection.look(done)
        steps += [done] * (selection.looks - before)
    return steps


@pytest.mark.parametrize(("total", "looks"), [(1400, 10), (1499, 10), (19, 10), (11, 6), (7, 7), (1, 1)])
def test_a_run_is_looked_at_ten_times_at_most_and_at_its_end(total: int, looks: int) -> None:
    seen = looked_at(total)
    assert len(seen) == looks
    assert seen[-1] == total


def best_of(offsets: list[float]) -> tuple[Best, LeFT, list[float]]:
    """A selection that looked at a run whose pictures were shifted, step by step, by these amounts."""
    base = tiny_generator()
    with torch.random.fork_rng(devices=[]):
        average = LeFT(base, LeFT.Config(rank=1, biases=True))
    colours = average.weights["synthesis.to_rgbs.2.bias"].get_parameter("add").data
    with torch.no_grad():
        plain = adapt(base, average)(torch.randn(64, 16, generator=torch.Generator().manual_seed(0)))
    selection = Best(average, adapt(base, average), plain[:8], by_brightness(plain[:2] + 100), len(offsets))
    scores = []
    for done, offset in enumerate(offsets, start=1):
        colours.fill_(offset)
        scores.append(float(selection.judged()))
        selection.look(done)
    return selection, average, scores


def test_the_best_of_all_looks_is_kept() -> None:
    selection, _, scores = best_of([3.0, 2.0, 0.0, 1.0, 5.0])
    kept = selection.chosen.get_submodule("weights.synthesis/to_rgbs/2/bias").get_parameter("add")
    assert scores.index(min(scores)) == 2
    assert float(selection.score) == pytest.approx(min(scores))
    assert kept.tolist() == [[[[0.0]], [[0.0]], [[0.0]]]]


def test_looking_draws_nothing_from_the_run() -> None:
    state = torch.get_rng_state()
    best_of([1.0, 2.0])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_snapshot_that_copies_loses_to_one_that_is_farther_off_but_copies_nothing() -> None:
    base = tiny_generator()
    with torch.random.fork_rng(devices=[]):
        average = LeFT(base, LeFT.Config(rank=1))
    view = adapt(base, average)
    plain = view(torch.randn(64, 16, generator=torch.Generator().manual_seed(0))).detach()
    own, far = plain[:8] + 0.01, torch.tensor([-100.0, 100.0])[:, None, None, None].expand(-1, 3, 16, 16)
    # One shot amid the pictures, the others far off: every picture is nearer to it than half the way to the next.
    copied = torch.cat([plain[:1], far])
    honest, copying = (Best(average, view, own, by_brightness(learned), 1).judged() for learned in (far + 1000, copied))
    assert float(copying - honest) == pytest.approx(1.0)  # COPYING, of a share of one
