"""Freed memory stays with the process where its allocator can be told so."""

import subprocess
import sys

import pytest

# Resident memory, not page faults: how many faults a tensor takes depends on where the system's huge pages fall.
STAYS = """
import resource, torch
from pathlib import Path
from lfsgan_cli.system.machine import keep_freed
MIB = 2**20
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB
def stays():
    before = resident()
    torch.ones(64 * MIB // 4)  # 64 MiB, let go at once
    return resident() - before
stays()  # threads and whatever else is set up once
plain, kept, first = stays(), keep_freed(), stays()
for _ in range(16):  # small leftovers part a chunk from the next until their caches are full
    stays()
print(plain, kept, first, sum(stays() for _ in range(8)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_large_tensors_take_the_pages_of_those_before_them() -> None:
    program = [sys.executable, "-c", STAYS]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    plain, kept, first, settled = done.stdout.split()
    assert float(plain) < 8  # given back
    assert kept == "True"
    assert float(first) > 56  # kept
    assert float(settled) < 8  # and taken again, eight times
