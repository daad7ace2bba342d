"""A suite is read as it is meant, and whatever in it cannot be run is refused in one line before any work."""

import re
import tomllib
from pathlib import Path

import pytest

from lfsgan_cli.benchmark.suite import COUNT, NoSuiteError, Suite, SuiteError, UnknownMethodError, read_suite
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.registry import entries, load
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.discriminator import check_fits

EXAMPLES = Path(__file__).parents[2] / "examples" / "benchmarks"
METRICS = ("fid", "kid", "prdc", "lpips", "memorization")  # what suites without a list of metrics measure
LEAST = """
[suite]
name = "tiny"

[[task]]
name = "cats"
shots = "cats"
reals = "reals"

[[task]]
name = "dogs"
shots = "dogs"
reals = "reals"

[[method]]
name = "left"
adapter = "left"
"""
FULL = (
    LEAST.replace(
        'name = "tiny"', 'name = "tiny"\nbase = "b.safetensors"\ncount = 5\nseeds = [3, 0]\nmetrics = ["kid"]'
    )
    + """options = {rank = 2}
training = {steps = 7, lr = 1, mirror = false}

[[method]]
name = "chain"
adapter = "full"
sequential = true
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cats", "dogs", "reals"):
        tmp_path.joinpath(name).mkdir()
    tmp_path.joinpath("b.safetensors").touch()
    return tmp_path


def read(folder: Path, text: str) -> Suite:
    folder.joinpath("tiny.toml").write_text(text)
    return read_suite(folder / "tiny.toml", None)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(SuiteError) as error:
        read(folder, text)
    assert str(error.value).startswith(repr(str(folder / "tiny.toml")))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_least_suite_takes_everything_else_as_the_commands_do(folder: Path) -> None:
    suite = read(folder, LEAST)
    assert (suite.name, suite.base, suite.count, suite.seeds, suite.metrics) == ("tiny", None, COUNT, (0,), METRICS)
    assert (suite.features, suite.fid_mode, suite.lpips_features) == ("auto", "clean", "auto")
    [method] = suite.methods
    assert (method.sequential, method.recipe.options) == (False, load("left").Config())
    assert method.recipe.training == LearnConfig(lr=load("left").lr)


def test_what_is_given_is_taken(folder: Path) -> None:
    suite = read(folder, FULL)
    assert (suite.base, suite.count, suite.seeds, suite.metrics) == (folder / "b.safetensors", 5, (3, 0), ("kid",))
    assert [(task.name, task.shots, task.reals) for task in suite.tasks] == [
        (name, folder / name, folder / "reals") for name in ("cats", "dogs")
    ]
    left, chain = suite.methods
    assert (left.recipe.options, left.sequential) == (load("left").Config(rank=2), False)
    assert left.recipe.seeded(3).training == LearnConfig(steps=7, lr=1.0, mirror=False, seed=3)
    assert (chain.recipe.adapter, chain.sequential) == ("full", True)
    assert chain.recipe.training.lr == load("full").lr  # its own, where the suite gives none


def test_paths_are_sought_in_the_data_if_that_is_named(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "suites"
    elsewhere.mkdir()
    assert "name the folder that 'cats' is in with --data" in refused(elsewhere, LEAST)
    assert read_suite(elsewhere / "tiny.toml", folder).tasks[0].shots == folder / "cats"


def test_images_are_compared_one_by_one_only_where_a_metric_does_so(folder: Path) -> None:
    assert "embeddings" in read(folder, LEAST).needs
    assert "embeddings" not in read(folder, FULL).needs


def test_what_all_numbers_share_is_told_apart_from_what_may_grow(folder: Path) -> None:
    settings = read(folder, LEAST).settings
    assert read(folder, LEAST + '\n[[method]]\nname = "more"\nadapter = "full"\n').settings == settings
    assert read(folder, LEAST.replace("[suite]", "[suite]\ncount = 7")).settings != settings


def test_methods_are_chosen_by_name_in_the_order_of_the_suite(folder: Path) -> None:
    suite = read(folder, FULL)
    assert suite.some(["chain", "left"]) == suite.some([]) == suite.methods
    assert [method.name for method in suite.some(["chain"])] == ["chain"]
    with pytest.raises(UnknownMethodError, match=r"'chian'.*did you mean 'chain'"):
        suite.some(["chain", "chian"])


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        # keys
        ("[suite]", "more = 1\n[suite]", "unknown key 'more' in the suite; the known ones are: method, suite, task"),
        ('name = "tiny"', 'name = "tiny"\ncuont = 5', "unknown key 'cuont' in [suite];.*did you mean 'count'"),
        ('name = "cats"', 'name = "cats"\nreal = "x"', "unknown key 'real' in [[task]];.*did you mean 'reals'"),
        ('name = "left"', 'name = "left"\nlr = 1', "unknown key 'lr' in [[method]]"),
        ('name = "tiny"', "", "name is missing in [suite]; expected name = str"),
        ("[suite]", "[other]", "unknown key 'other'"),
        ('name = "cats"', "", "name is missing in [[task]]"),
        ('shots = "cats"', "", "shots is missing in [[task]]; expected shots = str"),
        ('reals = "reals"', "", "reals is missing in [[task]]"),
        ('adapter = "left"', "", "adapter is missing in [[method]]"),
        # names
        ('"tiny"', '"../tiny"', "name = '../tiny' in [suite] cannot name a suite"),
        ('"cats"', '"a/b"', "name = 'a/b' in [[task]] cannot name a task: expected letters a-z, digits and ._-"),
        ('name = "left"', 'name = ".."', "name = '..' in [[method]] cannot name a method"),
        ('name = "cats"', 'name = "Base"', "'Base' cannot name a task: it stands for the base itself"),
        ('name = "cats"', 'name = "a.safetensors"', "'a.safetensors' cannot name a task:.*the file of task 'a'"),
        ('name = "left"', 'name = "suite.toml"', "'suite.toml' cannot name a method"),
        ('name = "left"', 'name = "Runs.jsonl"', "'Runs.jsonl' cannot name a method"),
        ('name = "dogs"', 'name = "CATS"', "two tasks are called 'cats'; give each a name of its own"),
        # files
        ('shots = "cats"', 'shots = "cows"', "the shots of task 'cats' are not at '.*cows'"),
        ('reals = "reals"', 'reals = "r.zip"', "the reals of task 'cats' are not at '.*r.zip'"),
        ('name = "tiny"', 'name = "tiny"\nbase = "c"', "base = 'c' in [suite]: there is no file.*'avatars-64-2'"),
        ('name = "tiny"', 'name = "tiny"\nbase = "cats"', "base = 'cats' in [suite]: there is no file"),
        # adapters and recipes
        ('adapter = "left"', 'adapter = "lfet"', "method 'left': there is no adapter 'lfet';.*did you mean 'left'"),
        ('adapter = "left"', 'adapter = "left"\noptions = {rnak = 1}', "method 'left': -o: unknown option 'rnak'"),
        ('adapter = "left"', 'adapter = "left"\noptions = {rank = 1.5}', "'left': -o: option rank='1.5': expected int"),
        ('adapter = "left"', 'adapter = "left"\noptions = {rank = [1]}', "option rank='[1]': expected int"),
        ('adapter = "left"', 'adapter = "left"\ntraining = {step = 9}', "unknown option 'step';.* 'steps'?"),
        ('adapter = "left"', 'adapter = "left"\ntraining = {steps = 0}', "steps is 0: expected at least 1"),
        ('adapter = "left"', 'adapter = "left"\ntraining = {lr = inf}', "option lr='inf': expected float"),
        ('adapter = "left"', 'adapter = "left"\ntraining = {seed = 1}', "expected seeds = [...] in [suite]"),
        ('adapter = "left"', 'adapter = "left"\ntraining = 9', "training = 9 in [[method]]: expected a table"),
        # bounds
        ('name = "tiny"', 'name = "tiny"\ncount = 1', "count = 1 in [suite]: expected 2 to 1000000"),
        ('name = "tiny"', 'name = "tiny"\nseeds = [-1]', "seeds = -1 in [suite]: expected 0 to"),
        ('name = "tiny"', 'name = "tiny"\nseeds = [4294967296]', "seeds = 4294967296 in [suite]: expected 0 to"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_a_way_out(folder: Path, was: str, now: str, words: str) -> None:
    assert LEAST.count(was)
    pattern = ".*".join(map(re.escape, words.split(".*")))
    assert re.search(pattern, refused(folder, LEAST.replace(was, now, 1)))


@pytest.mark.parametrize("kind", ["task", "method"])
def test_there_is_one_task_and_one_method_at_least(folder: Path, kind: str) -> None:
    head, *parts = LEAST.split("[[")
    others = "".join(f"[[{part}" for part in parts if not part.startswith(kind))
    assert f"expected one or more tables [[{kind}]]" in refused(folder, head + others)


def test_methods_that_differ_by_case_alone_would_share_a_folder(folder: Path) -> None:
    twice = f'{LEAST}\n[[method]]\nname = "LEFT"\nadapter = "full"\n'
    assert "two methods are called 'left'" in refused(folder, twice)


@pytest.mark.parametrize("content", [b"[suite", b"\xff\xfe", b"a = " + b"[" * 100_000])
def test_what_is_no_toml_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tiny.toml"
    path.write_bytes(content)
    with pytest.raises(SuiteError, match="expected TOML, and it is none") as error:
        read_suite(path, None)
    assert "\n" not in str(error.value)


def test_a_suite_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(NoSuiteError, match="expected a TOML file as in examples/benchmarks"):
            read_suite(path, None)


def example(name: str, data: Path) -> Suite:
    """A suite of the examples, with something at every place that it names."""
    path = EXAMPLES / f"{name}.toml"
    document = tomllib.loads(path.read_text())
    files = [task[key] for task in document["task"] for key in ("shots", "reals")]
    for file in (*files, document["suite"]["base"]):
        place = data / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return read_suite(path, data)


def test_no_two_methods_of_the_ablation_are_the_same_and_one_of_them_is_the_default(tmp_path: Path) -> None:
    methods = example("ablation", tmp_path).methods
    recipes = [method.recipe for method in methods]
    assert len({(one.adapter, one.options, one.training) for one in recipes}) == len(methods)
    usual = LearnConfig(lr=load("left").lr)
    plain = load("left").Config()
    [default] = [one for one in methods if one.recipe.options == plain and one.recipe.training == usual]
    assert (default.name, default.recipe.adapter) == ("default", "left")


def test_the_styles_that_nothing_was_chosen_on_are_those_of_no_other_suite(tmp_path: Path) -> None:
    unseen, seen = ({task.name for task in example(name, tmp_path / name).tasks} for name in ("unseen", "quality"))
    assert unseen == {"micah", "bigSmile", "bottts"}
    assert not unseen & seen


def test_the_quality_suite_compares_adapters_under_the_default_recipe_with_the_public_one(tmp_path: Path) -> None:
    suite = example("quality", tmp_path)
    assert (len(suite.tasks), suite.seeds, suite.count) == (5, (0, 1, 2), 2000)
    recipes = [method.recipe for method in suite.methods]
    assert [one.adapter for one in recipes if one.recipe == "default"] == ["left", "full", "lora", "cam"]
    assert [one.training.steps for one in recipes if one.recipe == "paper"] == [1000, 1400, 3002]


def test_the_field_has_every_adapter_every_recipe_and_one_network_with_and_without_ewc(tmp_path: Path) -> None:
    suite = example("field", tmp_path)
    assert (len(suite.tasks), suite.seeds, suite.count) == (2, (0, 1), 1000)
    assert {method.recipe.training.steps for method in suite.methods} == {300}
    assert {one.recipe.adapter for one in suite.methods} == {
        entry.name for entry in entries() if entry.distribution == "lfsgan"
    }
    published = {"paper", "tgan", "freezed", "ada", "ewc", "cdc", "dcl"}
    assert {one.recipe.recipe for one in suite.methods} == {"default", *published}
    assert {method.recipe.recipe for method in suite.methods if method.sequential} == {"tgan", "ewc"}


@pytest.mark.parametrize("name", ["ablation", "quality", "unseen", "photographs", "field"])
def test_the_embedded_base_is_large_enough_for_all_methods(name: str, tmp_path: Path) -> None:
    for method in example(name, tmp_path).methods:
        check_fits(method.recipe.training, NetworkConfig.standard(64))


@pytest.mark.parametrize("name", ["avatars", "ffhq"])
def test_the_suites_of_the_examples_can_be_read(name: str, tmp_path: Path) -> None:
    suite = example(name, tmp_path)
    assert len(suite.tasks) == 5
    assert {"left", "full", "cam"} <= {method.recipe.adapter for method in suite.methods}
    assert [method.name for method in suite.methods if method.sequential]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("count = 0x" + "f" * 6000, "more than 63 bits"),
        ("count = " + "9" * 5000, "it is none"),
        (".".join(["a"] * 20_000) + " = 1", "more than 100 dots"),
        ("a = " + "[" * 40 + "]" * 40, "nested too deeply"),
        ('metrics = ["' + "x" * 5000 + '"]', "expected fid|kid"),
        ('base = "' + "x" * 5000 + '"', "there is no file"),
        ('base = "\\u0000"', "there is no file"),
        ('name = "\\u001b[31m"', r"'\x1b[31m'"),
        ("x" * 5000 + " = 1", "unknown key"),
    ],
)
def test_a_suite_of_a_stranger_is_refused_soon_and_in_one_short_line(folder: Path, line: str, words: str) -> None:
    said = refused(folder, LEAST.replace("[suite]", f"[suite]\n{line}", 1) if "name" not in line else line_for(line))
    assert words in said
    assert said.isprintable()
    assert len(said) < 1500


def line_for(line: str) -> str:
    """The least suite under another name."""
    return "\n".join(line if old.startswith("name") and "tiny" in old else old for old in LEAST.splitlines())


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
def test_a_suite_without_an_end_is_not_read() -> None:
    with pytest.raises(NoSuiteError, match="a pipe or a device"):
        read_suite(Path("/dev/zero"), None)
