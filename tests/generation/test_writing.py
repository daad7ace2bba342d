"""What is written in other threads comes back in order, each item once it is there; errors come up."""

import threading
from collections.abc import Iterator

import pytest

from lfsgan_cli.generation.output import written


def test_items_come_in_order_each_after_it_was_written() -> None:
    done: set[int] = set()
    for item in written([[1, 2], [3], [], [4, 5]], done.add):
        assert item in done
    assert list(written([[1, 2], [3], [], [4, 5]], done.add)) == [1, 2, 3, 4, 5]


def test_the_next_batch_is_generated_while_one_is_written() -> None:
    drawn = threading.Event()

    def batches() -> Iterator[list[str]]:
        yield ["first"]
        drawn.set()
        yield ["second"]

    # Writing waits until the second batch is generated: without overlap neither would ever go on.
    wrote = written(batches(), lambda _item: None if drawn.wait(10) else pytest.fail("no overlap"))
    assert list(wrote) == ["first", "second"]


def test_an_error_comes_up_and_ends_it() -> None:
    def write(item: int) -> None:
        if item == 2:
            raise OSError("disk full")

    items = written([[1], [2], [3]], write)
    assert next(items) == 1
    with pytest.raises(OSError, match="disk full"):
        next(items)
