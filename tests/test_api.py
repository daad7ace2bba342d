"""From Python, a workspace does what the commands do: the same bytes, the same numbers, the same errors."""

import json
import re
import runpy
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli import LfsganError, open_workspace
from lfsgan_cli.api import CallError, Progress
from lfsgan_cli.api.images import GridAxes
from lfsgan_cli.evaluation.evaluate import Measurement
from tests.conftest import Program
from tests.python_api_page import MARK, PAGE

EXAMPLE = Path(__file__).parent.parent / "examples" / "learn_and_generate.py"


def test_the_package_is_imported_without_torch_and_knows_its_names() -> None:
    program = "import sys, lfsgan_cli; print('torch' in sys.modules, 'open_workspace' in dir(lfsgan_cli))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_a_task_is_the_same_file_as_the_commands(program: Program) -> None:
    program.learn("cats", "--steps", 3, "--seed", 5, "-o", "rank=1", "--batch", 2)
    seen: list[Progress] = []
    Path("other").mkdir()
    shutil.copy("lfsgan_workspace/base.safetensors", "other/base.safetensors")
    learned = open_workspace("other").learn_task(
        "cats", "cats", steps=3, seed=5, batch=2, adapter_options={"rank": 1}, progress=seen.append
    )
    assert program.contents("other/tasks/cats.safetensors") == program.contents(
        "lfsgan_workspace/tasks/cats.safetensors"
    )
    assert (learned.info.name, learned.info.training["steps"]) == ("cats", 3)
    assert [(step.done, step.total) for step in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(np.isfinite(list(step.losses.values())).all() for step in seen)


@pytest.mark.parametrize(
    ("signals", "status"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
        ([signal.SIGINT, signal.SIGINT], 130),  # the second one comes before the step's checkpoint
    ],
)
def test_signals_end_a_run_with_the_way_to_resume_it(
    program: Program, signals: list[signal.Signals], status: int
) -> None:
    def stop(_step: Progress) -> None:
        for number in signals:
            signal.raise_signal(number)

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, the tests would be started with it ignored
    workspace = open_workspace("lfsgan_workspace")
    try:
        with pytest.raises(LfsganError, match=r"Stopped after step \d of 3; resume with: .*resume=True") as stopped:
            workspace.learn_task("a", "cats", steps=3, progress=stop)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stopped.value.status == status
    assert workspace.list_tasks().interrupted[0].done == 2 - len(signals)


def test_a_hang_up_that_is_ignored_stays_so_as_under_nohup(program: Program) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        learned = open_workspace("lfsgan_workspace").learn_task(
            "a", "cats", steps=2, progress=lambda _step: signal.raise_signal(signal.SIGHUP)
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    assert learned.info.training["steps"] == 2


def test_a_loop_that_is_left_early_is_resumed_to_the_same_file(program: Program) -> None:
    workspace = open_workspace("lfsgan_workspace")
    for step in islice(workspace.iter_learn_task("a", "cats", steps=4, save_every=0), 2):
        assert step.total == 4
    learned = workspace.learn_task("a", resume=True)
    workspace.learn_task("b", "cats", steps=4)
    assert learned.info.training["steps"] == 4
    images = [workspace.generate(name, 2) for name in ("a", "b")]
    assert all(np.array_equal(np.asarray(one), np.asarray(other)) for one, other in zip(*images, strict=True))
    assert workspace.learn_task("a", resume=True) == learned  # nothing is left to do


def test_images_are_those_of_generate(learned: Program) -> None:
    learned.done("generate", "--task", "cats", "--seeds", "3,1", "--truncation", 0.7, "--with-base")
    workspace = open_workspace("lfsgan_workspace")
    for task, folder in (("cats", "cats"), (None, "base")):
        images = workspace.generate(task, [3, 1], truncation=0.7)
        for image, seed in zip(images, (3, 1), strict=True):
            assert np.array_equal(np.asarray(image), np.asarray(Image.open(f"out/{folder}/seed{seed:04}.png")))
    assert [image.size for image in workspace.iter_generate("cats", 2)] == [(16, 16)] * 2


def same(image: Image.Image, file: Path | str) -> bool:
    with Image.open(file) as stored:
        return np.array_equal(np.asarray(image), np.asarray(stored))


def test_blends_layers_sizes_and_files_are_those_of_generate(learned: Program) -> None:
    learned.learn("dogs", "--steps", 2)
    words = ("--strength", "coarse=1,middle=0.5", "--size", 32, "--background", "transparent", "--seeds", "2-3")
    learned.done("generate", "--task", "cats=0.6,dogs=0.4", *words)
    workspace, blend = open_workspace("lfsgan_workspace"), {"cats": 0.6, "dogs": 0.4}
    strength = {"coarse": 1, "middle": 0.5}
    images = workspace.generate(blend, [2, 3], strength=strength, size=32, background="transparent")
    assert all(
        same(image, f"out/cats=0.6,dogs=0.4/seed{seed:04}.png") for image, seed in zip(images, (2, 3), strict=True)
    )
    told: list[Path] = []
    written = workspace.generate_files(
        blend, "again", [2, 3], strength=strength, size=32, background="transparent", progress=told.append
    )
    assert told == [*written.images, written.grid]
    for file in [*written.images, written.grid]:
        assert learned.contents(file) == learned.contents(Path("out") / file.relative_to("again"))
    with pytest.raises(LfsganError, match="other settings"):
        workspace.generate_files("dogs", "again", 2)
    workspace.generate_files(["dogs", "cats"], "again", 2, with_base=True, overwrite=True)
    assert all(len(list(Path("again", name).glob("*.png"))) == 2 for name in ("base", "cats", "dogs"))


def test_grids_are_those_of_generate_and_style_mix(learned: Program) -> None:
    workspace = open_workspace("lfsgan_workspace")
    learned.done("generate", "cats", "-n", 2, "--grid", "strength=0;coarse=0.5", "--grid", "truncation=0.5,1")
    axes: GridAxes = {"strength": [0, {"coarse": 0.5}], "truncation": [0.5, 1]}
    assert same(workspace.image_grid("cats", axes, 2), "out/grid.png")
    assert workspace.image_grid(None, {"task": "all"}, 1).height > 16
    learned.done("style-mix", "--rows", "0-1", "--cols", "5", "--layers", "4", "--outdir", "mix")
    mix = workspace.style_mix("cats", range(2), [5], "4")
    assert same(mix.grid, "mix/grid.png")
    assert [[same(image, f"mix/row{row:04}-col0005.png") for image in mix.images[row]] for row in (0, 1)] == [
        [True]
    ] * 2
    files = workspace.style_mix_files("cats", range(2), [5], "4", "mix")
    assert files.grid == Path("mix/grid.png")


def test_walks_are_those_of_interpolate(learned: Program) -> None:
    workspace = open_workspace("lfsgan_workspace")
    learned.done("interpolate", "--task", "cats", "--task", "base", "--seeds", "0-1", "--frames", 2, "--out", "frames")
    frames = list(workspace.iter_frames(["cats", None], range(2), frames=2))
    assert all(same(frame, f"frames/frame{index:04}.png") for index, frame in enumerate(frames))
    assert workspace.interpolate("cats", "walk.gif", [0, 1], frames=2, grid=(1, 1)) == Path("walk.gif")
    with Image.open("walk.gif") as animation:
        assert animation.n_frames == 4  # type: ignore[attr-defined]


def test_a_projection_is_that_of_project_and_its_latents_are_generated(learned: Program) -> None:
    workspace, target = open_workspace("lfsgan_workspace"), Path("target.png")
    workspace.generate(None, [7])[0].save(target)
    learned.done("project", target, "--steps", 8, "--outdir", "found")
    steps: list[int] = []
    found = workspace.project(target, steps=8, outdir="found", progress=steps.append)
    assert steps == list(range(1, 9))
    assert same(found.image, "found/projection.png")
    learned.done("generate", "cats", "--latents", "found/latents.npz")
    for latents in (found.latents, "found/latents.npz"):
        assert same(workspace.generate("cats", latents=latents)[0], "out/cats/latent0000.png")


def test_snapshots_and_blends_become_tasks(program: Program) -> None:
    program.learn("cats", "--steps", 4, "--snapshot-every", 1)
    program.learn("dogs", "--steps", 1)
    workspace = open_workspace("lfsgan_workspace")
    found = workspace.snapshots("cats")
    assert found.steps == [1, 2, 3, 4]
    assert found.grid.height > 4 * 16
    assert workspace.pick_snapshot("cats", 2).info.training["snapshot"] == 2
    mixed = workspace.mix_tasks("both", {"cats": 0.5, "dogs": 0.5})
    assert mixed.info.training["blend"] == "cats=0.5,dogs=0.5"
    assert [task.name for task in workspace.list_tasks().tasks] == ["both", "cats", "dogs"]
    (image,), (stored,) = workspace.generate({"cats": 0.5, "dogs": 0.5}, 1), workspace.generate("both", 1)
    assert np.array_equal(np.asarray(image), np.asarray(stored))


def test_plans_say_what_would_be_done_and_write_nothing(program: Program) -> None:
    before, workspace = program.tree(), open_workspace("lfsgan_workspace")
    plan = workspace.plan_task("new", ["cats", "dogs"], steps=7)
    assert "--steps 7" in plan.changes
    assert len(plan.images.findings) == len(list(Path("cats").iterdir())) + len(list(Path("dogs").iterdir()))
    assert plan.estimate.seconds > 0
    assert plan.preview is not None
    assert program.tree() == before


def test_numbers_are_those_of_evaluate(learned: Program) -> None:
    words = ("evaluate", "--task", "cats", "--kid", "--reals", "data", "-n", 8, "--features", "efficientnet-lite0")
    told = json.loads(learned.done(*words, "--json").stdout)["results"]
    counts: list[int] = []
    found = open_workspace("lfsgan_workspace").evaluate(
        "cats", ["kid"], reals="data", n=8, features="efficientnet-lite0", progress=counts.append
    )
    numbers = [one for one in found if isinstance(one, Measurement)]
    assert [(one.value.metric, one.value.value) for one in numbers] == [(one["metric"], one["value"]) for one in told]
    assert sum(counts) >= 8
    assert open_workspace("lfsgan_workspace").check_retention()["cats"].retained


def test_a_base_is_pretrained_resumed_imported_and_exported(newcomer: Program) -> None:
    workspace = open_workspace("ws")
    steps = list(
        workspace.iter_pretrain("data", resolution=16, channels=16, latent=16, mapping_layers=2, batch=4, kimg=0.02)
    )
    assert [step.done for step in steps] == list(range(1, 6))
    assert workspace.base().training["kimg"] == 0.02
    file = workspace.export_base("base.pt")
    other = open_workspace("other")
    assert other.import_base(file, name="again").identity == workspace.base().identity
    with pytest.raises(LfsganError, match="--overwrite"):
        other.import_base(file)


def test_a_file_that_goes_bad_ends_a_run_with_a_checkpoint_and_the_run_goes_on_without_it(newcomer: Program) -> None:
    workspace = open_workspace("ws")
    size = {"resolution": 16, "channels": 16, "latent": 16, "mapping_layers": 2, "batch": 4, "kimg": 0.04}
    bad = sorted(Path("data").iterdir())[3]

    def damage(step: Progress) -> None:
        if step.done == 4:
            bad.write_bytes(bad.read_bytes()[:60])

    way = rf"'data' cannot be used: {bad.name}: .*; the checkpoint after step [4-9] is kept; then resume with: "
    with pytest.raises(LfsganError, match=way + rf".*; to go on without it, add --skip {bad.name}$"):
        workspace.pretrain("data", progress=damage, **size)  # type: ignore[arg-type]
    with pytest.raises(LfsganError, match="--data holds other images"):
        workspace.pretrain("data", resume=True)
    with pytest.raises(LfsganError, match="are 13 images, and the run began with 12"):
        workspace.pretrain("data", resume=True, skip=["other.png"])
    bad.unlink()  # gone or damaged is the same
    steps = [step.done for step in workspace.iter_pretrain("data", resume=True, skip=[bad.name])]
    assert steps[0] > 4
    assert steps[-1] == 10
    assert workspace.base().training["without"] == [bad.name]
    assert workspace.pretrain("data", resume=True, skip=[bad.name], kimg=0.044).training["kimg"] == 0.044


def test_tasks_are_managed(learned: Program) -> None:
    workspace = open_workspace("lfsgan_workspace")
    assert workspace.tasks() == {"cats": workspace.task("cats")}
    assert workspace.merge_task("cats", "cats.pt") == Path("cats.pt")
    workspace.rename_task("cats", "kittens")
    assert all(finding.whole for finding in workspace.verify())
    workspace.remove_tasks("kittens")
    assert workspace.tasks() == {}


def test_a_report_is_that_of_the_command(learned: Program) -> None:
    learned.done("report", "--out", "ours.html")
    written = open_workspace().report("api.html")
    assert [learned.contents(path) for path in (written.html, written.csv)] == [
        learned.contents("ours.html"),
        learned.contents("ours.csv"),
    ]
    assert written.left_out == {}


def test_the_doctor_finds_and_removes_what_was_left(learned: Program) -> None:
    workspace = open_workspace()
    assert [part.problems for part in workspace.doctor() if part.title == "workspace"] == [()]
    workspace.remove_tasks("cats")
    workspace.doctor(clean=True)
    assert not any("cats" in path for path in learned.tree("lfsgan_workspace"))


def test_this_machine_is_profiled(learned: Program) -> None:
    found = open_workspace().profile(seconds=0)
    assert found.rows
    assert all(row.seconds > 0 for row in found.rows)


@pytest.mark.parametrize(
    ("method", "arguments", "options", "words"),
    [
        ("generate", ["dgos", 1], {}, "no task 'dgos'"),
        ("generate", ["cats", 1], {"strength": 3}, "strength 3"),
        ("evaluate", ["cats", ["fdi"]], {}, "did you mean 'fid'"),
        ("evaluate", ["cats"], {"fakes": "data"}, "pass either"),
        ("evaluate", ["cats"], {"side": 16}, "leave it out"),
        ("evaluate", ["cats"], {"options": {"parts": ["a=0,0,1,1"]}}, "no chosen metric has the option 'parts'"),
        ("generate", [{"cats": 1, "dgos": 1}, 1], {}, "no task 'dgos'"),
        ("generate", ["cats", 1], {"strength": {"corse": 1}}, "expected coarse"),
        ("image_grid", ["cats", {"truncation": [3]}], {}, "truncation '3'"),
        ("image_grid", ["cats", {"task": "all"}], {}, "takes one task"),
        ("style_mix", ["cats", [0], [1]], {"size": 32}, "does not take size"),
        ("iter_frames", ["cats", [0]], {}, "at least two"),
        ("mix_tasks", ["cats", {"cats": 1}], {}, "'cats'"),
        ("pick_snapshot", ["cats", 77], {}, "no snapshot of step 77"),
        ("plan_task", ["new", "nowhere"], {}, "nowhere"),
        ("learn_task", ["cats", "dogs"], {}, "'cats' is learned already"),
        ("learn_task", ["new"], {}, "no images"),
        ("learn_task", ["new", "dogs"], {"settings": {"stesp": 1}}, "did you mean 'steps'"),
        ("learn_task", ["new", "dogs"], {"resume": True, "overwrite": True}, "contradict"),
    ],
)
def test_mistakes_are_the_programs_own_errors_and_leave_nothing(
    learned: Program, method: str, arguments: list[object], options: dict[str, object], words: str
) -> None:
    before = learned.tree()
    call = getattr(open_workspace("lfsgan_workspace"), method)
    with pytest.raises(LfsganError, match=words):
        list(call(*arguments, **options))  # those that iterate begin only now
    assert learned.tree() == before


def test_a_contradiction_of_arguments_has_an_error_of_its_own(learned: Program) -> None:
    with pytest.raises(CallError):
        open_workspace("lfsgan_workspace").evaluate("cats", fakes="data")


def test_the_example_learns_and_generates(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 15
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "cats", "2"])
    runpy.run_path(str(EXAMPLE))
    assert len(list((program.folder / "out").glob("seed*.png"))) == 16
    assert open_workspace().task("example").info.training["steps"] == 2


def test_the_examples_of_the_page_run_as_they_stand(program: Program) -> None:
    """In few steps: the numbers of the page are those of a real base."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8").partition(MARK)[0], flags=re.DOTALL)
    open_workspace("lfsgan_workspace").generate(None, 1)[0].save("cat.png")
    for name in ("few_shots", "birds", "all_cats"):
        shutil.copytree("cats", name)
    shutil.copytree("lfsgan_workspace", "faces")
    shown: dict[str, object] = {}
    assert len(blocks) > 1
    for block in (one for one in blocks if "s3://" not in one):  # that needs a server, as in tests/remote
        quick = block.replace("steps=500", "steps=2").replace('"./dogs",', '"./dogs", steps=2,')
        quick = (
            quick.replace('"./birds")', '"./birds", steps=2)')
            .replace("steps=100", "steps=8")
            .replace('["fid", "kid"]', '["kid"], n=8')
        )
        exec(quick, shown)  # noqa: S102 - our own page
    assert all(Path(name).is_file() for name in ("cat.png", "grid.png", "mix.png", "walk.webp", "projected.png"))
