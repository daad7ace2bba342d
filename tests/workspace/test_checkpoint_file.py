"""The last two states are kept, whatever is damaged is passed over, and nothing damaged is ever gone on from."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.workspace import checkpoint_file

ABOUT = {"lfsgan.plan": '{"lr": 0.002}'}


def keep(folder: Path, *steps: int) -> None:
    for done in steps:
        checkpoint_file.write(
            folder, done, {"scalar.done": torch.tensor(done), "x": torch.full((100,), float(done))}, ABOUT
        )


def names(folder: Path) -> list[str]:
    return [path.name for path in checkpoint_file.paths(folder)]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flipped_in_a_tensor(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def flipped_in_the_plan(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0.002", b"0.003"))


def exchanged(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b"scalar.done") == 1
    path.write_bytes(content.replace(b"scalar.done", b"scalar.gone"))


DAMAGE = [torn, flipped_in_a_tensor, flipped_in_the_plan, exchanged]


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    keep(tmp_path, 0, 10, 20, 1_000_000)
    assert names(tmp_path) == ["state1000000.safetensors", "state000020.safetensors"]
    assert checkpoint_file.newest(tmp_path).tensors["scalar.done"] == 1_000_000


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    keep(tmp_path, 10)
    state = checkpoint_file.newest(tmp_path)
    assert torch.equal(state.tensors["x"], torch.full((100,), 10.0))
    assert ABOUT.items() <= state.metadata.items()
    assert state.skipped == ()


@pytest.mark.parametrize("damage", DAMAGE)
def test_where_the_newest_is_damaged_the_one_before_is_taken(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    keep(tmp_path, 10, 20)
    damage(tmp_path / "state000020.safetensors")
    state = checkpoint_file.newest(tmp_path)
    assert state.tensors["scalar.done"] == 10
    assert [path.name for path in state.skipped] == ["state000020.safetensors"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_where_both_are_damaged_the_newest_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    keep(tmp_path, 10, 20)
    for path in checkpoint_file.paths(tmp_path):
        damage(path)
    with pytest.raises(LfsganError, match="state000020"):
        checkpoint_file.newest(tmp_path)


def test_states_of_steps_that_come_again_make_room(tmp_path: Path) -> None:
    keep(tmp_path, 10, 20)
    torn(tmp_path / "state000020.safetensors")
    keep(tmp_path, 15)  # gone on from 10: what is damaged must not count as one of two
    assert names(tmp_path) == ["state000015.safetensors", "state000010.safetensors"]


def test_dropping_leaves_what_is_no_state(tmp_path: Path) -> None:
    keep(tmp_path, 10, 20)
    (tmp_path / "state.safetensors").touch()
    checkpoint_file.drop(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    assert checkpoint_file.paths(tmp_path / "nowhere") == []
