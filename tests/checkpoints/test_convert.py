"""Importing a network of full size takes little more memory than its file."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lfsgan_cli.checkpoints.rosinality import to_discriminator_state, to_state
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator

LIMIT = 2.5  # times the file's size, the limit that the project set itself

# Measured beside Python, torch and all that an import of 16 pixels loads of them: no file can be blamed for these.
# Linux's own peak is read: that of `resource` begins with the peak of the process that started this one.
PROGRAM = """
import re, sys
from pathlib import Path
import numpy, safetensors.torch, torch
from lfsgan_cli.checkpoints import convert as importing
from lfsgan_cli.workspace.workspace import workspace_at
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def run(file, workspace):
    importing.begin(workspace_at(Path(workspace)), Path(file), part="g_ema", name="big", overwrite=False).run()
run(sys.argv[3], sys.argv[2] + "-small")
before = peak()
run(sys.argv[1], sys.argv[2])
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's account of memory")
@pytest.mark.parametrize("parts", [("g_ema",), ("g_ema", "g", "d")], ids="-".join)
def test_a_network_of_1024_pixels_takes_at_most_two_and_a_half_times_its_file(
    parts: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "big.pt"
    _write(file, parts, NetworkConfig.standard(1024))
    _write(tmp_path / "small.pt", parts, NetworkConfig(16, {4: 8, 8: 8, 16: 8}, w_dim=8, mapping_layers=1))
    command = [sys.executable, "-c", PROGRAM, str(file), str(tmp_path / "workspace"), str(tmp_path / "small.pt")]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown <= LIMIT * file.stat().st_size
    assert (tmp_path / "workspace" / "base.safetensors").stat().st_size > 4 * 80_000_000  # three networks in fp32


def _write(path: Path, parts: tuple[str, ...], config: NetworkConfig) -> None:
    documents = {
        "g_ema": lambda: to_state(build_generator(config)),
        "g": lambda: to_state(build_generator(config)),
        "d": lambda: to_discriminator_state(Discriminator(config)),
    }
    torch.save({part: documents[part]() for part in parts}, path)
