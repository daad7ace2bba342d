"""A third party's adapter: installed by one command, and then as good as a built-in one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.install

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "examples" / "few_shots" / "lorelei"
Program = Callable[..., str]


@pytest.fixture
def with_bitfit(run: Program) -> Program:
    run("python", "-m", "pip", "install", ROOT / "examples" / "lfsgan-bitfit")
    return run


def test_it_is_listed_beside_the_built_in_ones(with_bitfit: Program) -> None:
    found = json.loads(with_bitfit("lfsgan", "adapters", "--json"))["adapters"]
    assert {"bitfit": "lfsgan-bitfit", "left": "lfsgan"}.items() <= {
        one["name"]: one["distribution"] for one in found
    }.items()


def test_it_learns_and_generates_a_task(with_bitfit: Program, tmp_path: Path) -> None:
    learn = ("--images", SHOTS, "--name", "lorelei", "--adapter", "bitfit", "-o", "scale=2", "--steps", 2, "--batch", 2)
    with_bitfit("lfsgan", "learn-task", *learn)
    task = json.loads(with_bitfit("lfsgan", "tasks", "show", "lorelei", "--json"))
    assert (task["adapter"], task["config"]) == ("bitfit", {"scale": 2.0})

    with_bitfit("lfsgan", "generate", "--task", "lorelei", "-n", 2)
    drawn = {path.name for path in (tmp_path / "out" / "lorelei").iterdir()}
    assert {"seed0000.png", "seed0001.png"} <= drawn


def test_its_own_test_passes_where_only_pytest_is_added(with_bitfit: Program) -> None:
    with_bitfit("python", "-m", "pip", "install", "-c", ROOT / "constraints.txt", "pytest")
    printed = with_bitfit("python", "-m", "pytest", "-p", "no:cacheprovider", ROOT / "examples" / "lfsgan-bitfit")
    assert "1 passed" in printed
