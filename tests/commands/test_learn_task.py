"""`lfsgan learn-task` learns what was asked for, or says in one line why not and leaves everything as it was."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from lfsgan_cli.runs.folder import HARDWARE_KEY
from lfsgan_cli.workspace import checkpoint_file

if TYPE_CHECKING:
    from tests.conftest import Program

CATS = "lfsgan_workspace/tasks/cats.safetensors"
LEARN = ("learn-task", "--images", "cats", "--name")
RESUME = ("learn-task", "--name", "new", "--resume")
BEGUN = ("--steps", 30, "--batch", 2, "--lr", 0.002)  # as the fixture `begun` began


def shown(program: "Program", name: str) -> Any:
    return json.loads(program.done("tasks", "show", name, "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("learn-task", "--name", "new"), "expected a folder or a zip file of images"),
        ((*LEARN, "cats"), "task 'cats' is learned already; choose another --name, or pass --overwrite"),
        ((*LEARN, "a/b"), "'a/b' cannot name a task: it holds '/', and none of = , / "),
        ((*LEARN, ""), "'' cannot name a task"),
        ((*LEARN, "base"), "'base' cannot name a task: it stands for the base itself; choose another --name"),
        ((*LEARN, "a=b"), "'a=b' cannot name a task: it holds '='"),
        ((*LEARN, "grid.png"), "'grid.png' cannot name a task: it stands for an image file; choose another --name"),
        ((*LEARN, "cats.safetensors"), "it stands for the file of task 'cats'; choose another --name"),
        ((*LEARN, "new", "--adapter", "letf"), "there is no adapter 'letf'; installed are: "),
        ((*LEARN, "new", "--adapter", "letf"), "(did you mean 'left'?)"),
        ((*LEARN, "new", "-o", "rnk=4"), "unknown option 'rnk'; the known ones are: "),
        ((*LEARN, "new", "-o", "rnk=4"), "(did you mean 'rank'?)"),
        ((*LEARN, "new", "-o", "rank=four"), "option rank='four': expected int"),
        ((*LEARN, "new", "-o", "rank=0"), "rank"),
        ((*LEARN, "new", "-o", "rank"), "option 'rank': expected key=value"),
        ((*LEARN, "new", "-o", "rank=1", "-o", "rank=2"), "option 'rank' is given twice"),
        ((*LEARN, "new", "--steps", 0), "--steps"),
        ((*LEARN, "new", "--steps", "many"), "--steps"),
        ((*LEARN, "new", "--lr", -1), "lr is -1.0: expected at least 0"),
        ((*LEARN, "new", "--lr", "nan"), "lr is nan: expected at least 0"),
        ((*LEARN, "new", "-t", "lr=-1"), "lr is -1.0: expected at least 0"),
        ((*LEARN, "new", "-t", "anchor=random"), "unknown option 'anchor'; the known ones are: "),
        ((*LEARN, "new", "-t", "anchors.kind=some"), "option anchors.kind='some': expected relative|random|none"),
        ((*LEARN, "new", "--steps", 3, "-t", "steps=4"), "option 'steps' is given twice"),
        (
            (*LEARN, "new", "-t", "discriminator.freeze_blocks=9"),
            "freeze_blocks is 9: expected at most 2, which is what the discri",
        ),
        (
            (*LEARN, "new", "--recipe", "paper", "-t", "perceptual=vgg"),
            "perceptual is 'vgg', and its weights are not at ",
        ),
        (
            (*LEARN, "new", "-t", "perceptual=vgg"),
            "perceptual is 'vgg' with anchors.weight 30.0 and energy_weight 100.0: expected efficientnet-lite0, the",
        ),
        ((*LEARN, "new", "--recipe", "papper"), "there is no recipe 'papper'"),
        ((*LEARN, "new", "-t", "loss_weight=1"), "the recipe 'default' has no loss of its own: leave it out"),
        ((*LEARN, "new", "--recipe", "ewc", "--adapter", "cam"), "recipe 'ewc' compares weights, and the adapter"),
        ((*LEARN, "new", "--device", "cuda:99"), "device 'cuda:99': "),
        ((*LEARN, "new", "--device", "gpu"), "device 'gpu': no such device; use one of auto, cpu, cuda, cuda:N, mps"),
        ((*LEARN, "new", "--workspace", "a_file"), "'a_file' is a file, and a workspace is a folder"),
        ((*LEARN, "new", "--resume", "--overwrite"), "pass either --resume or --overwrite"),
        ((*LEARN, "new", "--resume"), "nothing to resume: 'lfsgan_workspace/tasks/new' holds no checkpoint"),
        (("learn-task", "--images", "nowhere", "--name", "new"), "no images at 'nowhere'"),
        (("learn-task", "--images", "a_file", "--name", "new"), "'a_file' is neither a folder nor a zip file"),
        (("learn-task", "--images", "empty", "--name", "new"), "no image to use in 'empty'"),
        (("learn-task", "--images", "one", "--name", "new"), "only one image in 'one': learning needs"),
        (("learn-task", "--images", "torn.zip", "--name", "new"), "'torn.zip' is not a whole zip file"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    learned: "Program", arguments: tuple[object, ...], words: str
) -> None:
    learned.folder.joinpath("a_file").write_text("mine")
    learned.folder.joinpath("empty").mkdir()
    learned.folder.joinpath("one").mkdir()
    Image.new("RGB", (8, 8)).save(learned.folder / "one/only.png")
    learned.folder.joinpath("torn.zip").write_bytes(b"PK\x03\x04 and no more")
    assert words in learned.refused(*arguments)


def test_a_mistake_makes_no_workspace(newcomer: "Program") -> None:
    assert "unknown option 'rnk'" in newcomer.refused(*LEARN, "new", "-o", "rnk=4")
    assert "no images at" in newcomer.refused("learn-task", "--images", "nowhere", "--name", "new")
    assert "device 'cuda:99'" in newcomer.refused(*LEARN, "new", "--device", "cuda:99")


def test_every_unreadable_image_is_named_with_its_reason(program: "Program") -> None:
    program.folder.joinpath("cats/notes.png").write_text("not a picture")
    program.folder.joinpath("cats/cut.png").write_bytes(program.contents("cats/00.png")[:60])
    line = program.refused(*LEARN, "new")
    assert line.startswith("Error: 2 images in 'cats' cannot be used: ")
    assert "notes.png: " in line
    assert "cut.png: " in line


def test_a_dry_run_tells_the_plan_and_does_nothing(newcomer: "Program") -> None:
    before = newcomer.tree()
    said = newcomer.done(*LEARN, "new", "--dry-run", "-o", "rank=4").stderr.splitlines()
    assert said[0] == "Using 5 images (20×20)."
    assert "Would learn task 'new' from 5 images with the adapter left." in said
    changed = next(line for line in said if line.startswith("Changed settings: "))
    assert changed.split()[2:] == ["-o", "rank=4"]
    needs = {line.partition(": ")[0] for line in said}
    assert {"Device", "Expected time", "Expected memory", "Expected disk space"} <= needs
    document = json.loads(newcomer.done(*LEARN, "new", "--dry-run", "--json", "--no-mirror").stdout)
    assert (document["images"], document["skipped"]) == (5, [])
    assert document["shots"] == [f"{index:02}.png" for index in range(5)]
    assert document["plan"]["training"]["mirror"] is False
    estimate = document["estimate"]
    assert estimate["seconds"] > 0
    assert min(estimate["memory"], estimate["disk"]) > 1_000_000
    assert newcomer.tree() == before


def planned(program: "Program", *words: object) -> Any:
    return json.loads(program.done(*LEARN, "new", "--dry-run", "--json", *words).stdout)["plan"]


def test_a_recipe_is_where_settings_begin_and_what_is_said_stands(program: "Program") -> None:
    plain, paper = planned(program), planned(program, "--recipe", "paper")
    assert (plain["recipe"], plain["training"]["steps"], plain["training"]["anchors"]["kind"]) == (
        "default",
        1000,
        "relative",
    )
    # The public code's own defaults, and the rank of its README.
    assert (paper["recipe"], paper["training"]["steps"], paper["training"]["anchors"]["kind"]) == (
        "paper",
        3002,
        "random",
    )
    assert (paper["training"]["lr"], paper["options"]["rank"], paper["options"]["init"]) == (0.002, 1, "paper")
    assert (paper["training"]["precision"], paper["training"]["perceptual"]) == ("fp32", "efficientnet-lite0")
    said = planned(program, "--recipe", "paper", "--steps", 7, "-t", "anchors.kind=relative", "-o", "rank=3")
    assert (said["training"]["steps"], said["training"]["anchors"]["kind"], said["options"]["rank"]) == (
        7,
        "relative",
        3,
    )
    assert planned(program, "--recipe", "paper", "--adapter", "cam")["options"] == {}


def test_a_task_tells_its_recipe_and_goes_on_only_with_the_same(program: "Program") -> None:
    paper = ("--recipe", "paper", "-t", "mode_seeking.batch=4", "--steps", 2, "--batch", 2)
    program.done(*LEARN, "new", *paper)
    training = shown(program, "new")["training"]
    seeking = training["mode_seeking"]
    assert (training["recipe"], seeking["pairs"], seeking["batch"]) == ("paper", "first", 4)
    again = program.done(*RESUME, *paper).stderr
    assert "is learned already, nothing is left to do" in again
    assert "recipe was paper, now default" in program.refused(*RESUME, "--recipe", "default")
    assert "-t mode_seeking.batch was 4, now 5" in program.refused(*RESUME, "-t", "mode_seeking.batch=5")


def test_the_end_tells_file_size_parameters_and_how_to_draw(program: "Program") -> None:
    result = program.learn("cats")
    summary = shown(program, "cats")
    assert result.stdout == ""
    size, parameters = f"{summary['bytes']:,} bytes", f"{summary['parameters']:,} parameters"
    assert f"Task 'cats' is in {CATS}: {size}, {parameters}." in result.stderr
    lines = result.stderr.splitlines()
    assert re.fullmatch(r"Device: cpu, \d+ threads?\. 2 steps take about \d+ min when nothing else runs\.", lines[0])
    assert lines[-4:] == [
        "Next:", "  lfsgan generate cats -n 64", "  lfsgan tasks snapshots cats", "  lfsgan evaluate --task cats --fid",
    ]  # fmt: skip
    assert f"Preview: {CATS.removesuffix('.safetensors')}/fakes000001.png" in lines
    assert "Perceptual distance: efficientnet-lite0." in result.stderr
    run = {path.removeprefix("lfsgan_workspace/tasks/cats/") for path in program.tree("lfsgan_workspace/tasks/cats")}
    assert {"few_shots/000004.png", "stats.jsonl", "run.json", "fakes000002.png"} <= run
    assert [path for path in run if "state" in path] == ["state000002.safetensors"]
    program.learn("dogs", "--no-keep-checkpoint", "--snapshots", 0)
    assert not [path for path in program.tree("lfsgan_workspace/tasks/dogs") if "state" in path or "snapshot" in path]


def test_hundreds_of_images_get_a_hint_to_train_a_base(program: "Program") -> None:
    few, many = (zipped(program.folder / f"{count}.zip", count) for count in (500, 501))
    dry = ("learn-task", "--name", "many", "--dry-run", "--images")
    assert "enough to train a base" not in program.done(*dry, few).stderr
    assert "501 images are enough to train a base on: see `lfsgan help pretrain`." in program.done(*dry, many).stderr


def zipped(path: Path, count: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(count):
            file = io.BytesIO()
            Image.new("RGB", (16, 16), (index % 256, index // 256, 0)).save(file, "PNG")
            archive.writestr(f"{index}.png", file.getvalue())
    return path


def test_quiet_is_silent_and_json_is_one_document(program: "Program") -> None:
    lines = program.learn("quiet", "-q").output.splitlines()  # its images are noise, which is far from any base
    assert [line for line in lines if not line.startswith("Warning: these images are unlike")] == []
    document = json.loads(program.learn("spoken", "--json", "--adapter", "cam").stdout)
    assert document["file"] == "lfsgan_workspace/tasks/spoken.safetensors"
    assert document["bytes"] == len(program.contents(document["file"]))
    assert document["steps"] == 2


def test_fewer_training_images_than_a_batch_do_and_transparency_is_said_once(program: "Program") -> None:
    program.folder.joinpath("two").mkdir()
    for index in range(2):
        Image.new("RGBA", (16, 16), (255, 0, 0, 120 * index)).save(program.folder / f"two/{index}.png")
    with zipfile.ZipFile(program.folder / "two.zip", "w") as file:
        for index in range(2):
            file.write(program.folder / f"two/{index}.png", f"folder/{index}.png")
    said = program.learn("two", "--images", "two.zip", "--batch", 4, "--no-mirror").stderr
    assert said.splitlines()[1:3] == [
        "Using 2 images (16×16).", "2 of 2 images are transparent in parts: blended with white.",
    ]  # fmt: skip
    training = shown(program, "two")["training"]
    assert (training["shot_count"], training["batch"], training["mirror"]) == (2, 4, False)
    assert Image.open(program.folder / "lfsgan_workspace/tasks/two/few_shots/000000.png").getpixel((3, 3)) == (255,) * 3


def test_no_task_file_tells_where_or_when_it_was_learned(learned: "Program") -> None:
    header = learned.contents(CATS).split(b"}}", 1)[0]
    assert str(learned.folder).encode() not in header
    assert not {"seconds", "device", "date"} & set(shown(learned, "cats")["training"])


def test_overwrite_replaces_and_leaves_the_others(learned: "Program") -> None:
    before = learned.contents(CATS)
    learned.learn("cats", "--overwrite", "--images", "dogs", "-o", "rank=2")
    assert learned.contents(CATS) != before
    assert shown(learned, "cats")["config"]["rank"] == 2
    assert len([path for path in learned.tree("lfsgan_workspace/tasks/cats/few_shots") if path.endswith(".png")]) == 4


def test_a_learned_task_has_nothing_to_resume(learned: "Program") -> None:
    before = learned.tree()
    same = ("learn-task", "--name", "cats", "--resume", "--steps", 3, "--images", "cats", "-o", "rank=1")
    assert "Task 'cats' is learned already, nothing is left to do." in learned.done(*same).stderr
    assert json.loads(learned.done(*same, "--json").stdout)["file"] == CATS
    assert learned.tree() == before
    assert "--steps is 2, and the run has already done 3: pass 3 or more" in learned.refused(*same[:4], "--steps", 2)
    assert "--batch was 4, now 9" in learned.refused(*same[:4], "--batch", 9)


@pytest.mark.parametrize(
    ("repeated", "words"),
    [
        (("-o", "rank=4"), "-o rank was 2, now 4: leave it out, or start again with --overwrite"),
        (("-o", "rank=4", "--lr", "0.5"), "--lr was 0.002, now 0.5, -o rank was 2, now 4: leave these out"),
        (("--no-mirror",), "--mirror was true, now false"),
        (("--adapter", "cam"), "--adapter was left, now cam"),
        (("-o", "rnk=4"), "unknown option 'rnk'"),
        (("--images", "dogs"), "--images holds other images than the run began with"),
    ],
)
def test_a_resumed_run_is_not_changed(begun: "Program", repeated: tuple[str, ...], words: str) -> None:
    assert words in begun.refused(*RESUME, *repeated)


def test_a_resumed_run_may_be_told_again_what_it_was_begun_with(begun: "Program") -> None:
    assert "is unfinished: resume it with `lfsgan learn-task --resume --name new`" in (begun.refused(*LEARN, "new"))
    same = ("-t", "perceptual=auto", "--precision", "auto")  # what the program chose, it has chosen
    begun.done(*RESUME, "-o", "rank=2", *BEGUN, "--mirror", "--adapter", "left", "--images", "cats", *same)
    assert shown(begun, "new")["config"]["rank"] == 2


def test_a_run_that_resumes_on_another_model_says_so_and_goes_on(begun: "Program") -> None:
    folder = begun.folder / "lfsgan_workspace/tasks/new"
    *_, path = sorted(folder.glob("state*.safetensors"))
    tensors, metadata = checkpoint_file.read(path)
    checkpoint_file.write(folder, checkpoint_file.step_of(path), tensors, {**metadata, HARDWARE_KEY: "cpu (Z80)"})
    assert (
        "Warning: the checkpoint was made on cpu (Z80); on another model, the result may" in begun.done(*RESUME).stderr
    )


def test_a_resumed_run_needs_its_own_images_base_and_state(begun: "Program") -> None:
    folder = begun.folder / "lfsgan_workspace/tasks/new"
    shot = (folder / "few_shots/000000.png").read_bytes()
    shutil.copy(begun.folder / "dogs/00.png", folder / "few_shots/000000.png")
    assert "few_shots' were changed since the run began" in begun.refused(*RESUME)
    (folder / "few_shots/000000.png").write_bytes(shot)
    begun.done("pretrain", "--data", "dogs", "--resolution", 16, "--channels", 16, "--kimg", 0, "--overwrite", "-q")
    assert "learning 'new' began on the base " in begun.refused(*RESUME)
    for state in folder.glob("state*.safetensors"):
        state.write_bytes(b"torn")
    assert f"{max(folder.glob('state*.safetensors')).name}': 4 bytes are too few" in begun.refused(*RESUME)


def test_a_damaged_state_is_passed_over_with_a_warning(begun: "Program") -> None:
    newest = max((begun.folder / "lfsgan_workspace/tasks/new").glob("state*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1])
    said = begun.done(*RESUME, "-q").stderr
    path = f"lfsgan_workspace/tasks/new/{newest.name}"
    assert said == f"Warning: the checkpoint {path!r} is damaged; resuming from the one before it\n"
    assert shown(begun, "new")["training"]["steps"] == 30


def test_a_workspace_whose_base_is_still_in_training_takes_no_other_base(program: "Program") -> None:
    (program.folder / "lfsgan_workspace/base.safetensors").unlink()
    (program.folder / "lfsgan_workspace/base/run.json").unlink()
    (program.folder / "lfsgan_workspace/base/state000000.safetensors").write_bytes(b"")
    assert "finish it with `lfsgan pretrain --resume`" in program.refused(*LEARN, "new")
