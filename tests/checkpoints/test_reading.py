"""A file is known by what is in it, and what is no network says so in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lfsgan_cli.checkpoints.detect import read
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.workspace.workspace import embedded_base

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
        (b"", "is empty"),
        (b"# A page", "no file of networks"),
        (b"PK\x03\x04 a zip", "cut short"),
        (bytes(99), "no file"),
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
