"""What binds is told from operations, bytes and time alone."""

import pytest
import torch

from lfsgan_cli.profiling import counters
from lfsgan_cli.profiling.counters import Peaks, Work, conv_flops, counted, measure_peaks, time_runs

PEAKS = Peaks(conv_fp32=100.0, conv_bf16=200.0, copy=10.0)
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seconds", "flops", "moved", "bound"),
    [
        (1.0, 90, 1, "arithmetic"),
        (1.0, 10, 9, "memory"),
        (10.0, 300, 25, "arithmetic"),  # neither explains half of it, both do
        (1.0, 20, 2, "overhead"),
        (1.0, 0, 0, "overhead"),
        (0.0, 0, 1, "memory"),
    ],
)
def test_what_binds(seconds: float, flops: int, moved: int, bound: str) -> None:
    assert PEAKS.bound(seconds, Work(flops, moved)) == bound


def test_operations_on_half_as_many_bits_are_held_against_their_own_peak() -> None:
    assert PEAKS.arithmetic(Work(flops=300, bytes=0, half=200)) == pytest.approx(100 / 100 + 200 / 200)


def test_peaks_are_those_of_the_convolution_and_the_copy_that_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counters.CONV_BATCH, "cpu", 1)
    monkeypatch.setitem(counters.COPY_BYTES, "cpu", 2**22)
    assert counted(counters.peak_convolution(CPU, torch.float32)).flops == conv_flops(CPU)
    peaks = measure_peaks(CPU, 0.0)
    assert min(peaks.conv_fp32, peaks.conv_bf16) > 1e8  # no machine that runs torch is slower
    assert peaks.copy > 1e7


def test_an_action_is_run_twice_at_least_and_as_often_as_there_is_time() -> None:
    ran: list[int] = []
    assert len(time_runs(lambda: ran.append(0), CPU, 0.0)) == len(ran) == 2
    durations = time_runs(lambda: sum(range(100)), CPU, 0.05)
    assert len(durations) > 2
    assert all(seconds > 0 for seconds in durations)
