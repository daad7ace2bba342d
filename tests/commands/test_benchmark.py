"""`lfsgan benchmark`: methods against tasks, finished once, and the same numbers however often it was stopped."""

import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from lfsgan_cli import open_workspace
from lfsgan_cli.benchmark.results import read_runs

if TYPE_CHECKING:
    from tests.conftest import Program

SUITE = """
[suite]
name = "tiny"
base = "lfsgan_workspace/base.safetensors"
count = 8
metrics = ["fid"]

[[task]]
name = "cats"
shots = "cats"
reals = "data"

[[task]]
name = "dogs"
shots = "dogs"
reals = "cats"

[[method]]
name = "left"
adapter = "left"
options = {rank = 1, biases = false}
training = {steps = STEPS, batch = 2, anchors.candidates = 10}

[[method]]
name = "full"
adapter = "full"
sequential = true
training = {steps = STEPS, batch = 2, anchors.candidates = 10}
"""
RUN = ("benchmark", "tiny.toml", "--out", "out")
LINES = "out/runs.jsonl"
KEYS = [("left", 1), ("left", 2), ("full", 1), ("full", 2)]


def write(program: "Program", text: str = SUITE, steps: int = 3) -> None:
    program.folder.joinpath("tiny.toml").write_text(text.replace("STEPS", str(steps)))


def lines(program: "Program", path: str = LINES) -> list[Any]:
    """The lines of finished steps, without those of conditions."""
    found = [json.loads(line) for line in program.contents(path).decode().splitlines()]
    return [line for line in found if "conditions" not in line]


def keep(program: "Program", changed: list[Any]) -> None:
    """Put changed lines under the conditions that are there."""
    first, *_ = program.contents(LINES).decode().splitlines()
    program.folder.joinpath(LINES).write_text("".join(f"{line}\n" for line in [first, *map(json.dumps, changed)]))


def known(program: "Program") -> dict[tuple[str, int, str], float]:
    """A[t][i] of every method, as a report has it."""
    return {
        (run.method, run.step, one.domain): one.value
        for run in read_runs(program.folder / "out")
        for one in run.results
    }


def test_each_step_is_a_line_with_the_numbers_measured_after_it(program: "Program") -> None:
    write(program)
    result = program.done(*RUN)
    assert [(line["method"], line["step"]) for line in lines(program)] == KEYS
    # A task file of `left` stays as it is, so its number is not repeated; the network of `full` is measured on both.
    measured = [[one["domain"] for one in line["results"]] for line in lines(program)]
    assert measured == [["cats"], ["dogs"], ["cats"], ["cats", "dogs"]]
    [conditions] = [line for line in map(json.loads, program.contents(LINES).splitlines()) if "conditions" in line]
    assert (conditions["conditions"]["device"], conditions["conditions"]["tf32"]) == ("cpu", False)
    assert not {"conditions", "base", "extractor", "versions", "device"} & {
        key for line in lines(program) for key in line
    }
    assert "0x" not in program.contents(LINES).decode()
    # Twelve real images for one domain and five for the other: one name, so that both stand in one table.
    assert {one["name"] for line in lines(program) for one in line["results"]} == {
        "fid[efficientnet-lite0] n=8 reals=5-12"
    }
    heading, *rows = result.stdout.splitlines()
    assert heading.split()[:4] == ["method", "cats", "dogs", "forgetting"]
    assert [row.split()[0] for row in rows] == ["left", "full"]
    assert "A[t][i] of full" in program.done("report", "out").stdout + program.contents("out/report.html").decode()


def test_a_method_that_cannot_be_learned_is_refused_before_another_begins(program: "Program") -> None:
    for setting, words in (
        ("discriminator.freeze_blocks = 9", "method 'full': discriminator.freeze_blocks is 9: expected at most 2"),
    ):
        write(program, SUITE[: -len("}\n")] + f", {setting}}}\n")
        assert words in program.refused(*RUN)
        assert not program.folder.joinpath("out").exists()


def test_one_network_for_all_domains_generates_the_first_one_otherwise_after_the_second(program: "Program") -> None:
    write(program)
    program.done(*RUN)
    found = known(program)
    assert found["left", 2, "cats"] == found["left", 1, "cats"]
    assert found["full", 2, "cats"] != found["full", 1, "cats"]


def test_finished_steps_are_not_run_again_and_a_torn_line_is(program: "Program") -> None:
    write(program)
    program.done(*RUN)
    whole, before = program.contents(LINES), known(program)
    assert "Finished" not in program.done(*RUN).stderr
    assert program.contents(LINES) == whole
    program.folder.joinpath(LINES).write_bytes(whole[:-20])
    assert "Finished 4 of 4: dogs by full, seed 0." in program.done(*RUN).stderr
    assert known(program) == before


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_goes_on_to_the_same_numbers(program: "Program", by: signal.Signals) -> None:
    write(program, steps=30)  # its log begins after ten, which leaves time to stop
    words = (*RUN, "--method", "left")
    said = program.stopped(*words, log="out/left/seed0/tasks/cats/stats.jsonl", by=by)
    assert said.splitlines()[-1].endswith(" benchmark tiny.toml --out out --method left")
    program.done(*words)
    program.done("benchmark", "tiny.toml", "--out", "whole", "--method", "left")
    again = lines(program, "whole/runs.jsonl")
    assert [line["results"] for line in lines(program)] == [line["results"] for line in again]


def test_a_method_may_be_chosen_and_the_others_follow_later(program: "Program") -> None:
    write(program)
    program.done(*RUN, "--method", "full")
    assert {line["method"] for line in lines(program)} == {"full"}
    planned = json.loads(program.done(*RUN, "--dry-run", "--json").stdout)
    assert [(one["method"], one["step"]) for one in planned["todo"]] == KEYS[:2]
    assert (planned["images"] > 0, planned["skipped"]) == (True, [])


def test_a_dry_run_leaves_nothing(program: "Program") -> None:
    write(program)
    before = program.tree()
    assert "Would do 4 of 4 steps" in program.done(*RUN, "--dry-run").stderr
    assert program.tree() == before


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ('adapter = "full"', 'adapter = "fill"', "did you mean 'full'?"),
        ("count = 8", "count = 1", "count = 1 in [suite]: expected 2 to"),
        ("count = 8", "counts = 8", "unknown key 'counts' in [suite]"),
        ('shots = "dogs"', 'shots = "cows"', "the shots of task 'dogs' are not at 'cows'"),
        ('name = "dogs"', 'name = "Cats"', "two tasks are called"),
        ('metrics = ["fid"]', 'metrics = ["prdc"]', "of 5 images with k=5 neighbours"),
        ("[suite]", "[suite", "expected TOML, and it is none"),
    ],
)
def test_a_mistake_in_the_suite_is_one_line_and_leaves_nothing(
    program: "Program", was: str, now: str, words: str
) -> None:
    write(program, SUITE.replace(was, now))
    assert words in program.refused(*RUN)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("benchmark", "none.toml"), "no suite at 'none.toml'"),
        ((*RUN, "--method", "lift"), "the suite has no method 'lift'"),
        ((*RUN[:-1], "tiny.toml"), "'tiny.toml' is a file, and a benchmark is a folder"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    program: "Program", arguments: tuple[object, ...], words: str
) -> None:
    write(program)
    assert words in program.refused(*arguments)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("steps = 3, batch", "steps = 4, batch", "another steps of method left (3, now 4)"),
        ("rank = 1", "rank = 2", "another rank of method left (1, now 2)"),
        (", biases = false", "", "another biases of method left (false, now true)"),
        ("count = 8", "count = 9", "another settings"),
        ('name = "cats"', 'name = "lions"', "another task as number 1 (cats, now lions)"),
        ('shots = "cats"', 'shots = "data"', "another shots of cats"),
    ],
)
def test_what_was_learned_otherwise_does_not_mix_with_what_is_there(
    program: "Program", was: str, now: str, words: str
) -> None:
    write(program)
    program.done(*RUN, "--method", "left")
    write(program, SUITE.replace("STEPS", "3").replace(was, now))
    assert words in program.refused(*RUN)


def test_a_line_of_another_discriminator_is_not_one_of_the_default(program: "Program") -> None:
    write(program)
    program.done(*RUN, "--method", "left")
    changed = lines(program)
    for line in changed:
        discriminator = line["training"]["discriminator"]
        assert discriminator["freeze_blocks"] == 1  # of the two that a discriminator of 16×16 has
        discriminator["freeze_blocks"] = 0
    keep(program, changed)
    assert "another discriminator.freeze_blocks of method left (0, now 1)" in program.refused(*RUN)


def test_a_suite_may_grow_and_needs_no_workspace_of_what_is_finished(program: "Program") -> None:
    one_task, _, rest = SUITE.partition('[[task]]\nname = "dogs"')
    write(program, one_task + rest[rest.index("[[method]]") :])
    program.done(*RUN, "--method", "left")
    [first] = lines(program)
    shutil.rmtree(program.folder / "out" / "left")
    write(program, SUITE + '\n[[method]]\nname = "more"\nadapter = "full"\ntraining = {steps = 1, batch = 2}\n')
    program.done(*RUN, "--method", "left")
    again, second = lines(program)
    assert again == first
    assert [one["domain"] for one in second["results"]] == ["dogs"]
    assert {key[1:] for key in known(program)} == {(1, "cats"), (2, "cats"), (2, "dogs")}


def test_from_python_a_benchmark_has_the_numbers_of_the_command(program: "Program") -> None:
    write(program)
    program.done(*RUN, "--method", "left")
    seen: list[tuple[int, int]] = []
    summary = open_workspace().benchmark(
        "tiny.toml", out="other", methods=["left"], progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 2), (2, 2)]
    assert [run.results for run in read_runs(program.folder / "other")] == [
        run.results for run in read_runs(program.folder / "out")
    ]
    assert [method.method for method in summary.methods] == ["left"]
