"""The samples of a benchmark: every method at the same seeds, as it is after its last step."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsgan_cli.benchmark.results import read_runs
from lfsgan_cli.generation.output import encode
from lfsgan_cli.report.benchmark import SIDE, Source, page_of, sources
from lfsgan_cli.report.images import Samples
from lfsgan_cli.report.model import Block, Gallery, Gap, Page, Picture, SeedRows
from tests.report.conftest import TASKS

KEYS = [f"{method}/seed0/{task}" for method in ("left", "full") for task in TASKS]


def png(shade: int, side: int = 2) -> bytes:
    return encode(np.full((side, side, 3), shade, np.uint8), {})


ROWS = {key: (png(10 * index), png(10 * index + 1)) for index, key in enumerate(KEYS, start=1)}


def page(folder: Path, rows: Mapping[str, tuple[bytes, ...]] = ROWS, refused: Mapping[str, str] | None = None) -> Page:
    return page_of(folder, read_runs(folder), Samples((0, 1), rows, refused or {}))


def blocks(page: Page, anchor: str) -> tuple[Block, ...]:
    [section] = [one for one in page.walk() if one.anchor == anchor]
    return section.flat()


def rows(page: Page, anchor: str) -> SeedRows:
    [block] = [block for block in blocks(page, anchor) if isinstance(block, SeedRows)]
    return block


def drawn(block: SeedRows) -> dict[str, tuple[bytes, ...]]:
    return {name: tuple(picture.data for picture in pictures) for name, pictures in block.rows}


def keep(bench: Path, lines: list[dict[str, Any]]) -> None:
    bench.joinpath("runs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_every_task_of_the_first_seed_is_generated_once(bench: Path) -> None:
    found = sources(read_runs(bench))
    assert {source.key for source in found} == set(KEYS)
    assert len(found) == len(KEYS)
    assert found[0] == Source("left", 0, "cats")


def test_an_adapter_generates_a_domain_from_its_own_task_and_one_network_from_its_latest(bench: Path) -> None:
    for number, domain in enumerate(TASKS, start=1):
        block = rows(page(bench), f"samples-{number}")
        assert drawn(block) == {"left": ROWS[f"left/seed0/{domain}"], "full": ROWS["full/seed0/owls"]}
        assert block.rows[1][1][1].alt == f"{domain} by full, seed 1"
    assert rows(page(bench), "samples-1").note == "full has one network, here as it is after owls."
    assert rows(page(bench), "samples-3").note == ""


def test_what_one_network_forgets_is_shown_step_by_step(bench: Path) -> None:
    block = rows(page(bench), "forgetting")  # one block: what `left` draws for cats stays the same
    assert block.title == "The first domain, cats, from full after each step"
    assert drawn(block) == {f"{step}: {task}": ROWS[f"full/seed0/{task}"] for step, task in enumerate(TASKS, start=1)}


def test_a_method_that_is_halfway_is_shown_as_far_as_it_is(bench: Path, lines: list[dict[str, Any]]) -> None:
    keep(bench, [line for line in lines if line["method"] == "left" or line["step"] <= 2])
    assert {source.key for source in sources(read_runs(bench))} == {*KEYS} - {"full/seed0/owls"}
    assert drawn(rows(page(bench), "samples-1"))["full"] == ROWS["full/seed0/dogs"]
    assert list(drawn(rows(page(bench), "samples-3"))) == ["left"]
    assert rows(page(bench), "samples-3").note == "full has not learned it yet."
    assert len(rows(page(bench), "forgetting").rows) == 2


def test_after_one_step_nothing_can_be_forgotten_yet(bench: Path, lines: list[dict[str, Any]]) -> None:
    keep(bench, [line for line in lines if line["step"] == 1])
    assert not [block for block in blocks(page(bench), "forgetting") if isinstance(block, SeedRows)]


def test_what_cannot_be_generated_is_said_once_and_the_rest_is_shown(bench: Path) -> None:
    some = {key: row for key, row in ROWS.items() if key.startswith("left")}
    found = page(bench, some, {"full/seed0": "it is gone"})
    assert blocks(found, "samples") == (Gap("full/seed0 is left out", "it is gone."),)
    assert list(drawn(rows(found, "samples-2"))) == ["left"]
    assert rows(found, "samples-2").note == "full is left out."
    assert blocks(page(bench, {}), "samples-2")[1] == Gap("No samples", "left is left out. full is left out.")


@pytest.mark.parametrize("place", ["left/seed0", "full/seed1"])
def test_training_images_stand_above_wherever_they_are_kept(bench: Path, place: str) -> None:
    assert isinstance(blocks(page(bench), "samples-1")[0], Gap)
    folder = bench / place / "tasks/cats/few_shots"
    folder.mkdir(parents=True)
    folder.joinpath("000000.png").write_bytes(png(7))
    gallery = blocks(page(bench), "samples-1")[0]
    assert isinstance(gallery, Gallery)
    assert gallery.pictures == (Picture(png(7), "cats, training image 1"),)


def test_large_drawings_are_reduced(bench: Path) -> None:
    large = {key: (png(1, 2 * SIDE),) for key in KEYS}
    assert rows(page(bench, large), "samples-1").rows[0][1][0].size == (SIDE, SIDE)


def test_before_the_first_step_there_is_nothing_to_draw(bench: Path) -> None:
    keep(bench, [])
    assert sources(read_runs(bench)) == []
    assert blocks(page(bench), "samples") == (Gap("No samples yet", "No step is finished."),)
