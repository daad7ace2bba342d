"""Which way to learn passes through another: one that differs from it in its number of steps alone, if steady."""

from dataclasses import replace

import pytest

from lfsgan_cli.benchmark.plan import longest_first
from lfsgan_cli.benchmark.suite import Method
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import PAPER, TaskRecipe

STEADY = LearnConfig(decay=0.0)
WAY = TaskRecipe("left", (), STEADY)


def after(steps: int, way: TaskRecipe = WAY) -> TaskRecipe:
    return replace(way, training=replace(way.training, steps=steps))


def method(steps: int, way: TaskRecipe = WAY, name: str = "", *, sequential: bool = False) -> Method:
    return Method(name or f"{steps}", after(steps, way), sequential)


def test_what_has_a_steady_rate_passes_through_all_that_ends_earlier() -> None:
    assert after(20).passes(after(10))
    assert not after(20).passes(after(20))
    assert not after(10).passes(after(20))


def test_the_public_recipe_is_steady() -> None:
    paper = TaskRecipe("left", (), LearnConfig(**PAPER.training), "paper")
    assert paper.passes(after(1000, paper))


@pytest.mark.parametrize("setting", [{"decay": 0.3}, {"average_last": 0.2}, {"held_out": 2}])
def test_what_looks_at_the_end_before_it_comes_passes_through_nothing(setting: dict[str, float]) -> None:
    way = replace(WAY, training=replace(STEADY, **setting))  # type: ignore[arg-type]
    assert not after(20, way).passes(after(10, way))


@pytest.mark.parametrize(
    "other",
    [
        replace(WAY, adapter="cam"),
        replace(WAY, pairs=("rank=2",)),
        replace(WAY, recipe="paper"),
        WAY.seeded(1),
        replace(WAY, training=replace(STEADY, lr=0.1)),
    ],
)
def test_another_way_is_not_passed_through(other: TaskRecipe) -> None:
    assert not after(20).passes(after(10, other))


def test_one_network_for_all_tasks_starts_elsewhere_after_fewer_steps() -> None:
    assert method(20).passes(method(10))
    assert not method(20, sequential=True).passes(method(10, sequential=True))
    assert not method(20).passes(method(10, sequential=True))


def test_the_longest_comes_before_those_it_passes_through_and_all_others_stay_in_order() -> None:
    one, other = method(30, replace(WAY, adapter="full")), method(20, replace(WAY, adapter="cam"))
    names = [found.name for found in longest_first([other, method(10), one, method(40), method(25)])]
    assert names == ["20", "40", "25", "10", "30"]
