"""Freed memory stays with the process where its allocator can be told so."""

import subprocess
import sys

import pytest

FRESH_PAGES = """
import resource, torch
from lfsgan_cli.heap import keep_freed
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def touched():
    before = faults()
    for _ in range(8):
        torch.ones(2**24)  # 64 MiB
    return faults() - before
plain, kept = touched(), keep_freed()
touched()  # for the first time, the heap grows
print(kept, plain, touched())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_large_tensors_take_the_pages_of_those_before_them() -> None:
    program = [sys.executable, "-c", FRESH_PAGES]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    kept, plain, afterwards = done.stdout.split()
    assert kept == "True"
    assert int(afterwards) < int(plain) / 8
