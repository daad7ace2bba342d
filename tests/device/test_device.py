"""The comparison of a device with the CPU holds on the CPU itself, and sees what is wrong."""

import dataclasses
import math

import pytest
import torch

from tests.device import __main__ as program
from tests.device import checks
from tests.device.checks import Check, difference


def test_two_sets_of_kernels_agree_within_half_of_every_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ADAPTERS", {"left": checks.ADAPTERS["left"]})
    monkeypatch.setattr(checks, "SAMPLES", 4)
    found = list(checks.all_checks(torch.device("cpu")))
    assert [check for check in found if not check.passed or check.found > check.limit / 2] == []
    for run, phases in (("learn-task, left", "d r1 g path"), ("pretrain", "g path d r1 heads")):
        names = {check.name for check in found if check.name.startswith(f"{run}: ")}
        assert {f"{run}: {phase}, {kind}" for phase in phases.split() for kind in ("loss", "gradient")} < names
        assert f"{run}: state after a resume" in names
    assert max(check.found for check in found) > 0  # they are two


def test_a_gradient_of_the_wrong_size_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = {"d": (torch.ones(()), torch.ones(3))}, {"d": (torch.ones(()), torch.tensor([1.0, 1.0, 1.1]))}
    answers = iter([here, there])
    monkeypatch.setattr(checks, "_first_gradients", lambda _build, _side: next(answers))
    loss, gradient = checks.gradients("x", checks.pretraining, checks.REFERENCE)
    assert (loss.passed, gradient.passed) == (True, False)


@pytest.mark.parametrize(("mine", "its", "expected"), [(1.0, 2.0, 0.5), (0.0, 0.0, 0.0), (3.0, 0.0, 3.0)])
def test_differences_are_relative_to_the_largest_value(mine: float, its: float, expected: float) -> None:
    assert difference([torch.tensor([mine, 0.0])], [torch.tensor([its, 0.0])]) == expected


def test_what_is_no_number_or_was_not_compared_never_passes() -> None:
    assert math.isnan(difference([torch.tensor([math.nan])], [torch.ones(1)]))
    assert not Check("x", math.nan, 1.0).passed
    assert not Check("x", 0.0, 1.0, "ImportError: no module").passed
    assert Check("x", 1.0, 1.0).passed


def test_a_check_that_breaks_is_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "ADAPTERS", {})
    monkeypatch.setattr(checks, "SAMPLES", 2)
    monkeypatch.setattr(checks, "pretraining", lambda _device: 1 / 0)
    found = list(checks.all_checks(torch.device("cpu")))
    broken = [check.name for check in found if check.why == "ZeroDivisionError: division by zero"]
    assert broken == ["pretrain: first step", "pretrain: 6 steps", "pretrain: resume"]
    assert len(found) == len(broken) + 6


@pytest.mark.slow
def test_the_speed_of_every_phase_stands_beside_the_cpus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = Check("one", 0.0, 1.0)
    monkeypatch.setattr(program, "all_checks", lambda _device: iter([check, dataclasses.replace(check, found=2.0)]))
    assert program.main(["--device", "cpu", "--resolution", "16", "--seconds", "0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["ok      one: 0, tolerated 1", "FAILED  one: 2, tolerated 1"]
    assert {line.split()[0] for line in lines if line.startswith(("learn-task ", "pretrain ", "generate "))} == {
        "learn-task", "pretrain", "generate",
    }  # fmt: skip
    assert lines[-1] == "1 comparisons failed."


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_checked_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 1
    assert "Nothing was checked: device 'cuda': not available on this machine" in capsys.readouterr().err
