"""What a disk, a folder or a memory refuses is one line, damages nothing, and leaves work that can be finished."""

import os

import pytest

from tests.reliability.told import told

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are forked")


def test_a_full_disk_and_a_folder_of_another_user_damage_nothing() -> None:
    lines = told("troubles", "--command", "learn-task", "small_files", "read_only")
    assert any("File too large; expected a writable folder with enough space" in line for line in lines)


@pytest.mark.slow
def test_no_trouble_damages_anything() -> None:
    assert told("troubles")[-1] == "0 things went wrong"
