"""Ranks: the processes that torchrun started for one training, or for one set of images.

Collectives are called where they are needed, as in StyleGAN3. Wrappers such as DistributedDataParallel do not fit: with
lazy regularization, some parameters have no gradient in some steps, and ranks were left with unequal gradients.

Every rank draws the random numbers of the whole batch and keeps its rows. So the state is the same on all ranks, says
nothing of how many there are, and a run can resume with another number of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.system.device import launched

GROUP = 4  # images that the discriminator compares with each other, see `MinibatchStdDev`: a rank has them all
T = TypeVar("T")

HEAD_START = 20.0  # seconds for the first rank to say what is wrong with the command line
PATIENCE = timedelta(hours=2)  # for a rank that lives; the first one checks all images before it trains


class LostRankError(LfsganError):
    """A process of the run that has ended before the others."""

    def __init__(self) -> None:
        super().__init__("another process of this run has ended; torchrun says which one, and how")


class RanksBatchError(LfsganError):
    """A batch that does not divide among the ranks."""

    def __init__(self, batch: int, count: int) -> None:
        least = GROUP * count
        super().__init__(
            f"--batch is {batch} for {count} processes: expected a multiple of {least}, since the discriminator "
            f"compares images by fours; pass --batch {-(-batch // least) * least}, or start fewer processes"
        )


class UnequalRanksError(LfsganError):
    """Ranks whose states differ, so that they would train different networks."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the processes of this run have different {what}: expected one workspace that all machines share, equal "
            "machines, and one version of lfsgan and torch; then resume the run"
        )


@dataclass(frozen=True)
class Ranks:
    """rank: of this process, from 0. count: of all of them; 1 is a process alone, for which everything is the identity.

    groups: of a whole batch that the discriminator compares, see `MinibatchStdDev`: image i is in group i mod `groups`.
    A rank has the images of every `count`-th part of the groups. sharing: how many of them share this one's memory.
    """

    rank: int = 0
    count: int = 1
    groups: int = 1
    sharing: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    def of_batch(self, batch: int) -> Ranks:
        """Ranks that share a batch of so many images; RanksBatchError."""
        if batch % (GROUP * self.count) and self.count > 1:
            raise RanksBatchError(batch, self.count)
        return replace(self, groups=max(1, batch // GROUP))

    def rows(self, draw: Callable[[int], Tensor], count: int) -> Tensor:
        """This rank's `count` rows of what all ranks draw alike; `draw` is told how many rows that is."""
        if self.count == 1:
            return draw(count)
        share = self.groups // self.count
        if count % share:
            raise ValueError(f"{count} rows a rank are no whole parts of {self.groups} groups for {self.count} ranks")
        whole = draw(count * self.count)
        within, first = (torch.arange(n, device=whole.device) for n in (share, count // share))
        return whole[(first[:, None] * self.groups + self.rank * share + within).flatten()]

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over all ranks; gradients pass."""
        if self.count == 1:
            return tensor
        averaged: Tensor = _Mean.apply(tensor, self.count)  # type: ignore[no-untyped-call]
        return averaged

    def means(self, scalars: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The mean of each scalar over all ranks."""
        if self.count == 1:
            return scalars
        return dict(zip(scalars, self.mean(torch.stack(list(scalars.values()))), strict=True))

    def average_gradients(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Let every step of the optimizers use the mean gradient of all ranks, in one collective."""

        def average(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            learning = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            flat = _all_reduce(torch.cat([p.grad.flatten() for p in learning])) / self.count
            for parameter, part in zip(learning, torch.split(flat, [p.numel() for p in learning]), strict=True):
                parameter.grad.copy_(part.view_as(parameter))

        for optimizer in optimizers if self.count > 1 else ():
            optimizer.register_step_pre_hook(average)

    def equalize(self, modules: Iterable[nn.Module], done: int) -> None:
        """Give all ranks the first one's weights; UnequalRanksError if they have not done as many steps."""
        if self.count == 1:
            return
        if not self.agree(done):
            raise UnequalRanksError("checkpoints")
        for tensor in (t for module in modules for t in (*module.parameters(), *module.buffers())):
            sent = tensor.detach().contiguous()
            with _watched():
                dist.broadcast(sent, 0)
            tensor.detach().copy_(sent)

    def check_equal(self, modules: Iterable[nn.Module]) -> None:
        """UnequalRanksError unless the weights are the same on all ranks, bit for bit."""
        if self.count > 1:
            sums = [p.detach().double().sum() for module in modules for p in module.parameters()]
            if not self.agree(int(torch.stack(sums).sum().cpu().view(torch.int64)) % (1 << 62)):
                raise UnequalRanksError("weights")

    def agree(self, number: int) -> bool:
        """Whether all ranks pass the same number."""
        return self.highest(number) == -self.highest(-number)

    def highest(self, number: int) -> int:
        """The highest of the numbers that the ranks pass."""
        return number if self.count == 1 else int(_all_reduce(torch.tensor(number), dist.ReduceOp.MAX))

    def total(self, number: int) -> int:
        """The sum of the numbers that the ranks pass; none continues before all have."""
        return number if self.count == 1 else int(_all_reduce(torch.tensor(number)))

    def wait(self) -> None:
        """Until all ranks are here."""
        self.total(0)

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """Every `count`-th of the items, which is this rank's part."""
        return items[self.rank :: self.count]

    def collected(self, tensors: Sequence[Tensor], counts: Sequence[int]) -> Iterator[list[Tensor]]:
        """On the first rank, what each of the first ranks passes, in order; on the others, nothing. All on the CPU.

        counts: rows of each of these ranks' tensors; their dtypes and further axes are the same.
        """
        if not self.first:
            for tensor in tensors if self.rank < len(counts) else ():
                with _watched():
                    dist.send(tensor.contiguous(), 0)
            return
        yield list(tensors)
        for source, count in list(enumerate(counts))[1:]:
            received = [tensor.new_empty(count, *tensor.shape[1:]) for tensor in tensors]
            for tensor in received:
                with _watched():
                    dist.recv(tensor, source)
            yield received


ALONE = Ranks()


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The ranks of this run: gloo carries what is on CPUs, NCCL what is on GPUs.

    They leave together when the block ends. After an error a process just ends: leaving might wait for ranks that are
    gone.
    """
    launch = launched()
    if launch is None:
        yield ALONE
        return
    if _Joined.store is None:
        _Joined.store, *_ = next(rendezvous("env://", timeout=PATIENCE))
    _Joined.times += 1
    store = dist.PrefixStore(f"lfsgan/{_Joined.times}", _Joined.store)  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=launch.rank, world_size=launch.count, timeout=PATIENCE)
    ranks = Ranks(launch.rank, launch.count, sharing=1 if device.type == "cuda" else launch.local_count)
    before = sys.exception()
    yield ranks
    if sys.exception() is before:  # older versions of Click close a block without telling it of an error
        ranks.wait()
        dist.destroy_process_group()


class _Joined:
    """What a process has joined. store: torchrun's, which outlives every rank; times: how often."""

    store: Any = None
    times = 0


def ends_first() -> bool:
    """Whether this process is the first of its run to end with an error, so that the cause is told, and told once."""
    launch = launched()
    if launch is None:
        return True
    if _Joined.store is None:
        if launch.rank > 0:  # the first one most likely ends for the same reason, and with it this one
            time.sleep(HEAD_START)
        return True
    try:
        return int(_Joined.store.add("lfsgan/ended", 1)) == 1
    except RuntimeError:  # torchrun is gone
        return True


class _Mean(torch.autograd.Function):
    """The mean over ranks; so is its gradient's, since each rank's loss is a part of the mean loss."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, count: int) -> Tensor:
        ctx.count = count
        return _all_reduce(tensor.detach().clone()) / count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _all_reduce(gradient.clone()) / ctx.count, None


def _all_reduce(tensor: Tensor, operation: Any = None) -> Tensor:
    with _watched():
        dist.all_reduce(tensor, operation or dist.ReduceOp.SUM)
    return tensor


@contextmanager
def _watched() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # a connection was closed
        raise LostRankError from error
