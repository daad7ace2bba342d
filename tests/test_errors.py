"""How values are spelled in messages."""

import pytest
import torch

from lfsgan_cli.errors import choices, is_out_of_memory, one_line, printable, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cats", "cats"),
        ("größe 猫", "größe 猫"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\nb", r"a\nb"),
        ("\udcff", r"\udcff"),
    ],
)
def test_nothing_that_steers_a_terminal_is_shown_raw(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_many_lines_become_one() -> None:
    assert one_line("first\n  second\r\n\n") == "first second"


def test_choices_are_sorted_and_the_near_one_is_proposed() -> None:
    assert choices(["left", "cam"], "lfet") == "cam, left (did you mean 'left'?)"
    assert choices(["left", "cam"], "xyz") == "cam, left"
    assert choices([]) == "none"


@pytest.mark.parametrize("value", ["\x1b[31m", "x" * 10_000, ["\n"] * 500, None, "\u202e", "\ud800"])
def test_what_a_file_says_is_quoted_short_and_on_one_line(value: object) -> None:
    assert quoted(value).isprintable()
    assert len(quoted(value)) <= 81  # a mark of what was cut off comes on top
    assert quoted("cats") == "'cats'"


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False),
        (ValueError("CUBLAS_STATUS_ALLOC_FAILED"), False),
    ],
)
def test_memory_that_is_full_is_known_by_whoever_says_so(error: Exception, full: bool) -> None:
    assert is_out_of_memory(error) is full
