"""`lfsgan base`: networks come in as they were, and go out key for key."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base
from tests.conftest import Program

States = dict[str, dict[str, Tensor]]

TOLERANCE = 1e-4  # asked for in fp32
MIXED_LAYERS = 3  # images_mixed: the first three latents from z, the others from z2
HERE = Path("lfsgan_workspace/base.safetensors")


@pytest.fixture
def reference(newcomer: Program, rosinality: States, rosinality_outputs: dict[str, Tensor]) -> Program:
    """No workspace, and `ref.pt` as that project's training saves it, along with the mean latent."""
    document = {
        **rosinality,
        "g": {name: tensor + 0.01 for name, tensor in rosinality["g_ema"].items() if "kernel" not in name},
        "latent_avg": rosinality_outputs["mean_latent"][0],
        "g_optim": {"state": {}, "param_groups": []},
        "args": argparse.Namespace(size=256, channel_multiplier=2),
    }
    torch.save(document, newcomer.folder / "ref.pt")
    return newcomer


@pytest.fixture
def imported(reference: Program) -> Base:
    reference.done("base", "import", "ref.pt")
    return Base.open(reference.folder / HERE)


def near(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() < TOLERANCE)


def test_an_imported_base_generates_the_reference(imported: Base, rosinality_outputs: dict[str, Tensor]) -> None:
    generator, out = imported.average, rosinality_outputs
    assert near(generator(out["z"]), out["images"])
    assert near(generator(out["z"], truncation=0.7), out["images_trunc07"])
    first, second = (generator.spread(generator.mapping(out[name])) for name in ("z", "z2"))
    mixed = generator.synthesis(torch.cat([first[:, :MIXED_LAYERS], second[:, MIXED_LAYERS:]], 1))
    assert near(mixed, out["images_mixed"])


def test_an_imported_discriminator_gives_the_logits_of_the_reference(
    imported: Base, rosinality_outputs: dict[str, Tensor]
) -> None:
    out = rosinality_outputs
    assert near(imported.discriminator(out["d_images"]), out["d_logits"])
    assert near(imported.discriminator(out["d_images"][:2]), out["d_logits_first2"])


def test_part_g_puts_the_live_generator_in_the_place_of_the_average(reference: Program) -> None:
    reference.done("base", "import", "ref.pt")
    average = Base.open(reference.folder / HERE)
    said = reference.done("base", "import", "ref.pt", "--part", "g", "--overwrite").stderr
    live = Base.open(reference.folder / HERE)
    assert live.identity == base_file.identity(average.live) == base_file.identity(live.live)
    assert live.identity != average.identity
    assert "computed" in said  # the file's mean is that of its average
    assert not torch.equal(live.average.w_mean, average.average.w_mean)


@pytest.mark.parametrize("out", ["out.pt", "out.safetensors"])
def test_an_exported_base_comes_back_as_the_same_base(reference: Program, imported: Base, out: str) -> None:
    reference.done("base", "export", out)
    reference.done("base", "import", out, "--workspace", "again")
    again = Base.open(reference.folder / "again" / "base.safetensors")
    assert again.identity == imported.identity
    for ours, theirs in ((imported.average, again.average), (imported.live, again.live)):
        assert base_file.identity(ours) == base_file.identity(theirs)
        constant = {name: tensor for name, tensor in ours.state_dict().items() if name.endswith("const")}
        assert all(torch.equal(theirs.state_dict()[name], tensor) for name, tensor in constant.items())
    assert torch.equal(again.average.w_mean, imported.average.w_mean)
    assert base_file.identity(again.discriminator) == base_file.identity(imported.discriminator)


def test_the_exported_file_is_rosinalitys_key_for_key(reference: Program, imported: Base, rosinality: States) -> None:
    reference.done("base", "export", "out.pt")
    document = torch.load(reference.folder / "out.pt", weights_only=True)
    assert document.keys() == {"g_ema", "g", "d", "latent_avg"}
    for part in ("g_ema", "d"):
        assert document[part].keys() == rosinality[part].keys()
        assert all(torch.equal(document[part][name], tensor) for name, tensor in rosinality[part].items())


def test_safetensors_hold_the_same_under_dotted_names(reference: Program, imported: Base) -> None:
    reference.done("base", "export", "out.pt")
    reference.done("base", "export", "out.safetensors")
    document = torch.load(reference.folder / "out.pt", weights_only=True)
    flat = load_file(reference.folder / "out.safetensors")
    assert torch.equal(flat["latent_avg"], document["latent_avg"])
    for part in ("g_ema", "g", "d"):
        assert all(torch.equal(flat[f"{part}.{name}"], tensor) for name, tensor in document[part].items())
    assert len(flat) == 1 + sum(len(document[part]) for part in ("g_ema", "g", "d"))


def test_a_file_without_a_discriminator_gets_a_fresh_one_and_the_user_is_told(
    reference: Program, rosinality: States
) -> None:
    torch.save({"g_ema": rosinality["g_ema"]}, reference.folder / "alone.pt")
    result = reference.done("base", "import", "alone.pt", "--json")
    assert "no discriminator" in result.stderr
    origin = json.loads(result.stdout)["origin"]
    assert (origin["discriminator"], origin["w_mean"], origin["noise"]) == ("fresh", "computed", "from the file")
    first = (reference.folder / HERE).read_bytes()
    reference.done("base", "import", "alone.pt", "--overwrite")
    assert (reference.folder / HERE).read_bytes() == first  # fresh, but always the same
    assert Base.open(reference.folder / HERE).average.w_mean.any()


def test_noise_that_the_file_lacks_is_generated_anew(reference: Program, rosinality: States) -> None:
    state = {name: tensor for name, tensor in rosinality["g_ema"].items() if "noises" not in name}
    torch.save({"g_ema": state, "d": rosinality["d"]}, reference.folder / "silent.pt")
    said = reference.done("base", "import", "silent.pt").stderr
    assert "noise" in said
    assert Base.open(reference.folder / HERE).average.synthesis.convs[0].noise.const.any()  # type: ignore[union-attr, index]


def test_show_tells_where_a_base_came_from(reference: Program, imported: Base) -> None:
    shown = json.loads(reference.done("base", "show", "--json").stdout)
    assert (shown["name"], shown["identity"], shown["origin"]["file"]) == ("ref", imported.identity, "ref.pt")
    assert shown["discriminator_parameters"] == sum(p.numel() for p in imported.discriminator.parameters())
    assert ["file", "ref.pt"] in [line.split() for line in reference.done("base", "show").stdout.splitlines()]


def test_show_says_nothing_of_an_origin_where_a_base_was_trained_here(program: Program) -> None:
    assert json.loads(program.done("base", "show", "--json").stdout)["origin"] == {}
    assert "imported" not in program.done("base", "show").stdout


def test_a_dry_run_tells_and_writes_nothing(reference: Program) -> None:
    before = reference.tree()
    told = json.loads(reference.done("base", "import", "ref.pt", "--name", "faces", "--dry-run", "--json").stdout)
    assert (told["base"], told["network"]["resolution"]) == ("faces", 32)
    reference.done("base", "import", "ref.pt", "--dry-run")
    assert reference.tree() == before


def test_a_task_is_learned_and_generated_on_an_imported_base(reference: Program, imported: Base) -> None:
    reference.learn("cats", "--steps", 1, "--batch", 1)
    reference.done("generate", "--task", "cats", "-n", 2)
    refused = reference.refused("base", "import", "ref.pt", "--overwrite")
    assert "carries the tasks cats" in refused
    assert Base.open(reference.folder / HERE).identity == imported.identity


def test_a_base_is_not_replaced_without_being_told_to(reference: Program, imported: Base) -> None:
    assert "--overwrite" in reference.refused("base", "import", "ref.pt")
    reference.done("base", "import", "ref.pt", "--overwrite", "--name", "other")
    assert base_file.read_summary(reference.folder / HERE).name == "other"


def test_a_part_that_the_file_lacks_is_refused(reference: Program, rosinality: States) -> None:
    torch.save({"g_ema": rosinality["g_ema"]}, reference.folder / "alone.pt")
    assert "--part g_ema" in reference.refused("base", "import", "alone.pt", "--part", "g")


def test_a_task_file_is_no_base(learned: Program) -> None:
    task = "lfsgan_workspace/tasks/cats.safetensors"
    assert "is a task file of lfsgan" in learned.refused("base", "import", task, "--workspace", "other")


@pytest.mark.parametrize(
    ("out", "sentence"), [("out.pkl", ".pt or .safetensors"), ("out", ".pt"), ("ref.pt", "--overwrite")]
)
def test_an_export_that_cannot_be_written_is_refused(
    reference: Program, imported: Base, out: str, sentence: str
) -> None:
    assert sentence in reference.refused("base", "export", out)


def test_an_export_is_replaced_when_told_to(reference: Program, imported: Base) -> None:
    told = json.loads(reference.done("base", "export", "ref.pt", "--overwrite", "--json").stdout)
    assert told == {"base": "ref", "file": "ref.pt", "identity": imported.identity}
    assert "args" not in torch.load(reference.folder / "ref.pt", weights_only=True)
