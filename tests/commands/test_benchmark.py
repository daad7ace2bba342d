"""`lfsgan benchmark`: methods against tasks, finished once, and the same numbers however often it was stopped."""

import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

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


def lines(program: "Program") -> list[Any]:
    return [json.loads(line) for line in program.contents(LINES).decode().splitlines()]


def values(program: "Program") -> dict[tuple[str, int, str], float]:
    """A[t][i] of every method."""
    return {
        (line["method"], line["step"], one["domain"]): one["value"]
        for line in lines(program)
        for one in line["results"]
    }


def test_each_step_is_a_line_with_a_number_for_every_domain_so_far(program: "Program") -> None:
    write(program)
    result = program.done(*RUN)
    assert [(line["method"], line["step"]) for line in lines(program)] == KEYS
    assert [[one["domain"] for one in line["results"]] for line in lines(program)] == [["cats"], ["cats", "dogs"]] * 2
    # Twelve real pictures for one domain and five for the other: one name, so that both stand in one table.
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


def test_one_network_for_all_domains_draws_the_first_one_otherwise_after_the_second(program: "Program") -> None:
    write(program)
    program.done(*RUN)
    found = values(program)
    assert found["left", 2, "cats"] == found["left", 1, "cats"]
    assert found["full", 2, "cats"] != found["full", 1, "cats"]


def test_finished_steps_are_not_run_again_and_a_torn_line_is(program: "Program") -> None:
    write(program)
    program.done(*RUN)
    whole, before = program.contents(LINES), values(program)
    assert "Finished" not in program.done(*RUN).stderr
    assert program.contents(LINES) == whole
    program.folder.joinpath(LINES).write_bytes(whole[:-20])
    assert "Finished 4 of 4: dogs by full, seed 0." in program.done(*RUN).stderr
    assert values(program) == before


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_goes_on_to_the_same_numbers(program: "Program", by: signal.Signals) -> None:
    write(program, steps=30)  # its log begins after ten, which leaves time to stop
    words = (*RUN, "--method", "left")
    said = program.stopped(*words, log="out/left/seed0/tasks/cats/stats.jsonl", by=by)
    assert said.splitlines()[-1].endswith("resume with: lfsgan benchmark tiny.toml --out out --method left")
    program.done(*words)
    program.done(*words, "--out", "whole")
    again = [json.loads(line) for line in program.contents("whole/runs.jsonl").decode().splitlines()]
    assert [line["results"] for line in lines(program)] == [line["results"] for line in again]


def test_a_method_may_be_chosen_and_the_others_follow_later(program: "Program") -> None:
    write(program)
    program.done(*RUN, "--method", "full")
    assert {line["method"] for line in lines(program)} == {"full"}
    planned = json.loads(program.done(*RUN, "--dry-run", "--json").stdout)
    assert [(one["method"], one["step"]) for one in planned["todo"]] == KEYS[:2]


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
        ('metrics = ["fid"]', 'metrics = ["prdc"]', "of 5 pictures with k=5 neighbours"),
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


def test_a_line_that_does_not_name_a_setting_yet_was_not_learned_by_its_default(program: "Program") -> None:
    write(program)
    program.done(*RUN, "--method", "left")
    early = lines(program)
    for line in early:
        del line["training"]["optim.adapter_rates"], line["training"]["memorization_weight"]
    program.folder.joinpath(LINES).write_text("".join(json.dumps(line) + "\n" for line in early))
    assert "another own_rates of method left (false, now true)" in program.refused(*RUN)


def test_a_line_of_another_discriminator_is_not_one_of_the_default(program: "Program") -> None:
    write(program)
    program.done(*RUN, "--method", "left")
    kept = lines(program)
    for line in kept:
        assert line["training"]["discriminator.freeze_blocks"] == 1  # of the two that a discriminator of 16×16 has
        line["training"]["discriminator.freeze_blocks"] = 0
    program.folder.joinpath(LINES).write_text("".join(json.dumps(line) + "\n" for line in kept))
    assert "another freeze_blocks of method left (0, now 1)" in program.refused(*RUN)


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
    assert [one["domain"] for one in second["results"]] == ["cats", "dogs"]
    assert second["results"][0] == first["results"][0]
