"""`lfsgan generate`: one seed, one image, however it is asked for; and nobody's files are touched but our own."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from lfsgan_cli.generation.sampling import mean_w
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import Program

CATS = ("generate", "--task", "cats")


def pixels(program: "Program", path: str) -> "NDArray[np.int16]":
    return np.asarray(Image.open(program.folder / path), dtype=np.int16)


def note(program: "Program", path: str) -> Any:
    """What the PNG's own text chunk says."""
    with Image.open(program.folder / path) as picture:
        return json.loads(picture.info["lfsgan"])


def names(program: "Program", folder: str) -> list[str]:
    return [Path(path).name for path in program.tree(folder)]


def shown(grid: "NDArray[np.int16]", picture: "NDArray[np.int16]") -> tuple[int, int]:
    """Where in a grid an image is, as (row, column) of its upper left pixel; it must be there."""
    windows = np.lib.stride_tricks.sliding_window_view(grid, picture.shape)[:, :, 0]
    places = np.argwhere((windows == picture).all((2, 3, 4)))
    assert len(places)
    return int(places[0, 0]), int(places[0, 1])


def test_an_image_for_each_seed_and_one_of_all(learned: "Program") -> None:
    result = learned.done(*CATS, "-n", 5)
    images = [f"out/cats/seed000{i}.png" for i in range(5)]
    assert list(learned.tree("out")) == ["out/cats", *images, "out/config.toml", "out/grid.png"]
    assert result.stdout == "out/grid.png\n"
    sheet = pixels(learned, "out/grid.png")
    places = [shown(sheet, pixels(learned, f"out/cats/seed000{seed}.png")) for seed in range(5)]
    assert places[0][0] == places[2][0] < places[3][0] == places[4][0]  # two rows, of three and two
    assert places[0][1] == places[3][1] < places[1][1] == places[4][1]


def test_several_tasks_and_the_base_share_seeds_in_columns(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    learned.done("generate", "--task", "dogs", "--task", "cats", "--with-base", "--seeds", "3,1", "--outdir", "sheet")
    sheet = pixels(learned, "sheet/grid.png")
    places = {
        (task, seed): shown(sheet, pixels(learned, f"sheet/{task}/seed000{seed}.png"))
        for task in ("base", "dogs", "cats")
        for seed in (3, 1)
    }
    for seed in (3, 1):
        assert places["base", seed][0] < places["dogs", seed][0] < places["cats", seed][0]
        assert len({places[task, seed][1] for task in ("base", "dogs", "cats")}) == 1
    assert places["base", 3][1] < places["base", 1][1]
    assert note(learned, "sheet/grid.png")["task"] == ["base", "dogs", "cats"]
    assert note(learned, "sheet/grid.png")["seed"] == [3, 1]


def test_a_wide_grid_wraps_and_keeps_every_image(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    learned.done("generate", "--all", "-n", 60)
    sheet = pixels(learned, "out/grid.png")
    assert sheet.shape[1] <= 2048
    first, last = (shown(sheet, pixels(learned, f"out/dogs/seed{seed:04}.png")) for seed in (0, 59))
    assert first[0] < last[0]


def test_several_tasks_in_one_command_are_what_each_generates_alone(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    learned.done("generate", "--task", "dogs", "--task", "cats", "-n", 3, "--outdir", "both")
    for task in ("cats", "dogs"):
        learned.done("generate", "--task", task, "-n", 3, "--outdir", "alone")
        for seed in range(3):
            assert np.array_equal(
                pixels(learned, f"both/{task}/seed000{seed}.png"), pixels(learned, f"alone/{task}/seed000{seed}.png")
            )


@pytest.mark.parametrize("adapter", ["left", "full", "cam"])
def test_a_seed_is_one_image_whatever_is_generated_beside_it(learned: "Program", adapter: str) -> None:
    learned.learn("cats", "--adapter", adapter, "--overwrite")
    learned.done(*CATS, "-n", 5, "--outdir", "many")
    learned.done(*CATS, "--seeds", "4,2", "--outdir", "few")
    learned.done(*CATS, "-n", 5, "--batch", 1, "--outdir", "single")
    learned.done(*CATS, "--with-base", "--seeds", "2,4", "--batch", 2, "--outdir", "after_the_base")
    for seed in (2, 4):
        wanted = pixels(learned, f"many/cats/seed000{seed}.png")
        for folder in ("few", "single", "after_the_base"):
            # One level: what another batch size may move, as the project promises.
            assert np.abs(pixels(learned, f"{folder}/cats/seed000{seed}.png") - wanted).max() <= 1
    assert np.abs(pixels(learned, "many/cats/seed0002.png") - pixels(learned, "many/cats/seed0004.png")).max() > 1


def test_the_same_command_makes_the_same_bytes(learned: "Program") -> None:
    learned.done(*CATS, "-n", 3, "--truncation", 0.7)
    first = learned.tree("out")
    learned.done(*CATS, "-n", 3, "--truncation", 0.7)
    assert learned.tree("out") == first


def test_an_image_says_how_it_was_generated(learned: "Program") -> None:
    learned.done(*CATS, "--seeds", "70", "--truncation", 0.7, "--noise", "const")
    base = json.loads(learned.done("base", "show", "--json").stdout)["identity"]
    task = hashlib.sha256(learned.contents("lfsgan_workspace/tasks/cats.safetensors")).hexdigest()
    assert note(learned, "out/cats/seed0070.png") == {
        "task": "cats", "seed": 70, "base": base, "truncation": 0.7, "noise": "const", "file_sha256": {"cats": task},
    }  # fmt: skip


def test_bf16_shows_nearly_the_same_and_says_so(learned: "Program") -> None:
    learned.done(*CATS, "-n", 2, "--precision", "fp32", "--outdir", "full")
    learned.done(*CATS, "-n", 2, "--precision", "bf16", "--outdir", "half")
    moved = np.abs(pixels(learned, "full/cats/seed0001.png") - pixels(learned, "half/cats/seed0001.png"))
    assert 0 < moved.mean() < 8  # levels of 255
    assert note(learned, "half/cats/seed0001.png")["precision"] == "bf16"
    assert "precision" not in note(learned, "full/cats/seed0001.png")


@pytest.mark.parametrize("adapter", ["left", "cam"])
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch.compile's own making; users do not see them
def test_compiled_drawing_shows_the_same(learned: "Program", adapter: str) -> None:
    learned.learn("cats", "--adapter", adapter, "--overwrite")
    learned.done(*CATS, "-n", 3, "--compile", "off", "--outdir", "plain")
    learned.done(*CATS, "-n", 3, "--compile", "on", "--batch", 2, "--outdir", "compiled")
    for seed in range(3):
        plain, fast = (pixels(learned, f"{folder}/cats/seed000{seed}.png") for folder in ("plain", "compiled"))
        assert np.abs(plain - fast).max() <= 1


def test_truncated_to_nothing_every_seed_is_the_tasks_own_mean_image(learned: "Program") -> None:
    learned.done(*CATS, "--with-base", "-n", 3, "--truncation", 0, "--noise", "none")
    mean = pixels(learned, "out/cats/seed0000.png")
    assert all(np.array_equal(pixels(learned, f"out/cats/seed000{seed}.png"), mean) for seed in (1, 2))
    assert not np.array_equal(pixels(learned, "out/base/seed0000.png"), mean)


def test_truncation_pulls_to_the_tasks_own_mean_latent(learned: "Program") -> None:
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    task = workspace.generator("cats", torch.device("cpu"))
    to_its_own, to_the_bases = ((task.w_mean - mean).norm() for mean in (mean_w(task), workspace.base.average.w_mean))
    assert to_its_own < 0.01 * to_the_bases


def test_noise_is_the_seeds_own_the_networks_or_none(learned: "Program") -> None:
    for noise in ("seed", "const", "none"):
        learned.done(*CATS, "-n", 1, "--noise", noise, "--outdir", noise)
    drawn = {learned.contents(f"{noise}/cats/seed0000.png") for noise in ("seed", "const", "none")}
    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("seeds", "drawn"),
    [("0-2,7", [0, 1, 2, 7]), ("12345", [12345]), (" 3 , 1-2", [1, 2, 3]), ("1,1-2", [1, 2])],
)
def test_seeds_are_numbers_and_ranges(learned: "Program", seeds: str, drawn: list[int]) -> None:
    learned.done(*CATS, "--seeds", seeds)
    assert names(learned, "out/cats") == [f"seed{seed:04}.png" for seed in drawn]


def test_files_of_others_are_named_and_left_alone(learned: "Program") -> None:
    learned.folder.joinpath("out/cats").mkdir(parents=True)
    learned.folder.joinpath("out/cats/notes.txt").write_text("mine")
    Image.new("RGB", (4, 4)).save(learned.folder / "out/cats/seed0001.png")
    line = learned.refused(*CATS, "-n", 3)
    assert "'out/cats/seed0001.png' was not written by lfsgan and will not be replaced" in line
    Image.new("RGB", (4, 4)).save(learned.folder / "out/grid.png")
    assert "'out/cats/seed0001.png' and 1 more were not written by lfsgan" in learned.refused(*CATS, "-n", 3)
    learned.done(*CATS, "-n", 1, "--outdir", "elsewhere")
    assert learned.contents("out/cats/notes.txt") == b"mine"


def test_images_of_the_same_settings_are_generated_anew_without_asking(learned: "Program") -> None:
    learned.done(*CATS, "-n", 3)
    before = learned.tree("out/cats")
    learned.done(*CATS, "-n", 2)
    assert learned.tree("out/cats") == before


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (("--truncation", 0.5), "truncation 1.0, this command has 0.5"),
        (("--noise", "const"), "noise seed, this command has const"),
        (("--strength", 0.5), "strength not set, this command has 0.5"),
        (("--size", 32), "size not set, this command has 32"),
    ],
)
def test_images_of_other_settings_are_never_mixed(learned: "Program", other: tuple[object, ...], words: str) -> None:
    learned.done(*CATS, "-n", 3)
    line = learned.refused(*CATS, "-n", 2, *other)
    assert (
        f"'out/cats' holds 3 images of other settings ({words}): choose another --outdir, or pass --overwrite" in line
    )
    assert "other settings" in learned.refused(*CATS, "-n", 2, *other, "--dry-run")


def test_overwrite_removes_images_of_other_settings_and_nothing_else(learned: "Program") -> None:
    learned.done(*CATS, "-n", 3)
    learned.folder.joinpath("out/cats/notes.txt").write_text("mine")
    Image.new("RGB", (4, 4)).save(learned.folder / "out/cats/holiday.png")
    learned.done(*CATS, "-n", 1, "--truncation", 0.5, "--overwrite")
    assert names(learned, "out/cats") == ["holiday.png", "notes.txt", "seed0000.png"]
    assert note(learned, "out/cats/seed0000.png")["truncation"] == 0.5


def test_images_of_a_task_that_was_learned_anew_are_not_mixed(learned: "Program") -> None:
    learned.done(*CATS, "-n", 3)
    learned.learn("cats", "--steps", 4, "--overwrite")
    assert "task 'cats' was learned anew since" in learned.refused(*CATS, "-n", 2)


def test_the_only_task_need_not_be_named(learned: "Program") -> None:
    assert "Task: cats, the only one here." in learned.done("generate", "-n", 1).stderr
    learned.done("generate", "cats", "-n", 1, "--outdir", "named")
    assert learned.contents("out/cats/seed0000.png") == learned.contents("named/cats/seed0000.png")


def test_of_several_tasks_some_are_named_or_all_are_taken(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    line = learned.refused("generate", "-n", 1)
    assert "several tasks have been learned: cats, dogs; name some, or pass --all" in line
    assert "either tasks or --all" in learned.refused("generate", "cats", "--all")
    learned.done("generate", "dogs", "cats", "--task", "dogs", "-n", 1)
    learned.done("generate", "--all", "-n", 1, "--outdir", "all")
    assert note(learned, "out/grid.png")["task"] == ["dogs", "cats"]
    assert note(learned, "all/grid.png")["task"] == ["cats", "dogs"]


def test_the_base_is_sampled_in_an_empty_folder_and_nothing_is_put_there(newcomer: "Program") -> None:
    result = newcomer.done("generate", "--with-base", "-n", 1)
    assert "sampling the embedded base avatars-64-2" in result.stderr
    assert pixels(newcomer, "out/base/seed0000.png").shape == (64, 64, 3)
    assert not newcomer.folder.joinpath("lfsgan_workspace").exists()


def test_size_resamples_and_says_so(learned: "Program") -> None:
    learned.done(*CATS, "-n", 1)
    learned.done(*CATS, "-n", 1, "--size", 64, "--outdir", "large")
    small = Image.open(learned.folder / "out/cats/seed0000.png")
    expected = np.asarray(small.resize((64, 64), Image.Resampling.LANCZOS))
    assert np.array_equal(pixels(learned, "large/cats/seed0000.png"), expected)
    assert note(learned, "large/cats/seed0000.png")["size"] == 64


def test_a_grid_of_settings_has_an_image_for_every_combination(learned: "Program") -> None:
    axes = ("--grid", "strength=0:1:0.5", "--grid", "truncation=0.5,1")
    learned.done(*CATS, "--seeds", "0,3", *axes)
    sheet = pixels(learned, "out/grid.png")
    places = {}
    for strength in ("0", "0.5", "1"):
        for truncation in ("0.5", "1"):
            folder = f"out/cats/truncation={truncation},strength={strength}"
            assert names(learned, folder) == ["seed0000.png", "seed0003.png"]
            places[strength, truncation] = shown(sheet, pixels(learned, f"{folder}/seed0000.png"))
    assert len({place[0] for place in places.values()}) == 2  # rows: the second axis
    assert places["0", "0.5"][1] < places["0.5", "0.5"][1] < places["1", "0.5"][1]  # columns: the first
    learned.done(*CATS, "-n", 1, "--strength", 0.5, "--truncation", 0.5, "--outdir", "single")
    single = learned.contents("single/cats/seed0000.png")
    assert learned.contents("out/cats/truncation=0.5,strength=0.5/seed0000.png") == single


def test_tasks_can_be_an_axis(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    learned.done("generate", "--seeds", "0-1", "--grid", "task=all")
    assert names(learned, "out") == [
        "cats",
        "seed0000.png",
        "seed0001.png",
        "config.toml",
        "dogs",
        "seed0000.png",
        "seed0001.png",
        "grid.png",
    ]


def test_json_is_one_document_and_a_dry_run_generates_nothing(learned: "Program") -> None:
    before = learned.tree()
    assert "Would generate 4 images into 'out'." in learned.done(*CATS, "--with-base", "-n", 2, "--dry-run").stderr
    planned = json.loads(learned.done(*CATS, "-n", 2, "--dry-run", "--json").stdout)
    assert learned.tree() == before
    document = json.loads(learned.done(*CATS, "-n", 2, "--json").stdout)
    assert document == planned
    assert document == {"pictures": ["out/cats/seed0000.png", "out/cats/seed0001.png"], "grid": "out/grid.png"}


def test_quiet_leaves_the_data_on_stdout_alone(learned: "Program") -> None:
    assert learned.done(*CATS, "-n", 1, "-q").output == "out/grid.png\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate", "--task", "cats=x"), "task 'cats=x': 'cats=x' has no weight from -100 to 100"),
        (("generate", "--task", "cats=1,cats=2"), "'cats' is named twice"),
        ((*CATS, "--grid", "colour=1,2"), "--grid 'colour=1,2': 'colour' is not one of task, strength"),
        ((*CATS, "--grid", "strength=0:1"), "'0:1' is not between 0 and 1.2"),
        ((*CATS, "--grid", "truncation=0.5,0.5"), "different ones are possible"),
        ((*CATS, "--strength", "fine=0"), "a base of 16×16 pixels has no layer 'fine'"),
        ((*CATS, "--strength", "coarse=0,4=1"), "layer 4 is named twice"),
        ((*CATS, "--strength", "hair=0"), "'hair' names no layer"),
        ((*CATS, "--latents", "nothing.npz"), "'nothing.npz' cannot be read: No such file or directory"),
        (("generate", "--task", "cast"), "there is no task 'cast' (did you mean 'cats'?)"),
        (("generate", "--task", "../cats"), "'../cats' cannot name a task"),
        ((*CATS, "--seeds", "5-1"), "seeds '5-1': '5-1' runs backwards; expected numbers and ranges such as 0-63,70"),
        ((*CATS, "--seeds", "cat"), "'cat' is neither a number nor a range"),
        ((*CATS, "--seeds", "1", "-n", 2), "pass either -n or --seeds"),
        ((*CATS, "-n", 0), "-n"),
        ((*CATS, "--noise", "loud"), "--noise"),
        ((*CATS, "--truncation", 3), "--truncation"),
        ((*CATS, "--device", "cuda:99"), "device 'cuda:99': "),
        ((*CATS, "--workspace", "nowhere"), "there is no workspace at 'nowhere'; make one with `lfsgan learn-task"),
        ((*CATS, "--workspace", "a_file"), "'a_file' is a file, and a workspace is a folder"),
        ((*CATS, "--outdir", "a_file"), "'a_file' is a file, and images go into a folder: choose another --outdir"),
        ((*CATS, "--outdir", "a_file/below"), "'a_file' is a file, and images go into a folder"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    learned: "Program", arguments: tuple[object, ...], words: str
) -> None:
    learned.folder.joinpath("a_file").write_text("mine")
    assert words in learned.refused(*arguments)


def test_a_task_of_another_base_is_refused_with_both_names(learned: "Program") -> None:
    options = ("--resolution", 16, "--channels", 16, "--kimg", 0, "--name", "others", "--workspace", "other")
    learned.done("pretrain", "--data", "dogs", *options)
    learned.folder.joinpath("other/tasks").mkdir()
    learned.folder.joinpath("other/tasks/cats.safetensors").write_bytes(
        learned.contents("lfsgan_workspace/tasks/cats.safetensors")
    )
    line = learned.refused(*CATS, "--workspace", "other")
    assert "task 'cats' was learned on base 'data' (" in line
    assert "but this workspace has 'others' (" in line
    assert "use that base's workspace, or learn the task here" in line


@pytest.mark.parametrize("adapter", ["left", "cam"])
def test_strength_leads_from_the_base_to_the_task(learned: "Program", adapter: str) -> None:
    learned.learn("cats", "--adapter", adapter, "--lr", 0.005, "--overwrite")
    draw = (*CATS, "-n", 2, "--truncation", 0.7)
    learned.done(*draw, "--with-base", "--outdir", "plain")
    for strength in (0, 0.5, 1, 1.2):
        learned.done(*draw, "--strength", strength, "--outdir", f"at{strength}")
    base = pixels(learned, "plain/base/seed0001.png")
    assert np.array_equal(pixels(learned, "at0/cats/seed0001.png"), base)
    assert learned.contents("at1/cats/seed0001.png") == learned.contents("plain/cats/seed0001.png")
    far = [np.abs(pixels(learned, f"at{s}/cats/seed0001.png") - base).mean() for s in (0, 0.5, 1, 1.2)]
    assert far == sorted(set(far))


def test_an_image_says_its_strength_and_the_bases_has_none(learned: "Program") -> None:
    learned.done(*CATS, "--with-base", "-n", 1, "--strength", 0.5)
    learned.done(*CATS, "--with-base", "-n", 1, "--outdir", "whole")
    assert note(learned, "out/cats/seed0000.png")["strength"] == 0.5
    assert note(learned, "out/grid.png")["strength"] == 0.5
    assert learned.contents("out/base/seed0000.png") == learned.contents("whole/base/seed0000.png")
    assert "strength" not in note(learned, "whole/cats/seed0000.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*CATS, "--strength", -0.1), "--strength"),
        ((*CATS, "--strength", 1.3), "--strength"),
        ((*CATS, "--strength", "nan"), "--strength"),
        (("generate", "--with-base", "--strength", 0.5), "scales what a task changes; name a task with --task"),
    ],
)
def test_a_strength_that_says_nothing_is_refused(learned: "Program", arguments: tuple[object, ...], words: str) -> None:
    assert words in learned.refused(*arguments)


def test_several_processes_write_the_bytes_of_one(learned: "Program") -> None:
    words = ("generate", "--task", "cats", "--with-base", "-n", 10, "--batch", 4)
    learned.done(*words, "--outdir", "one")
    learned.done(*words, "--outdir", "many", "--jobs", 2)
    one, many = (
        {
            path.partition("/")[2]: data
            for path, data in learned.tree(folder).items()
            if not path.endswith("config.toml")
        }
        for folder in ("one", "many")
    )
    assert len(one) == 2 * 10 + 3  # images, two folders and the grid
    assert many == one
