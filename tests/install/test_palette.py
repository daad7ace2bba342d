"""A third party's recipe: installed by one command, and then as good as a built-in one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.install

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "examples" / "few_shots" / "lorelei"
PLUGIN = ROOT / "examples" / "lfsgan-palette"
Program = Callable[..., str]


@pytest.fixture
def with_palette(run: Program) -> Program:
    run("python", "-m", "pip", "install", PLUGIN)
    return run


def test_it_is_listed_beside_the_built_in_ones(with_palette: Program) -> None:
    found = json.loads(with_palette("lfsgan", "recipes", "--json"))["recipes"]
    assert {"palette": "lfsgan-palette", "cdc": "lfsgan", "default": "lfsgan"}.items() <= {
        one["name"]: one["distribution"] for one in found
    }.items()


def test_it_learns_a_task_with_any_adapter(with_palette: Program) -> None:
    learn = ("--images", SHOTS, "--name", "lorelei", "--recipe", "palette", "--adapter", "delta-w", "--steps", 2)
    with_palette("lfsgan", "learn-task", *learn, "--batch", 2)
    training = json.loads(with_palette("lfsgan", "tasks", "show", "lorelei", "--json"))["training"]
    assert (training["recipe"], training["loss_weight"], training["steps"]) == ("palette", 10.0, 2)


def test_its_own_test_passes_where_only_pytest_is_added(with_palette: Program) -> None:
    with_palette("python", "-m", "pip", "install", "-c", ROOT / "constraints.txt", "pytest")
    assert "1 passed" in with_palette("python", "-m", "pytest", "-p", "no:cacheprovider", PLUGIN)


def test_a_method_is_added_in_at_most_eighty_lines() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in PLUGIN.iterdir() if path.is_file()]
    assert sum(lines) <= 80
