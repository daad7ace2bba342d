"""`python -m tests.device`: does this GPU compute what the CPU computes, and how much faster is it? Two minutes."""

import argparse
import sys
import warnings
from collections.abc import Sequence

import torch

from lfsgan_cli.commands.console import print_text, table
from lfsgan_cli.profiling.counters import synchronize
from lfsgan_cli.profiling.profile import profile, random_networks
from lfsgan_cli.system.device import DeviceError, pick
from tests.device.checks import ADAPTERS, CPU, all_checks, learning, pretraining


def main(arguments: Sequence[str] | None = None) -> int:
    """Zero where everything agrees; one where anything does not, could not be compared, or there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m tests.device", description=__doc__)
    parser.add_argument("--device", default="cuda", help="what is compared with the CPU; cpu tests this program")
    parser.add_argument("--resolution", type=int, default=64, help="of the networks whose speed is measured")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each phase on each device")
    options = parser.parse_args(arguments)
    try:
        device = pick(options.device)
    except DeviceError as error:
        sys.stderr.write(f"Nothing was checked: {error}. `--device cpu` tests this program alone.\n")
        return 1
    failed = 0
    for check in all_checks(device):
        failed += not check.passed
        result = "ok" if check.passed else "FAILED"
        print_text(f"{result:8}{check.name}: {check.why or f'{check.found:.2g}, tolerated {check.limit:g}'}")
    _print_speed(device, options.resolution, options.seconds)
    if device.type == "cuda":
        _print_synchronizations(device)
    print_text(f"{failed} comparisons failed." if failed else f"{device} agrees with the CPU.")
    return int(failed > 0)


def _print_speed(device: torch.device, resolution: int, seconds: float) -> None:
    """Every phase of a training step and of sampling, in milliseconds."""
    subject = random_networks(resolution)
    here, there = (profile(subject, each, seconds, _silent) for each in (device, CPU))
    print_text("")
    headings = ("of", "phase", f"ms, {device}", "ms, cpu", "times faster")
    table(headings, [
        (one.of, one.phase, *(
            round(value, 2)
            for value in (one.seconds * 1e3, other.seconds * 1e3, other.seconds / max(one.seconds, 1e-9))
        ))
        for one, other in zip(here.rows, there.rows, strict=True)
    ])  # fmt: skip


def _silent(amount: int = 1, note: str | None = None) -> None:
    """No progress is shown."""


def _print_synchronizations(device: torch.device) -> None:
    """How often a step waits for the GPU, by kind of run; each is a bubble in which it has nothing to do."""
    for name, run in (("learn-task", learning(ADAPTERS["left"], device)), ("pretrain", pretraining(device))):
        steps = run.steps()
        next(steps)  # what happens once has happened
        synchronize(device)
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                next(steps)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        print_text(f"{name}: the second step waits for the GPU {len(caught)} times.")


if __name__ == "__main__":
    sys.exit(main())
