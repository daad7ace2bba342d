"""A base's file: equal bases are equal bytes, and nothing damaged or foreign is taken for one."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import TensorFileError
from lfsgan_cli.networks.config import NetworkConfigError
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base, BaseFileError, identity

TRAINING = {"kimg": 3, "data": "tiny"}


def tiny_base() -> Base:
    average, live = tiny_generator(seed=0), tiny_generator(seed=1)
    average.w_mean += 0.25
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        discriminator = Discriminator(average.config)
    for network in (average, live, discriminator):
        rounded(network)
    return Base("tiny", identity(average), average, live, discriminator)


def rounded(network: nn.Module) -> None:
    """To what fp16 holds."""
    for tensor in network.state_dict().values():
        tensor.copy_(tensor.half().float())


def written(path: Path, base: Base, **kind: Any) -> Path:
    base_file.write(path, base, TRAINING, **kind)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    base = tiny_base()
    again = Base.open(written(tmp_path / "base", base))
    assert (again.name, again.identity) == (base.name, base.identity)
    for ours, theirs in (
        (base.average, again.average),
        (base.live, again.live),
        (base.discriminator, again.discriminator),
    ):
        state = theirs.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state_dict().items())
        assert not any(parameter.requires_grad for parameter in theirs.parameters())


def test_the_header_tells_the_rest(tmp_path: Path) -> None:
    base = tiny_base()
    summary = base_file.read_summary(written(tmp_path / "base", base))
    assert summary.network == base.average.config
    assert summary.training == TRAINING
    assert summary.discriminator == identity(base.discriminator)
    assert summary.parameters == sum(parameter.numel() for parameter in base.average.parameters())
    assert summary.file_bytes == (tmp_path / "base").stat().st_size


def test_equal_bases_are_equal_bytes(tmp_path: Path) -> None:
    first, second = written(tmp_path / "1", tiny_base()), written(tmp_path / "2", tiny_base())
    assert first.read_bytes() == second.read_bytes()


def test_half_precision_keeps_the_identity_of_rounded_values(tmp_path: Path) -> None:
    base = tiny_base()
    whole, half = written(tmp_path / "whole", base), written(tmp_path / "half", base, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert Base.open(half).identity == Base.open(whole).identity == base.identity


def test_the_identity_is_of_the_parameters_alone() -> None:
    base = tiny_base().average
    other = copy.deepcopy(base)
    other.w_mean += 1
    other.get_buffer("synthesis.convs.0.noise.const").add_(1)
    assert identity(other) == identity(base)
    other.get_parameter("synthesis.start").data[0, 0, 0, 0] += 1
    assert identity(other) != identity(base)


@pytest.mark.parametrize(
    "tensor", ["average.synthesis.start", "average.w_mean", "live.synthesis.start", "discriminator.score.weight"]
)
def test_a_flipped_byte_is_refused(tmp_path: Path, tensor: str) -> None:
    path = written(tmp_path / "base", tiny_base())
    content = bytearray(path.read_bytes())
    content[position(path, tensor)] ^= 1
    path.write_bytes(content)
    with pytest.raises(BaseFileError, match="not the ones that were saved"):
        Base.open(path)


def position(path: Path, tensor: str) -> int:
    """Where a tensor's bytes begin in the file."""
    start = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    return start + safetensors.read_header(path).tensors[tensor].begin


def test_tensors_of_another_base_under_this_ones_name_are_refused(tmp_path: Path) -> None:
    base = tiny_base()
    path = written(tmp_path / "base", Base(base.name, base.identity, base.live, base.live, base.discriminator))
    with pytest.raises(BaseFileError, match="not those of the base that its header names"):
        Base.open(path)


def changed(path: Path, **metadata: str | None) -> Path:
    """The same file with other entries in its header; None takes one out."""
    tensors, before = safetensors.read(path)
    after = {**before, **{name.replace("_", "."): value for name, value in metadata.items()}}
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    safetensors.write(path, tensors, {name: value for name, value in after.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"lfsgan_format": "task/1"}, "its format is 'task/1'"),
        ({"lfsgan_format": None}, "its format is None"),
        ({"lfsgan_identity": None}, "lacks 'lfsgan.identity'"),
        ({"lfsgan_training": "{"}, "'lfsgan.training' in its header is not JSON"),
        ({"lfsgan_network": "[]"}, "'lfsgan.network' in its header is not a JSON object"),
    ],
)
def test_another_kind_of_file_is_refused_by_its_header(
    tmp_path: Path, metadata: dict[str, str | None], words: str
) -> None:
    path = changed(written(tmp_path / "base", tiny_base()), **metadata)
    with pytest.raises(BaseFileError, match=words):
        base_file.read_summary(path)


def test_a_network_that_does_not_fit_its_description_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "base", tiny_base())
    other = '{"channels":{"4":16,"8":16,"16":4},"mapping_layers":2,"resolution":16,"w_dim":16}'
    with pytest.raises(BaseFileError, match="do not fit the network"):
        Base.open(changed(path, lfsgan_network=other))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ('{"channels":{"4":1000000000,"8":16,"16":8},"mapping_layers":2,"resolution":16,"w_dim":16}', "4=1000000000"),
        ('{"channels":{"4":16,"8":16,"16":8},"mapping_layers":1000000000,"resolution":16,"w_dim":16}', "1 to 64"),
        ('{"channels":{"4":16,"8":16,"16":8},"mapping_layers":2,"resolution":1048576,"w_dim":16}', "one of 16, 32"),
        ('{"channels":{"4":16,"8":16,"16":8},"mapping_layers":2,"resolution":1e999,"w_dim":16}', "not JSON"),
        ('{"channels":{"4":16,"8":16,"16":8},"mapping_layers":2,"resolution":16.5,"w_dim":16}', "network description"),
        ('{"channels":{"4":8192,"8":8192,"16":8192},"mapping_layers":64,"resolution":16,"w_dim":8192}', "do not fit"),
    ],
)
def test_a_network_of_any_size_is_refused_before_it_takes_memory(tmp_path: Path, network: str, words: str) -> None:
    path = changed(written(tmp_path / "base", tiny_base()), lfsgan_network=network)
    with pytest.raises((BaseFileError, NetworkConfigError), match=words):
        Base.open(path)


@pytest.mark.parametrize("tensor", ["average.synthesis.start", "live.w_mean", "discriminator.score.weight"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_by_the_tensors_name(
    tmp_path: Path, tensor: str, number: float
) -> None:
    path = written(tmp_path / "base", tiny_base())
    tensors, metadata = safetensors.read(path)
    tensors = {name: value.clone() for name, value in tensors.items()}
    tensors[tensor].view(-1)[0] = number
    safetensors.write(path, tensors, {**metadata, "modelspec.hash_sha256": safetensors.content_hash(tensors)})
    with pytest.raises(BaseFileError, match=rf"'{tensor}' holds numbers that are not finite"):
        Base.open(path)


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(TensorFileError):
        Base.open(tmp_path / "base")
