"""Tests of lfsgan_cli.system.device."""

import os

import pytest

from lfsgan_cli.system import device

NAME = "THP_MEM_ALLOC_ENABLE"


def test_what_the_user_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "0")
    device.prepare()
    assert os.environ[NAME] == "0"


def test_large_pages_are_asked_for_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    device.prepare()
    assert os.environ[NAME] == "1"
