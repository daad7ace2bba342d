"""`lfsgan report` of a benchmark: its images are those that `lfsgan generate` generates from the same tasks."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from lfsgan_cli.report.build import BenchmarkReport
from tests.commands.test_benchmark import RUN, write
from tests.report.conftest import elements, write_benchmark

if TYPE_CHECKING:
    from tests.conftest import Program

PAGE = "out/report.html"


def pictures(program: "Program") -> dict[str, bytes]:
    """The page's images under what they are said to show."""
    found = elements(program.contents(PAGE).decode()).of("img")
    sources = {str(one.attributes["alt"]): str(one.attributes["src"]) for one in found}
    return {alt: pixels(base64.b64decode(url.partition(",")[2])) for alt, url in sources.items()}


def pixels(png: bytes) -> bytes:
    return Image.open(io.BytesIO(png)).tobytes()


def test_the_same_seeds_are_generated_by_what_each_method_has_after_its_last_step(program: "Program") -> None:
    write(program, steps=2)
    program.done(*RUN)
    program.done("report", "out")
    found = pictures(program)
    drawn = {
        "cats by left": "left/cats",
        "dogs by left": "left/dogs",
        "cats by full": "full/dogs",  # one network: its latest task generates all domains
        "dogs by full": "full/dogs",
        "1: cats": "full/cats",  # and this is how it drew the first one when that was its latest
        "2: dogs": "full/dogs",
    }
    for alt, place in drawn.items():
        method, task = place.split("/")
        program.done(
            "generate", "--workspace", f"out/{method}/seed0", "--task", task, "-n", 10, "--outdir", f"seen/{method}"
        )
        for seed in range(10):
            assert found[f"{alt}, seed {seed}"] == pixels(program.contents(f"seen/{place}/seed{seed:04}.png")), alt
    assert found["1: cats, seed 0"] != found["2: dogs, seed 0"]
    assert "dogs, training image 4" in found
    report, told = BenchmarkReport(Path("out")), list[int]()
    report.page(torch.device("cpu"), told.append)
    assert report.pictures() == sum(told) == 40  # ten seeds by each of four tasks, though six rows show them


def test_what_was_removed_or_damaged_is_named_and_the_numbers_are_reported(program: "Program") -> None:
    write_benchmark(Path("out"))
    tasks = program.folder / "out/left/seed0/tasks"
    tasks.mkdir(parents=True)
    tasks.joinpath("cats.safetensors").write_bytes(b"broken")
    told = json.loads(program.done("report", "out", "--json").stdout)["left_out"]
    assert set(told) == {"full/seed0", "left/seed0/cats", "left/seed0/dogs", "left/seed0/owls"}
    assert "cats.safetensors" in told["left/seed0/cats"]
    assert told["left/seed0/dogs"].startswith("'out/left/seed0/tasks/dogs.safetensors' is missing")
    assert "Average forgetting" in program.contents(PAGE).decode()
    assert pictures(program) == {}


def test_a_task_of_another_base_is_named(learned: "Program") -> None:
    write_benchmark(Path("out"))
    shutil.copytree("lfsgan_workspace", "out/left/seed0")
    Path("out/left/seed0/base.safetensors").unlink()  # the embedded one stands in, which it was not learned on
    told = json.loads(learned.done("report", "out", "--json").stdout)["left_out"]
    assert "was learned on base" in told["left/seed0/cats"]
