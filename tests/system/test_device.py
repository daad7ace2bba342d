"""Picking a device, and what it sets up on CUDA."""

from typing import Any

import pytest
import torch

from lfsgan_cli.system.device import DeviceError, pick


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """torch as it is on a machine with two GPUs; the devices that are made current."""
    current: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    return current


@pytest.mark.parametrize(("name", "picked"), [("auto", "cuda"), ("cuda", "cuda"), ("cuda:1", "cuda:1")])
def test_a_gpu_becomes_the_current_device_and_computes_in_full_fp32(
    two_gpus: list[Any], name: str, picked: str
) -> None:
    assert pick(name) == torch.device(picked)
    assert two_gpus == [torch.device(picked)]
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_the_cpu_leaves_the_gpus_alone(two_gpus: list[Any]) -> None:
    assert pick("cpu") == torch.device("cpu")
    assert two_gpus == []
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(("name", "words"), [("cuda:2", "has 2 of them"), ("abacus", "no such device")])
def test_a_device_that_is_not_there_is_an_error(two_gpus: list[Any], name: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        pick(name)
    assert two_gpus == []
