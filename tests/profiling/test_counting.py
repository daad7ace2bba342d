"""Operations and bytes are counted as one counts them by hand."""

import pytest
import torch
import torch.nn.functional as F

from lfsgan_cli.profiling.counters import Work, counted

FLOAT = 4  # bytes


def test_a_convolution_has_two_operations_for_each_tap_channel_and_pixel() -> None:
    x, weight = torch.ones(2, 5, 8, 8), torch.ones(7, 5, 3, 3)
    work = counted(lambda: F.conv2d(x, weight, padding=1))
    assert work == Work(flops=2 * (2 * 7 * 8 * 8) * (5 * 3 * 3), bytes=FLOAT * (2 * 5 * 64 + 7 * 5 * 9 + 2 * 7 * 64))


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_each_gradient_of_a_convolution_takes_what_it_took_itself(groups: int) -> None:
    x, weight = torch.ones(3, 6, 8, 8), torch.ones(12, 6 // groups, 3, 3)
    forward = counted(lambda: F.conv2d(x, weight, groups=groups)).flops

    def both_ways() -> None:
        F.conv2d(x, weight, groups=groups).sum().backward()  # type: ignore[no-untyped-call]

    x.requires_grad_()
    assert counted(both_ways).flops == 2 * forward
    weight.requires_grad_()
    assert counted(both_ways).flops == 3 * forward


def test_a_transposed_convolution_counts_by_its_input() -> None:
    x, weight = torch.ones(1, 4, 8, 8), torch.ones(4, 5, 3, 3)
    assert counted(lambda: F.conv_transpose2d(x, weight, stride=2)).flops == 2 * (8 * 8) * (4 * 5 * 3 * 3)


def test_what_inference_mode_leaves_whole_is_counted_too() -> None:
    x, weight = torch.ones(6, 4), torch.ones(5, 4)
    with torch.inference_mode():
        assert counted(lambda: F.linear(x, weight)).flops == 2 * 6 * 4 * 5


def test_a_gradient_of_a_gradient_is_counted() -> None:
    x, weight = torch.ones(1, 4, 8, 8, requires_grad=True), torch.ones(4, 4, 3, 3, requires_grad=True)
    forward = counted(lambda: F.conv2d(x, weight)).flops

    def penalty() -> None:
        [gradient] = torch.autograd.grad(F.conv2d(x, weight).sum(), x, create_graph=True)
        gradient.square().sum().backward()  # type: ignore[no-untyped-call]

    assert counted(penalty).flops > 2 * forward


def test_bytes_are_those_read_and_written() -> None:
    x = torch.ones(100)
    assert counted(lambda: x + x).bytes == FLOAT * 300
    assert counted(x.half).bytes == FLOAT * 100 + 2 * 100


def test_views_and_fresh_memory_move_nothing_and_what_is_only_spread_is_read_once() -> None:
    x = torch.ones(10)
    assert counted(lambda: x.view(2, 5).t()[0]).bytes == 0
    assert counted(lambda: torch.empty(1000)).bytes == 0
    assert counted(lambda: x.expand(50, 10).sum()).bytes == FLOAT * (10 + 1)


def test_operations_in_bfloat16_are_told_from_the_others() -> None:
    x, weight = torch.zeros(1, 4, 8, 8), torch.zeros(5, 4, 3, 3)

    def both() -> None:
        F.conv2d(x, weight)
        F.conv2d(x.to(torch.bfloat16), weight.to(torch.bfloat16))

    work = counted(both)
    assert work.half * 2 == work.flops > 0
