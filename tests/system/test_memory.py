"""The peak of a piece of work: it rises with what is held at once, stays when that is let go, and begins anew."""

import mmap
import sys

import pytest
import torch

from lfsgan_cli.system.machine import DEVICE, PROCESS, STEP, PeakMemory

CPU = torch.device("cpu")
MB = 10**6
HELD = 100  # megabytes
NEAR = 20  # megabytes by which a process may grow or shrink meanwhile

told = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
per_step = pytest.mark.skipif(
    PeakMemory(CPU).kind != STEP, reason="the peak cannot be set back here: not Linux, or a container forbids it"
)


def hold(megabytes: int) -> None:
    """Hold so much memory for a moment, every page of it written: the system's, for the heap may have as much free."""
    with mmap.mmap(-1, megabytes * MB) as held:
        for start in range(0, len(held), mmap.PAGESIZE):
            held[start] = 1


@told
def test_a_process_that_runs_torch_holds_tens_of_megabytes_at_least() -> None:
    memory = PeakMemory(CPU)
    assert memory.kind in {STEP, PROCESS}
    assert memory.mb is not None
    assert 50 < memory.mb < 1_000_000  # not kilobytes, not bytes


@per_step
def test_the_peak_rises_with_what_is_held_and_stays_when_that_is_let_go() -> None:
    memory = PeakMemory(CPU)
    before = memory.mb
    hold(HELD)
    after = memory.mb
    assert before is not None
    assert after is not None
    assert after >= before + HELD - NEAR


@per_step
def test_the_next_piece_of_work_does_not_answer_for_the_one_before() -> None:
    first = PeakMemory(CPU)
    hold(HELD)
    second = PeakMemory(CPU)
    assert first.mb is not None
    before = second.mb
    assert before is not None
    hold(1)
    after = second.mb
    assert after is not None
    assert after < before + NEAR


@pytest.mark.gpu
def test_on_a_gpu_it_is_what_tensors_took_there() -> None:
    device = torch.device("cuda")
    before = torch.cuda.memory_allocated(device) / MB
    memory = PeakMemory(device)
    torch.ones(HELD * MB, dtype=torch.uint8, device=device)
    assert memory.kind == DEVICE
    assert memory.mb is not None
    assert before + HELD <= memory.mb < before + HELD + NEAR
