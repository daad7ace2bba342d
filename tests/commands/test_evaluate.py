"""`lfsgan evaluate`: a number for every task, with all that is needed to find it again."""

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.conftest import paint

if TYPE_CHECKING:
    from tests.conftest import Program

FID = ("evaluate", "--fid", "-n", 4)
METRICS = "lfsgan_workspace/tasks/cats/metrics.jsonl"
SHOTS = "the real images are the few that each task learned from"


def results(program: "Program", *arguments: object) -> Any:
    return json.loads(program.done(*FID, "--json", *arguments).stdout)["results"]


def notes(program: "Program", path: str) -> list[Any]:
    return [json.loads(line) for line in program.contents(path).decode().splitlines()]


def test_without_reals_the_few_training_images_are_taken_with_a_plain_warning(learned: "Program") -> None:
    result = learned.done(*FID)
    heading, line = result.stdout.splitlines()
    assert heading.split() == ["task", "metric", "value"]
    assert line.startswith("cats  fid[efficientnet-lite0] n=4 reals=5  ")
    warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert SHOTS in warnings[0]
    assert "FID with 4 generated images is dominated by their number" in warnings[1]
    assert "Features: efficientnet-lite0" in result.stderr


def test_the_embedded_base_is_measured_without_a_workspace(learned: "Program") -> None:
    options = ("evaluate", "--kid", "--features", "pixels-16", "-n", 4, "--reals", "data", "--with-base")
    result = learned.done(*options, "--workspace", "none", "--json")
    (found,) = json.loads(result.stdout)["results"]
    assert found["task"] == "base"
    assert "avatars-64-2" in result.stderr
    assert not learned.folder.joinpath("none").exists()


def test_several_tasks_and_the_base_are_compared_with_the_same_reals(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    result = learned.done(*FID, "--reals", "data", "--with-base", "--json")
    assert SHOTS not in result.stderr
    measured = json.loads(result.stdout)["results"]
    assert [one["task"] for one in measured] == ["base", "cats", "dogs"]
    assert {one["name"] for one in measured} == {"fid[efficientnet-lite0] n=4 reals=12"}
    assert len({one["value"] for one in measured}) == 3
    assert len({one["reals"]["sha256"] for one in measured}) == 1
    assert notes(learned, "lfsgan_workspace/base/metrics.jsonl")[0]["task_sha256"] is None


def test_a_task_may_be_chosen_and_the_number_is_the_same_again(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    (first,), (again,) = (results(learned, "--task", "cats", "--batch", batch) for batch in (4, 4))
    assert first["task"] == "cats"
    assert first == again


def test_every_number_is_noted_with_what_repeats_it(learned: "Program") -> None:
    learned.done(*FID, "--reals", "data", "--truncation", 0.5, "--noise", "const")
    (said,) = results(learned)
    first, second = notes(learned, METRICS)
    assert second == {"metric": "fid", **said}
    assert (first["seeds"], first["truncation"], first["noise"]) == ("0-3", 0.5, "const")
    assert (first["reals"]["name"], first["reals"]["count"]) == ("data", 12)
    assert first["reals"]["sha256"] != second["reals"]["sha256"]
    assert first["base"] == json.loads(learned.done("base", "show", "--json").stdout)["identity"]
    assert {"task_sha256", "extractor", "extractor_sha256", "lfsgan", "torch", "device", "value"} <= set(first)


def test_the_tasks_file_stays_as_it_is(learned: "Program") -> None:
    before = learned.contents("lfsgan_workspace/tasks/cats.safetensors")
    learned.done(*FID)
    assert learned.contents("lfsgan_workspace/tasks/cats.safetensors") == before


def test_a_dry_run_measures_nothing(learned: "Program") -> None:
    before = learned.tree()
    assert "Would process 9 images." in learned.done(*FID, "--dry-run").stderr
    planned = json.loads(learned.done(*FID, "--dry-run", "--json", "--reals", "data", "--with-base").stdout)
    assert planned == {
        "tasks": ["base", "cats"],
        "extractor": "efficientnet-lite0",
        "n": 4,
        "images": 12,
        "skipped": [],
        "left_out": 0,
        "processed": 20,
        "not_measured": [],
    }
    assert learned.tree() == before


def test_quiet_keeps_warnings_alone(learned: "Program") -> None:
    assert all(line.startswith("Warning: ") for line in learned.done(*FID, "-q").stderr.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("evaluate",),
            "no metric was chosen: pass --fid, --kid, ",
        ),
        ((*FID, "--fakes", "dogs", "--task", "cats"), "pass either --fakes, or --task and --with-base"),
        ((*FID, "--blocks", 3), "4 images do not make 3 equal blocks"),
        ((*FID, "--blocks", 4), "have 1 each: expected 2 or more for FID"),
        (("evaluate", "--lpips", "-n", 4, "--blocks", 4), "have 1 each: expected 2 or more for B-LPIPS"),
        (("evaluate", "--lpips", "--fakes", "data", "--shots", "cats", "--blocks", 7), "have 1 each: expected 2 or"),
        (("evaluate", "--fid", "--fakes", "dogs"), "the training images of 'dogs' are not known"),
        (("evaluate", "--lpips", "--fakes", "dogs", "--reals", "data"), "pass them by --shots"),
        (("evaluate", "--prdc", "-n", 4, "--reals", "data"), "of 4 images with k=5 neighbours: expected more than 5"),
        ((*FID, "--fid-mode", "legacy-pytorch"), "expected inception"),
        (("evaluate", "--lpips", "--lpips-features", "vgg"), "is not there, and downloads are off"),
        ((*FID, "--save", "a_file"), "'a_file' is a file"),
        ((*FID, "--with-base"), "the base has no training images of its own; pass --reals"),
        ((*FID, "--task", "cast"), "there is no task 'cast' (did you mean 'cats'?)"),
        ((*FID, "--workspace", "nowhere"), "there is no workspace at 'nowhere'"),
        ((*FID, "--workspace", "data"), "no task has been learned in 'data'; `lfsgan learn-task"),
        ((*FID, "--reals", "nowhere"), "no images at 'nowhere'"),
        ((*FID, "--features", "vgg"), "--features"),
        ((*FID, "--features", "inception"), "is not there, and downloads are off; put https:"),
        ((*FID, "--inception-weights", "a_file"), "a_file"),
        ((*FID, "--device", "cuda:99"), "device 'cuda:99': "),
        (("evaluate", "--fid", "-n", 1), "-n"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    learned: "Program", arguments: tuple[object, ...], words: str
) -> None:
    learned.folder.joinpath("a_file").write_text("mine")
    assert words in learned.refused(*arguments)


def test_every_unreadable_real_image_is_named_before_work_starts(learned: "Program") -> None:
    for name in ("notes.png", "00.png"):
        learned.folder.joinpath("data", name).write_text("not a picture")
    line = learned.refused(*FID, "--reals", "data")
    assert "2 images in 'data' cannot be used: " in line
    assert "notes.png" in line


def test_a_foreign_set_whose_first_file_is_no_image_is_named_with_it(learned: "Program") -> None:
    learned.folder.joinpath("data", "00.png").write_text("not a picture")
    line = learned.refused("evaluate", "--fid", "--fakes", "data", "--reals", "cats")
    assert "an image in 'data' cannot be used: 00.png: " in line


def test_a_task_that_came_without_its_training_images_needs_reals(learned: "Program") -> None:
    shutil.rmtree(learned.folder / "lfsgan_workspace/tasks/cats")
    assert "the training images of 'cats' are not known; pass images to compare with by --reals" in learned.refused(
        *FID
    )
    assert results(learned, "--reals", "cats")[0]["task"] == "cats"


ALL = ("evaluate", "--all", "-n", 8, "--json")
METRIC_NAMES = {
    "fid", "kid", "precision", "recall", "density", "coverage", "intra_lpips", "b_lpips", "b_lpips_normalised",
    "near_duplicates", "closer",
}  # fmt: skip


def test_all_metrics_come_from_one_command_and_are_noted(learned: "Program") -> None:
    measured = json.loads(learned.done(*ALL, "--reals", "data").stdout)["results"]
    assert {one["metric"] for one in measured} == METRIC_NAMES
    assert notes(learned, METRICS) == measured
    assert learned.contents("lfsgan_workspace/tasks/cats/closest_pairs.png").startswith(b"\x89PNG")


def test_blocks_give_a_mean_and_a_deviation(learned: "Program") -> None:
    (whole,) = results(learned, "--reals", "data")
    (parted,) = json.loads(learned.done(*FID, "--blocks", 2, "--reals", "data", "--json").stdout)["results"]
    assert "error" not in whole
    assert parted["name"] == "fid[efficientnet-lite0] n=2 blocks=2 reals=12"
    assert parted["error"] > 0
    assert parted["error_is"] == "the standard deviation between blocks"


def test_images_of_another_program_are_measured_as_ours_are(learned: "Program") -> None:
    (ours,) = results(learned, "--reals", "data", "--save", "kept")
    words = ("evaluate", "--fid", "--fakes", "kept/cats", "--reals", "data", "--json")
    (theirs,) = json.loads(learned.done(*words).stdout)["results"]
    assert theirs["value"] == pytest.approx(ours["value"], rel=1e-6)
    assert theirs["fakes"]["name"] == "cats"


def test_real_images_are_looked_at_once_in_all_runs(learned: "Program") -> None:
    first = learned.done(*FID, "--reals", "data")
    (kept,) = (learned.folder.parent / "cache/features").iterdir()
    before = kept.stat().st_mtime_ns
    assert learned.done(*FID, "--reals", "data").stdout == first.stdout
    assert kept.stat().st_mtime_ns == before


def test_a_copy_of_the_training_images_is_called_one(learned: "Program") -> None:
    words = ("evaluate", "--memorization", "--fakes", "cats", "--shots", "cats", "--reals", "data", "--json")
    found = {one["name"]: one["value"] for one in json.loads(learned.done(*words).stdout)["results"]}
    assert set(found.values()) == {1.0}
    assert {name.split()[0] for name in found} == {
        f"{metric}[{judge}]"
        for metric in ("near_duplicates", "closer")
        for judge in ("lpips-efficientnet-lite0", "pixels")
    }


def test_the_base_is_measured_by_what_needs_no_training_images(learned: "Program") -> None:
    measured = json.loads(learned.done(*ALL, "--reals", "data", "--with-base").stdout)["results"]
    of_base = {one["metric"] for one in measured if one["task"] == "base"}
    assert of_base == {"fid", "kid", "precision", "recall", "density", "coverage"}


def test_nothing_of_a_task_has_changed_until_something_has(learned: "Program") -> None:
    words = ("evaluate", "--retention", "--json")
    kept = json.loads(learned.done(*words).stdout)["tasks"]["cats"]
    assert kept["retained"] is True
    path = learned.folder / "lfsgan_workspace/tasks/cats.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    result = learned(*words)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["tasks"]["cats"]["task"] is False


def test_variety_alone_looks_at_no_real_image(learned: "Program") -> None:
    said = learned.done("evaluate", "--lpips", "-n", 8, "--reals", "data", "--dry-run").stderr
    assert "Would process 8 images." in said
    learned.done("evaluate", "--lpips", "-n", 8, "--reals", "data")
    assert not (learned.folder.parent / "cache/features").exists()


def test_a_number_at_another_strength_has_another_name(learned: "Program") -> None:
    reals = ("--reals", "data", "--with-base")
    base, half = results(learned, *reals, "--strength", 0.5)
    _, whole = results(learned, *reals)
    assert half["name"] == "fid[efficientnet-lite0] n=4 reals=12 strength=0.5"
    assert (half["strength"], whole["name"]) == (0.5, base["name"])
    assert "strength" not in base | whole
    assert half["value"] != whole["value"]
    assert [one["name"] for one in notes(learned, METRICS)] == [half["name"], whole["name"]]


def test_at_strength_0_a_task_measures_as_the_base(learned: "Program") -> None:
    base, none = results(learned, "--reals", "data", "--with-base", "--strength", 0)
    assert none["value"] == base["value"]


def test_grids_that_lfsgan_wrote_are_no_samples_and_the_line_says_so(learned: "Program") -> None:
    learned.done("generate", "--task", "cats", "-n", 6)
    result = learned.done("evaluate", "--fid", "--fakes", "out", "--reals", "data", "--json")
    assert "Generated images: using 6 images (16×16); left out 1 that lfsgan wrote" in result.stderr
    document = json.loads(result.stdout)
    assert document["results"][0]["name"] == "fid[efficientnet-lite0] n=6 reals=12"
    assert (document["images"], document["left_out"], document["skipped"]) == (18, 1, [])


def test_images_of_several_sizes_are_refused_with_their_counts_unless_a_side_is_given(learned: "Program") -> None:
    Image.new("RGB", (4, 4), "red").save(learned.folder / "dogs" / "0thumb.png")
    words = ("evaluate", "--fid", "--fakes", "dogs", "--reals", "data")
    line = learned.refused(*words)
    assert "have 2 sizes: 4 of 20×20, 1 of 4×4; expected one size: remove the others, or pass --side N" in line
    (one,) = json.loads(learned.done(*words, "--side", 16, "--json").stdout)["results"]
    assert (one["name"], one["side"]) == ("fid[efficientnet-lite0] n=5 reals=12", 16)
    assert "belongs to --fakes" in learned.refused(*FID, "--side", 16)


def test_what_can_be_measured_is_printed_and_the_rest_is_a_warning(learned: "Program") -> None:
    words = ("evaluate", "--fid", "--lpips", "--memorization", "--fakes", "dogs", "--reals", "data")
    result = learned.done(*words, "--json")
    document = json.loads(result.stdout)
    assert [one["metric"] for one in document["results"]] == ["fid"]
    assert [one["metric"] for one in document["not_measured"]] == ["lpips", "memorization"]
    warned = [line for line in result.stderr.splitlines() if "is not measured" in line]
    assert len(warned) == 2
    assert all(line.endswith("pass them by --shots") for line in warned)


def test_a_number_that_fails_only_while_it_is_measured_does_not_end_the_others(learned: "Program") -> None:
    """Two images that are nearest to different training images have no pair, which nobody knows before."""
    fakes = learned.folder / "two"
    fakes.mkdir()
    for name in sorted(path.name for path in (learned.folder / "cats").iterdir())[:2]:
        shutil.copy(learned.folder / "cats" / name, fakes / name)
    result = learned.done("evaluate", "--lpips", "--fid", "--fakes", "two", "--shots", "cats", "--json")
    document = json.loads(result.stdout)
    assert [one["metric"] for one in document["results"]] == ["fid"]
    assert "no two of 2 images are nearest to the same of 5 training images" in document["not_measured"][0]["reason"]
    assert "lpips of two is not measured" in result.stderr


def not_saved(program: "Program", why: str) -> None:
    result = program.done(*FID)
    assert "cats  fid[efficientnet-lite0] n=4 reals=5" in result.stdout
    lines = result.stderr.splitlines()
    warned = f"Warning: numbers are printed but not saved in 'lfsgan_workspace/tasks/cats': {why}"
    [first] = [index for index, line in enumerate(lines) if line == warned]
    assert first < next(index for index, line in enumerate(lines) if "dominated by their number" in line)  # before work


def test_numbers_that_cannot_be_saved_are_printed_and_that_is_said_before_work(learned: "Program") -> None:
    (learned.folder / METRICS).mkdir()
    not_saved(learned, "a folder is in the place of metrics.jsonl")
    assert not list((learned.folder / METRICS).iterdir())


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_workspace_that_may_only_be_read_is_measured_all_the_same(learned: "Program") -> None:
    folder = learned.folder / "lfsgan_workspace/tasks/cats"
    folder.chmod(0o555)
    try:
        not_saved(learned, "no permission to write")
    finally:
        folder.chmod(0o755)


def test_beside_a_fid_stand_the_floor_of_the_real_images_and_the_base(learned: "Program") -> None:
    paint(learned.folder / "many", 220, seed=5)
    (alone,) = results(learned, "--reals", "many")
    assert (alone["floor_n"], "base_value" in alone) == (110, False)
    assert 0 < alone["floor"] < alone["value"]
    base, _ = results(learned, "--reals", "many", "--with-base")
    result = learned.done(*FID, "--reals", "many")
    heading, line = result.stdout.splitlines()
    assert heading.split() == ["task", "metric", "value", "reals", "base"]
    assert line.split()[-2:] == [f"{alone['floor']:.2f}", f"{base['value']:.2f}"]
    assert "between two halves of the real images" in result.stderr
    assert results(learned, "--reals", "many")[0]["base_value"] == base["value"]


def test_several_processes_measure_and_save_what_one_does(learned: "Program") -> None:
    words = ("evaluate", "--fid", "--lpips", "-n", 12, "--batch", 5, "--reals", "data", "--with-base", "--json")
    one, many = (
        json.loads(learned.done(*words, "--save", folder, "--jobs", jobs).stdout)["results"]
        for folder, jobs in (("one", 1), ("many", 2))
    )
    assert len(one) == len(many) > 4
    for first, second in zip(one, many, strict=True):
        assert first["name"] == second["name"]
        assert second["value"] == pytest.approx(first["value"], rel=1e-6, abs=1e-6)
    saved, shared = (
        {
            path.partition("/")[2]: data
            for path, data in learned.tree(folder).items()
            if not path.endswith("config.toml")
        }
        for folder in ("one", "many")
    )
    assert len(saved) == 2 * 12 + 2  # images, and two folders
    assert shared == saved
