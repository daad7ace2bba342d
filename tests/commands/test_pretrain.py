"""`lfsgan pretrain` makes a workspace's base, never over another that is needed; `base show` tells what it is."""

import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.conftest import Program

BASE = "lfsgan_workspace/base.safetensors"
TINY = ("--resolution", 16, "--channels", 16, "--latent", 16, "--mapping-layers", 2, "--batch", 4, "--kimg", 0.008)
PRETRAIN = ("pretrain", "--data", "data", *TINY)


def shown(program: "Program", *arguments: object) -> Any:
    return json.loads(program.done("base", "show", "--json", *arguments).stdout)


def test_the_base_tells_what_it_is(newcomer: "Program") -> None:
    result = newcomer.done(*PRETRAIN, "--name", "discs")
    base = shown(newcomer)
    assert (base["name"], base["network"]["resolution"], base["network"]["w_dim"]) == ("discs", 16, 16)
    assert base["network"]["channels"] == {"4": 16, "8": 16, "16": 16}
    assert (base["training"]["pictures"], base["training"]["kimg"], base["training"]["data"]) == (12, 0.008, "data")
    assert result.stdout == ""
    assert f"Base 'discs' is in {BASE}: {base['parameters']:,} parameters, {base['identity'][:12]}…" in result.stderr
    lines = [line.split() for line in newcomer.done("base", "show").stdout.splitlines()]
    assert ["base", "discs"] in lines
    assert ["identity", base["identity"]] in lines
    assert {"lfsgan_workspace/base/run.json", "lfsgan_workspace/base/fakes000002.png"} <= set(newcomer.tree())


def test_two_runs_make_the_same_base_and_another_seed_another(newcomer: "Program") -> None:
    for workspace, seed in (("one", 0), ("two", 0), ("three", 1)):
        newcomer.done(*PRETRAIN, "--workspace", workspace, "--seed", seed)
    assert newcomer.contents("one/base.safetensors") == newcomer.contents("two/base.safetensors")
    assert shown(newcomer, "--workspace", "one")["identity"] != shown(newcomer, "--workspace", "three")["identity"]


def test_a_start_gives_shape_and_weights(program: "Program") -> None:
    options = ("--kimg", 0, "--init-from", BASE, "--workspace", "warm")
    program.done("pretrain", "--data", "dogs", *options)
    warm, start = shown(program, "--workspace", "warm"), shown(program)
    assert (warm["identity"], warm["network"]) == (start["identity"], start["network"])
    assert warm["training"]["start"] == start["identity"]


def test_a_dry_run_tells_the_plan_and_does_nothing(newcomer: "Program") -> None:
    before = newcomer.tree()
    said = newcomer.done(*PRETRAIN, "--dry-run").stderr.splitlines()
    assert said[0].startswith("Using 12 images (")
    assert "Would pretrain the base 'data' on 12 images." in said
    changed = next(line for line in said if line.startswith("Changed settings: "))
    assert "--resolution 16" in changed
    assert "--kimg 0.008" in changed
    assert "--lr" not in changed
    assert {"Device", "Expected time", "Expected memory"} <= {line.partition(": ")[0] for line in said}
    plan = json.loads(newcomer.done(*PRETRAIN, "--dry-run", "--json").stdout)["plan"]
    assert (plan["network"]["w_dim"], plan["training"]["batch"]) == (16, 4)
    assert newcomer.tree() == before


def test_quiet_is_silent_and_json_is_one_document(newcomer: "Program") -> None:
    assert newcomer.done(*PRETRAIN, "-q").output == ""
    said = json.loads(newcomer.done(*PRETRAIN, "--overwrite", "--json").stdout)
    assert (said["file"], said["identity"]) == (BASE, shown(newcomer)["identity"])


def test_transparency_is_said_once(newcomer: "Program") -> None:
    Image.new("RGBA", (16, 16), (255, 0, 0, 9)).save(newcomer.folder / "data/clear.png")
    said = newcomer.done(*PRETRAIN).stderr
    assert said.count("1 of 13 images is transparent in parts: blended with white.") == 1


def test_a_base_is_replaced_if_told_so_and_never_under_tasks(learned: "Program") -> None:
    line = learned.refused(*PRETRAIN)
    assert "base.safetensors' exists, and a base is never replaced: it carries the tasks cats" in line
    assert "it carries the tasks cats; use another --workspace" in learned.refused(*PRETRAIN, "--overwrite")
    shutil.rmtree(learned.folder / "lfsgan_workspace/tasks")
    before = learned.contents(BASE)
    assert "give --overwrite to replace it, or use another --workspace" in learned.refused(*PRETRAIN)
    learned.done(*PRETRAIN, "--overwrite", "--seed", 1)
    assert learned.contents(BASE) != before


def test_a_trained_base_has_nothing_to_resume(program: "Program") -> None:
    before = program.tree()
    same = (*PRETRAIN[:-2], "--kimg", 0.04, "--resume")  # as the fixture trained
    assert "The base is trained already, nothing is left to do." in program.done(*same).stderr
    assert program.tree() == before
    changed = program.refused("pretrain", "--data", "data", "--resume", "--kimg", 1, "--latent", 32)
    assert "--latent was 16, now 32: leave it out" in changed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--channels", 32), "--channels was 16, now 32"),
        (("--mapping-layers", 3), "--mapping-layers was 2, now 3"),
        (("--resolution", 32), "--resolution was 16, now 32"),
        (("--r1-gamma", 1), "--r1-gamma was 0.5, now 1.0"),
        (("--name", "other"), "--name was data, now other"),
        (("--init-from", "other.safetensors"), "--init-from was none, now "),
        (("--kimg", 0), "--kimg is 0, and the run has already done "),
    ],
)
def test_a_resumed_run_is_not_changed(unfinished: "Program", options: tuple[object, ...], words: str) -> None:
    data = () if "--data" in options else ("--data", "data")
    assert words in unfinished.refused("pretrain", *data, "--resume", *options)


def test_a_run_resumes_with_its_own_data_alone(unfinished: "Program") -> None:
    line = unfinished.refused("pretrain", "--data", "dogs", "--resume")
    assert "--data holds other images than the run began with" in line


def test_a_damaged_state_is_passed_over_and_the_end_is_the_same(unfinished: "Program") -> None:
    run = unfinished.folder / "lfsgan_workspace/base"
    begun = ("pretrain", "--data", "data", *TINY[:-2], "--kimg", 0.12)  # as the fixture began
    unfinished.done(*begun, "--workspace", "whole")
    newest = max(run.glob("state*.safetensors"))
    newest.write_bytes(b"torn")
    said = unfinished.done("pretrain", "--data", "data", "--resume").stderr
    assert f"Warning: the checkpoint 'lfsgan_workspace/base/{newest.name}' is damaged; resuming from the one" in said
    assert "Resuming after step 0 of 30." in said
    for name in ("base.safetensors", "base/stats.jsonl", "base/fakes000030.png"):
        assert unfinished.contents(f"lfsgan_workspace/{name}") == unfinished.contents(f"whole/{name}")


def test_losses_that_explode_end_the_run_with_advice_and_its_last_state(newcomer: "Program") -> None:
    wild = newcomer(*PRETRAIN[:-2], "--kimg", 0.12, "--lr", 1e18)
    [line] = [line for line in wild.stderr.splitlines() if line.startswith("Error")]
    assert wild.exit_code == 1
    assert line.startswith("Error: training went wrong: after step 10 the loss ")
    assert line.endswith(
        "; the checkpoint after step 0 is kept; start again with --overwrite and a lower --lr (it was 1e+18)"
    )
    assert [path for path in newcomer.tree() if "state" in path] == ["lfsgan_workspace/base/state000000.safetensors"]
    assert "base.safetensors" not in newcomer.tree("lfsgan_workspace")


def test_a_bad_state_never_takes_the_place_of_a_good_one(newcomer: "Program") -> None:
    wild = newcomer(*PRETRAIN, "--lr", 1e30, "--save-every", 0)  # two steps: no line of the log comes before a state
    assert "holds numbers that are not finite; the checkpoint after step 0 is kept" in wild.stderr
    assert [path for path in newcomer.tree() if "state" in path] == ["lfsgan_workspace/base/state000000.safetensors"]


def test_an_unfinished_run_is_not_begun_anew_by_accident(unfinished: "Program") -> None:
    assert "holds an unfinished pretraining: continue it with --resume" in unfinished.refused(*PRETRAIN)


def test_a_base_is_not_replaced_under_tasks_that_were_learned_while_it_was_trained(unfinished: "Program") -> None:
    shutil.copy(unfinished.folder / "other.safetensors", unfinished.folder / BASE)
    unfinished.learn("cats")
    assert "it carries the tasks cats" in unfinished.refused("pretrain", "--data", "data", "--resume")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("pretrain", "--data", "data", "--resolution", 48),
            "resolution 48: expected one of 16, 32, 64, 128, 256, 512, 1024",
        ),
        (("pretrain", "--data", "data", "--resolution", -16), "resolution -16: expected one of 16"),
        (("pretrain", "--data", "data", "--channels", 8), "--channels"),
        (("pretrain", "--data", "data", "--kimg", "nan"), "--kimg"),
        ((*PRETRAIN, "--device", "cuda:99"), "device 'cuda:99': "),
        ((*PRETRAIN, "--resume"), "nothing to resume: 'lfsgan_workspace/base' holds no checkpoint"),
        ((*PRETRAIN, "--resume", "--overwrite"), "pass either --resume or --overwrite"),
        ((*PRETRAIN, "--workspace", "a_file"), "'a_file' is a file, and a workspace is a folder"),
        (("pretrain", "--data", "data", "--init-from", "a_file"), "cannot read 'a_file': 4 bytes are too few"),
        (("pretrain", "--data", "data", "--init-from", "nowhere"), "cannot read 'nowhere': there is no such file"),
        (("pretrain",), "--data"),
        (("pretrain", "--data", "nowhere"), "no images at 'nowhere'"),
        (("pretrain", "--data", "mixed", *TINY), "an image in 'mixed' cannot be used: notes.png: "),
        (("base", "show"), "there is no workspace at 'lfsgan_workspace'"),
        (("base", "show", "--workspace", "data"), "the workspace at 'data' has no base yet; `lfsgan learn-task`"),
    ],
)
def test_a_mistake_is_one_line_and_makes_no_workspace(
    newcomer: "Program", arguments: tuple[object, ...], words: str
) -> None:
    newcomer.folder.joinpath("a_file").write_text("mine")
    shutil.copytree(newcomer.folder / "dogs", newcomer.folder / "mixed")
    newcomer.folder.joinpath("mixed/notes.png").write_text("not a picture")
    assert words in newcomer.refused(*arguments)


def test_the_shape_of_a_start_is_not_changed(program: "Program") -> None:
    options = ("--data", "data", "--init-from", BASE, "--workspace", "warm")
    assert "the base to start from has its own; leave this out" in program.refused("pretrain", *options, "--latent", 8)


def test_a_base_grows_to_a_higher_resolution_and_goes_on_from_there(program: "Program") -> None:
    options = ("--data", "data", "--workspace", "grown", "--batch", 2, "--kimg", 0.004, "--feature-weight", 0)
    assert program("pretrain", *options, "--init-from", BASE, "--resolution", 32).exit_code == 0
    shown = program("base", "show", "--workspace", "grown", "--json").stdout
    assert json.loads(shown)["network"]["resolution"] == 32
    grown = program.folder / "grown" / "base.safetensors"
    shrunk = ("pretrain", "--data", "data", "--workspace", "small", "--init-from", grown, "--resolution", 16)
    assert "draws 32×32: a base can grow, not shrink" in program.refused(*shrunk)


RECONSTRUCTING = (*PRETRAIN[:-2], "--kimg", 0.06, "--reconstruction-kimg", 0.04)  # ten steps, then five


def test_stopped_while_its_mapping_learns_a_run_begins_that_anew_and_makes_the_same_base(newcomer: "Program") -> None:
    whole = newcomer.done(*RECONSTRUCTING, "--workspace", "whole").stderr
    parts = [line for line in whole.splitlines() if line.startswith("Between steps 10 and 11: ")]
    assert len({part.split(",")[0] for part in parts}) == 3
    log = "lfsgan_workspace/base/stats.jsonl"  # its first line comes after ten steps
    said = newcomer.stopped(*RECONSTRUCTING, log=log, by=signal.SIGTERM)
    assert "Stopped after step 10 of 15; resume with: " in said
    newcomer.done("pretrain", "--data", "data", "--resume")
    assert newcomer.contents(BASE) == newcomer.contents("whole/base.safetensors")
