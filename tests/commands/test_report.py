"""`lfsgan report`: one page of a workspace or a benchmark, which replaces nothing of anybody else."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from lfsgan_cli.report.model import Picture
from tests.report.conftest import elements, write_benchmark

if TYPE_CHECKING:
    from tests.conftest import Program

WORKSPACE = "lfsgan_workspace"
PAGE = f"{WORKSPACE}/report.html"


def page(program: "Program", path: str = PAGE) -> str:
    return program.contents(path).decode()


def test_a_workspace_is_reported_in_three_files_beside_it(learned: "Program") -> None:
    before = learned.tree()
    result = learned.done("report")
    assert result.stdout == f"{PAGE}\n"
    assert set(learned.tree()) - set(before) == {PAGE, f"{WORKSPACE}/report.md", f"{WORKSPACE}/report.csv"}
    assert {path: content for path, content in learned.tree().items() if path in before} == before


def test_training_images_and_samples_are_in_the_page_itself(learned: "Program") -> None:
    learned.done("report")
    learned.done("generate", "--task", "cats", "--with-base", "-n", 10)
    pictures = {str(one.attributes["alt"]): str(one.attributes["src"]) for one in elements(page(learned)).of("img")}
    shots = sorted((learned.folder / WORKSPACE / "tasks/cats/few_shots").glob("*.png"))
    assert [pictures[f"cats, training image {index}"] for index in range(1, 6)] == [
        Picture(s.read_bytes(), "").url for s in shots
    ]
    for name in ("base", "cats"):
        drawn = [base64.b64decode(pictures[f"{name}, seed {seed}"].partition(",")[2]) for seed in range(10)]
        assert [_pixels(one) for one in drawn] == [
            _pixels(learned.contents(f"out/{name}/seed{seed:04}.png")) for seed in range(10)
        ]


def _pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).tobytes()


def test_what_was_not_measured_is_said_with_the_command_and_what_was_is_shown(learned: "Program") -> None:
    learned.done("report")
    assert "lfsgan evaluate --fid --reals DIR" in page(learned)
    learned.done("evaluate", "--fid", "--reals", "data", "-n", 4, "--with-base")
    learned.done("report")
    [cats, base] = [line for line in page(learned, f"{WORKSPACE}/report.md").splitlines() if line.startswith("| fid")]
    assert cats.startswith("| fid\\[efficientnet-lite0\\] n=4 reals=12 ↓ | ")
    assert cats != base
    assert "lfsgan evaluate --fid --reals DIR" not in page(learned)


def test_closest_pairs_and_retention_are_shown_once_they_are_there(learned: "Program") -> None:
    root = learned.folder / WORKSPACE
    shutil.copy(root / "tasks/cats/few_shots/000000.png", root / "tasks/cats/closest_pairs.png")
    root.joinpath("retention.json").write_text('{"checked": "?", "tasks": {"cats": {"base": true, "task": false}}}')
    learned.done("report")
    assert "cats: samples above the training images nearest to them" in page(learned)
    assert "not proven" in page(learned)
    assert "Not checked yet" not in page(learned)


def test_the_same_workspace_gives_the_same_bytes(learned: "Program") -> None:
    learned.done("report")
    first = page(learned)
    learned.done("report")
    assert page(learned) == first


def test_a_workspace_without_tasks_is_a_report_too(program: "Program") -> None:
    program.done("report")
    assert "lfsgan learn-task --images DIR --name NAME" in page(program)


def test_a_task_that_cannot_be_read_is_named_and_the_rest_is_reported(learned: "Program") -> None:
    learned.folder.joinpath(WORKSPACE, "tasks/dogs.safetensors").write_bytes(b"broken")
    result = learned.done("report", "--json")
    assert list(json.loads(result.stdout)["left_out"]) == ["dogs"]
    assert "Warning: 'dogs' has no images in the report" in result.stderr
    assert "dogs is left out" in page(learned)
    assert "cats, seed 9" in page(learned)


def test_a_task_whose_file_came_alone_is_shown_without_training_images(learned: "Program") -> None:
    shutil.rmtree(learned.folder / WORKSPACE / "tasks/cats")
    learned.done("report")
    assert "No training images here" in page(learned)


def test_a_benchmark_is_known_by_its_runs(program: "Program") -> None:
    write_benchmark(Path("bench"))
    told = json.loads(program.done("report", "bench", "--out", "pages/b.html", "--json").stdout)
    assert set(told.pop("left_out")) == {"left/seed0", "full/seed0"}  # its workspaces are not there
    assert told == {"kind": "benchmark", "html": "pages/b.html", "markdown": "pages/b.md", "csv": "pages/b.csv"}
    assert "Average forgetting" in page(program, "pages/b.html")


def test_a_dry_run_tells_and_does_nothing(learned: "Program") -> None:
    before = learned.tree()
    result = learned.done("report", "--dry-run")
    assert (result.stdout, learned.tree()) == ("", before)
    assert f"Would report the workspace at '{WORKSPACE}' in '{PAGE}'" in result.stderr
    assert learned.done("report", "--dry-run", "-q").stderr == ""


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.csv"])
def test_a_file_of_somebody_else_is_not_replaced(learned: "Program", name: str) -> None:
    learned.folder.joinpath(WORKSPACE, name).write_text("my own words")
    assert f"'{WORKSPACE}/{name}' was not written by `lfsgan report`" in learned.refused("report")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data"], "'data' is neither a workspace (there is no 'base.safetensors') nor a benchmark"),
        (["nowhere"], "there is no workspace at 'nowhere'"),
        (["data/00.png"], "is neither a workspace"),
        (["--out", "data/00.png/r.html"], "is a file"),
        (["--out", "page.txt"], ".html"),
    ],
)
def test_a_mistake_is_one_line(learned: "Program", arguments: list[str], words: str) -> None:
    result = learned("report", *arguments)
    assert words in result.stderr.replace("\n", " ")
    assert result.exit_code in {1, 2}
    if result.exit_code == 1:
        learned.refused("report", *arguments)


def test_a_damaged_log_is_one_line(learned: "Program") -> None:
    learned.folder.joinpath(WORKSPACE, "tasks/cats/metrics.jsonl").write_text("nonsense\n")
    assert "metrics.jsonl', line 1: expected a JSON object" in learned.refused("report")
