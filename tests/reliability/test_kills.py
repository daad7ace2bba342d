"""Killed at any moment of its writing, the program leaves whole files, loses nothing and can go on."""

import os

import pytest

from tests.reliability.told import told

COMMANDS = ("learn-task --overwrite", "pretrain", "tasks import", "tasks remove", "generate")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are forked")


def test_killed_while_it_writes_it_loses_nothing() -> None:
    *_, total = told("kills", "--kills", len(COMMANDS), "--shell", 1, *COMMANDS)
    assert total.startswith(f"All: {len(COMMANDS)} kills (1 through the shell), ")


@pytest.mark.slow
def test_killed_five_hundred_times_it_loses_nothing() -> None:
    *_, total = told("kills")
    assert total.startswith("All: 500 kills (100 through the shell), ")
