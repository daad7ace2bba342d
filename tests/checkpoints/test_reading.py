"""A file is known by what is in it, and what is no network says so in one sentence."""

import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lfsgan_cli.checkpoints import lfsgan
from lfsgan_cli.checkpoints.checkpoint import CheckpointError
from lfsgan_cli.checkpoints.detect import read
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.workspace.base_file import embedded_base

States = dict[str, dict[str, Tensor]]
Write = Callable[[States, Path], None]


def flat(states: States) -> dict[str, Tensor]:
    return {f"{part}.{name}": tensor for part, state in states.items() for name, tensor in state.items()}


FORMS: dict[str, Write] = {
    "zip": torch.save,
    "legacy": lambda states, path: torch.save(states, path, _use_new_zipfile_serialization=False),
    "safetensors": lambda states, path: save_file(flat(states), path),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["x.pt", "x.pkl", "x.safetensors", "x"])
def test_the_content_tells_the_format_and_the_name_does_not(
    form: str, name: str, rosinality: States, tmp_path: Path
) -> None:
    FORMS[form](rosinality, tmp_path / name)
    found = read(tmp_path / name)
    assert found.kind.startswith("rosinality's")
    assert found.average is not None
    assert torch.equal(found.average["synthesis.start"], rosinality["g_ema"]["input.input"])
    assert found.discriminator is not None


def test_a_bare_generator_in_safetensors_is_known(rosinality: States, tmp_path: Path) -> None:
    save_file(rosinality["g_ema"], tmp_path / "x")
    assert read(tmp_path / "x").discriminator is None


def test_a_base_of_ours_is_read_with_all_its_networks(tmp_path: Path) -> None:
    with embedded_base() as path:
        found = read(path)
    assert "avatars-64" in found.kind
    assert found.w_mean is not None
    assert None not in (found.average, found.live, found.discriminator)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "net.decoder."])
def test_the_prefix_of_a_wrapper_is_found_and_removed(prefix: str, rosinality: States, tmp_path: Path) -> None:
    wrapped = {part: {f"{prefix}{name}": t for name, t in state.items()} for part, state in rosinality.items()}
    torch.save(wrapped, tmp_path / "x.pt")
    torch.save(rosinality, tmp_path / "plain.pt")
    found, plain = read(tmp_path / "x.pt"), read(tmp_path / "plain.pt")
    for part in ("average", "discriminator"):
        ours, theirs = getattr(found, part), getattr(plain, part)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_of_two_generators_in_one_state_the_ema_is_read(rosinality: States, tmp_path: Path) -> None:
    state = rosinality["g_ema"]
    raw = {f"gen.{name}": tensor + 1 for name, tensor in state.items()}
    torch.save({"state_dict": {**raw, **{f"gen_ema.{name}": t for name, t in state.items()}}}, tmp_path / "x.pt")
    found = read(tmp_path / "x.pt").average
    assert found is not None
    assert torch.equal(found["synthesis.start"], state["input.input"])


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.5), np.int64(3), np.ones(3), np.dtype("f4"), Path("results"), defaultdict(list, a=[1]),
        defaultdict(int),
    ],
    ids=repr,
)  # fmt: skip
def test_harmless_objects_beside_the_networks_are_no_hindrance(
    value: object, rosinality: States, tmp_path: Path
) -> None:
    torch.save({**rosinality, "args": {"value": value}}, tmp_path / "x.pt")
    assert read(tmp_path / "x.pt").average is not None


ONE = torch.ones(1)
STRANGERS: list[tuple[str, Any]] = [
    ("task file of the public LFS-GAN.*tasks import", {"g_ema": {"style.1.weight_modulation.b_mul": ONE}}),
    ("lucidrains", {"GAN": {"G.blocks.0.to_style1.weight": ONE, "S.net.0.weight": ONE}, "version": "1.0"}),
    ("StyleGAN3", {"G_ema": {"synthesis.L0_36_1024.weight": ONE, "mapping.fc0.weight": ONE}}),
    ("holds nothing that lfsgan knows", {"state_dict": {"conv.weight": ONE}}),
    ("holds nothing that lfsgan knows", {}),
    ("holds a list", [ONE]),
    ("holds a Tensor", ONE),
]


@pytest.mark.parametrize(("sentence", "document"), STRANGERS)
def test_a_stranger_is_named(sentence: str, document: Any, tmp_path: Path) -> None:
    torch.save(document, tmp_path / "x.pt")
    with pytest.raises(LfsganError, match=sentence) as caught:
        read(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "is a Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><html><head><title>Quota exceeded</title>", "is a web page, not the file itself; download"),
        (b"<HTML><body>404", "is a web page"),
        (b"\x1f\x8b\x08\0", "is packed; unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "is packed; unpack it first"),
    ],
)
def test_what_stands_for_a_checkpoint_is_named(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        read(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=sentence):
        lfsgan.read(tmp_path / "x.pt")


def test_a_checkpoint_in_a_zip_is_to_be_unpacked(rosinality: States, tmp_path: Path) -> None:
    torch.save(rosinality, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.write(tmp_path / "x.pt", "x.pt")
    with pytest.raises(CheckpointError, match=r"'x\.zip' is packed; unpack it first"):
        read(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"# A page", "holds no network"),
        (b"PK\x03\x04 a zip", "cut short"),
        (bytes(99), "holds no network"),
    ],
)
def test_a_file_of_no_networks_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(LfsganError, match=sentence):
        read(tmp_path / "x")


@pytest.mark.parametrize("path", ["nothing", "."])
def test_what_cannot_be_opened_is_said(path: str, tmp_path: Path) -> None:
    with pytest.raises(LfsganError, match="cannot be read"):
        read(tmp_path / path)
