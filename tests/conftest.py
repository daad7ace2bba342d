"""Reference numbers and tiny networks that several tests share."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

# Tiny tensors gain nothing from a second thread, and lose much of the time waiting for it on a busy machine.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the programs that tests start

GOLDEN = Path(os.environ.get("LFSGAN_GOLDEN", Path(__file__).parent / "golden"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `modulator_case` runs for every reference modulator."""
    if "modulator_case" in metafunc.fixturenames:
        cases = json.loads((GOLDEN / "cases.json").read_text())["cases"]
        metafunc.parametrize("modulator_case", cases, ids=[case["case"] for case in cases])


@pytest.fixture(scope="session")
def modulators() -> dict[str, Tensor]:
    return load_file(GOLDEN / "left_modulators.safetensors")


@pytest.fixture(scope="session")
def rosinality() -> dict[str, dict[str, Tensor]]:
    """The states `g_ema` and `d`, under rosinality's names."""
    if not (GOLDEN / "rosinality.pt").exists():
        tensors = load_file(GOLDEN / "rosinality.safetensors")
        return {part: under(tensors, f"{part}.") for part in ("g_ema", "d")}
    with torch.serialization.safe_globals([argparse.Namespace]):
        checkpoint: dict[str, Any] = torch.load(GOLDEN / "rosinality.pt", weights_only=True)
    return {part: checkpoint[part] for part in ("g_ema", "d")}


@pytest.fixture(scope="session")
def rosinality_outputs() -> dict[str, Tensor]:
    return load_file(GOLDEN / "rosinality_outputs.safetensors")


@pytest.fixture(scope="session")
def reference_losses() -> dict[str, Tensor]:
    """Inputs, and results as `out.*`; every floating number in float64."""
    whole = GOLDEN / "losses.safetensors"
    files = [whole] if whole.exists() else sorted(GOLDEN.glob("losses_*.safetensors"))
    tensors = {name: tensor for file in files for name, tensor in load_file(file).items()}
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
