"""What a task cost adds up over the processes that it took, those that were killed among them."""

import json
import time
from pathlib import Path

import pytest
import torch

from lfsgan_cli.benchmark.measure import Cost, cost, spending

CPU = torch.device("cpu")
SLEEP = 0.2  # seconds; costs are noted in tenths


def test_nothing_was_spent_on_what_nobody_worked_on(tmp_path: Path) -> None:
    assert cost(tmp_path / "none.json", "cats") == Cost()


def test_two_processes_add_their_seconds_and_keep_the_higher_peak(tmp_path: Path) -> None:
    path = tmp_path / "new" / "costs.json"
    with spending(path, "cats", CPU):
        time.sleep(SLEEP)
    first = cost(path, "cats")
    path.write_text(json.dumps({"cats": {**first.to_json(), "peak_memory_mb": 1e9}}))  # more than any machine has
    with spending(path, "cats", CPU):
        time.sleep(SLEEP)
    second = cost(path, "cats")
    assert (first.processes, second.processes) == (1, 2)
    assert first.seconds >= SLEEP
    assert second.seconds >= first.seconds + SLEEP
    assert second.peak_memory_mb == 1e9


def test_a_block_that_fails_has_cost_its_time_as_well(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"

    def stopped() -> None:
        with spending(path, "cats", CPU):
            time.sleep(SLEEP)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert cost(path, "cats").processes == 1
    assert cost(path, "cats").seconds >= SLEEP


def test_a_process_is_counted_from_its_start_so_that_a_killed_one_is_too(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    with spending(path, "cats", CPU):
        assert cost(path, "cats") == Cost(processes=1)  # what is there if it ends here


def test_every_task_has_costs_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    with spending(path, "cats", CPU):
        pass
    before = cost(path, "cats")
    with spending(path, "dogs", CPU):
        pass
    assert cost(path, "cats") == before
    assert cost(path, "dogs").processes == 1
