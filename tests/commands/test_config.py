"""A configuration file stands for options, and what a run keeps makes the same run again."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from lfsgan_cli.app import app
from tests.conftest import SMALL, Program

ROOT: Any = typer.main.get_command(app)
CONFIGURED = [
    "learn-task",
    "learn-all",
    "pretrain",
    "generate",
    "evaluate",
    "benchmark",
    "interpolate",
    "style-mix",
    "project",
]


def kept(program: Program, path: str) -> dict[str, Any]:
    return tomllib.loads(program.contents(path).decode())


@pytest.mark.parametrize("name", CONFIGURED)
def test_every_option_can_stand_in_a_file_and_is_parsed_as_on_the_command_line(name: str, tmp_path: Path) -> None:
    command = ROOT.commands[name]
    lines: list[str] = []
    expected: dict[str, Any] = {}
    for param in command.params:
        if param.name in {"config", "save_config"}:
            continue
        key = param.name if param.param_type_name == "argument" else max(param.opts, key=len).lstrip("-")
        if param.opts[0] in {"-t", "-o"}:
            key, value, expected[param.name] = (
                {"-t": "training", "-o": "options"}[param.opts[0]],
                "{a.b = 1}",
                ["a.b=1"],
            )
        elif param.param_type_name == "option" and param.is_flag:
            value = str(not param.default).lower()
            if param.name not in {"quiet", "verbose", "debug"}:  # these act at once, and have no value
                expected[param.name] = not param.default
        else:
            word = _word(param)
            value = f"[{word!r}]" if param.multiple or param.nargs != 1 else repr(word)
        lines.append(f"{key} = {value}")
    (tmp_path / "run.toml").write_text("\n".join(lines))
    context = command.make_context(name, ["--config", str(tmp_path / "run.toml")])
    for param in command.params:
        if param.name not in {"config", "save_config"}:
            assert context.get_parameter_source(param.name).name == "COMMANDLINE", param.name
    assert {key: context.params[key] for key in expected} == expected


def _word(param: Any) -> str:
    """Some text that the parameter takes."""
    match param.default:
        case str():
            return str(param.default)
        case int():
            return "20"
        case float():
            return "0.5"
        case _:
            numbers = {"lr", "batch", "snapshot_every", "count", "size", "side", "threads", "jobs"}
            return "20" if param.name in numbers else "x"


def test_options_of_the_command_line_win(program: Program) -> None:
    program.folder.joinpath("run.toml").write_text(
        'images = ["cats"]\nname = "cats"\nsteps = 2\nmirror = true\nbatch = 2\n'
        "[training]\nmode_seeking.batch = 4\npath_every = 3\n[options]\nrank = 1\n"
    )
    program.done("learn-task", "--config", "run.toml", "--steps", 3, "--no-mirror", "-t", "mode_seeking.batch=5")
    run = kept(program, "lfsgan_workspace/tasks/cats/config.toml")
    assert run == {
        "images": ["cats"], "name": "cats", "steps": 3, "mirror": False, "batch": 2,
        "training": {"mode_seeking": {"batch": 5}, "path_every": 3}, "options": {"rank": 1},
    }  # fmt: skip


def test_a_run_can_be_made_again_from_what_it_kept(program: Program) -> None:
    program.learn("cats", "--batch", 2, "-t", "mode_seeking.weight=2.50", "-o", "rank=2", "--seed", 7)
    first = program.contents("lfsgan_workspace/tasks/cats.safetensors")
    program.folder.joinpath("lfsgan_workspace/tasks/cats/config.toml").rename(program.folder / "run.toml")
    program.done("tasks", "remove", "cats")
    program.done("learn-task", "--config", "run.toml")
    assert program.contents("lfsgan_workspace/tasks/cats.safetensors") == first


def test_a_base_can_be_trained_again_from_what_it_kept(newcomer: Program) -> None:
    words = ("pretrain", "--data", "data", *SMALL, "--kimg", 0.008, "--save-config", "run.toml")
    newcomer.done(*words)
    assert newcomer.contents("lfsgan_workspace/base/config.toml") == newcomer.contents("run.toml")
    newcomer.done("pretrain", "--config", "run.toml", "--workspace", "again")
    assert newcomer.contents("again/base.safetensors") == newcomer.contents("lfsgan_workspace/base.safetensors")


def test_a_lengthened_run_keeps_its_new_length_and_all_else(program: Program) -> None:
    program.learn("cats", "--seed", 3)
    program.done("learn-task", "--name", "cats", "--resume", "--steps", 4)
    run = kept(program, "lfsgan_workspace/tasks/cats/config.toml")
    assert run == {"images": ["cats"], "name": "cats", "steps": 4, "seed": 3}


@pytest.mark.parametrize(
    ("words", "folder", "image"),
    [
        (("generate", "cats", "--seeds", "3,5", "--truncation", 0.5), "out", "cats/seed0005.png"),
        (("style-mix", "--rows", "0", "--cols", 1, "--task", "base"), "out/style-mix", "grid.png"),
        (("interpolate", "--seeds", "0-1", "--frames", 1, "--out", "walk"), "walk", "frame0001.png"),
        (("project", "cats/00.png", "--steps", 8, "--outdir", "found"), "found", "projection.png"),
    ],
)
def test_generated_images_can_be_made_again_from_what_lies_beside_them(
    learned: Program, words: tuple[object, ...], folder: str, image: str
) -> None:
    learned.done(*words)
    first = learned.contents(f"{folder}/{image}")
    learned.folder.joinpath(folder).rename(learned.folder / "first")
    learned.done(words[0], "--config", "first/config.toml")
    assert learned.contents(f"{folder}/{image}") == first


def test_what_stands_for_the_same_is_replaced_by_the_command_line(learned: Program) -> None:
    learned.folder.joinpath("run.toml").write_text('seeds = "3-5"\ntask = "missing"\n')
    learned.done("generate", "cats", "-n", 1, "--config", "run.toml")
    assert [path.name for path in learned.folder.glob("out/**/seed*.png")] == ["seed0000.png"]


def test_a_file_is_stronger_than_the_environment(learned: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LFSGAN_WORKSPACE", "nowhere")
    learned.folder.joinpath("run.toml").write_text('workspace = "lfsgan_workspace"\n')
    learned.done("generate", "cats", "-n", 1, "--config", "run.toml")


def test_a_plan_can_be_saved_before_it_runs(program: Program) -> None:
    program.done(
        "learn-task", "--images", "cats", "--name", "c", "--lr", 0.001, "-o", "rank=1", "--dry-run",
        "--save-config", "run.toml",
    )  # fmt: skip
    assert kept(program, "run.toml") == {"images": ["cats"], "name": "c", "lr": 0.001, "options": {"rank": 1}}
    line = program.refused("learn-task", "--config", "run.toml", "--save-config", "run.toml")
    assert line == "Error: 'run.toml': is there already; pass another name to --save-config, or remove it"


def test_a_command_that_fails_saves_nothing(program: Program) -> None:
    program.refused("learn-task", "--images", "nowhere", "--name", "c", "--save-config", "run.toml")
    assert not program.folder.joinpath("run.toml").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stepz = 3", "'run.toml': unknown key 'stepz': did you mean 'steps'?"),
        ("save_every = 3", "'run.toml': unknown key 'save_every': did you mean 'save-every'?"),
        ("shots = 'cats'", "'run.toml': unknown key 'shots': did you mean 'images'?"),
        ("xyzzy = 3", "unknown key 'xyzzy'; the keys are the long names of the options in `lfsgan learn-task --help`"),
        ("[training]\npath_evry = 3", "unknown option 'path_evry'; the known ones are: "),
        ("steps = 'many'", "'run.toml': --steps: "),
        ("steps = 0", "'run.toml': --steps: expected 1 or more; see `lfsgan learn-task --help`"),
        ("steps = [1, 2]", "'run.toml': steps is [1, 2]: expected text or a number"),
        ("mirror = 'yes'", "'run.toml': mirror is 'yes': expected true or false"),
        ("training = 3", "'run.toml': training is 3: expected a table [training]"),
        ("training = {steps = [1]}", "'run.toml': training.steps is [1]: expected text, a number, true or false"),
        ("steps", "'run.toml': expected TOML, and it is none: "),
        ("a" + ".a" * 200 + " = 1", "'run.toml': expected TOML, and it is none: a line has more than 100 dots"),
    ],
)
def test_what_a_file_cannot_say_is_one_line(program: Program, text: str, says: str) -> None:
    program.folder.joinpath("run.toml").write_text(text)
    assert says in program.refused("learn-task", "--images", "cats", "--name", "c", "--config", "run.toml")


def test_a_file_that_is_not_there_is_one_line(program: Program) -> None:
    line = program.refused("generate", "--config", "nowhere.toml")
    assert line == (
        "Error: 'nowhere.toml': cannot be read: No such file or directory; expected a file from --save-config"
    )


def test_every_text_comes_back_as_it_was(learned: Program) -> None:
    odd = 'a "b"\\ \x7f\t猫'
    learned.done("generate", "cats", "-n", 1, "--outdir", odd)
    assert kept(learned, f"{odd}/config.toml")["outdir"] == odd


def test_a_file_of_the_users_is_left_alone(learned: Program) -> None:
    learned.folder.joinpath("out").mkdir()
    learned.folder.joinpath("out/config.toml").write_text("mine = 1\n")
    result = learned.done("generate", "cats", "-n", 1)
    assert learned.contents("out/config.toml") == b"mine = 1\n"
    assert "out/config.toml' is not a file that lfsgan wrote" in result.stderr
