"""Applying an adapter: as an overlay that leaves the frozen network untouched, or merged into a copy of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.networks.generator import Generator

PARTS = ("mapping.", "synthesis.")  # of a generator; adapters change what is inside them


class NotMergeableError(LfsganError):
    """A task that lives on feature maps has no weights to be written."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__(
            f"adapter {type(adapter).__name__} changes feature maps, not only weights: it cannot be merged into a "
            "network; generate with the task itself"
        )


class UnknownLayerError(LfsganError):
    """An adapter that names what its network does not have."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"adapter changes {kind} {name!r}, which this network does not have: made for another base?")


class Adapted(nn.Module):
    """Runs a frozen module with an adapter's maps in place, and leaves no trace in it.

    It owns neither: the optimizer takes the adapter's parameters, and both are moved between devices by their owners.
    """

    def __init__(self, frozen: nn.Module, weights: Mapping[str, nn.Module], features: Mapping[str, nn.Module]) -> None:
        super().__init__()
        _check_names(frozen, weights, features)
        self._parts = (frozen, weights, features)  # in a tuple, which torch does not look into

    def tensors(self) -> dict[str, Tensor]:
        """The task's own weights, under the frozen ones' names."""
        frozen, weights, _ = self._parts
        return {name: task(frozen.get_parameter(name)) for name, task in weights.items()}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Whatever the frozen module takes and gives."""
        with self._hooked():
            return functional_call(self._parts[0], self.tensors(), args, kwargs)

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        frozen, _, features = self._parts
        with ExitStack() as stack:
            for name, branch in features.items():
                stack.enter_context(frozen.get_submodule(name).register_forward_hook(_after(branch)))
            yield


def adapt(generator: Generator, adapter: Adapter, strength: float = 1.0) -> Generator:
    """The generator of the task: a view on both, with a `w_avg` of its own (see `generation.sampling.mean_w`).

    strength: see `apply.at_strength`.
    """
    _check_parts(adapter)
    task = at_strength(adapter, strength)
    view = Generator(
        Adapted(generator.mapping, task.weights.under("mapping."), task.features.under("mapping.")),
        Adapted(generator.synthesis, task.weights.under("synthesis."), task.features.under("synthesis.")),
        generator.config,
    )
    view.w_mean = generator.w_mean.clone()
    return view


@torch.no_grad()
def merge(generator: Generator, adapter: Adapter, strength: float = 1.0) -> Generator:
    """A copy of the generator with the task written in, at that strength; as fast as the base."""
    if not adapter.mergeable:
        raise NotMergeableError(adapter)
    merged = copy.deepcopy(generator)
    for name, task in at_strength(adapter, strength).weights.items():
        merged.get_parameter(name).copy_(task(generator.get_parameter(name)))
    return merged


def _after(branch: nn.Module) -> Any:
    """A hook that lets an adapter's branch change a layer's output, in single precision where the layer has less."""

    def hook(_layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        wide = torch.promote_types(output.dtype, torch.float32)
        changed: Tensor = branch(args[0].to(wide), output.to(wide))
        return changed.to(output.dtype)

    return hook


def _check_parts(adapter: Adapter) -> None:
    # What lies outside both parts would be passed by, and the task would silently do nothing.
    for kind, shelf in (("the weight", adapter.weights), ("the layer", adapter.features)):
        outside = [name for name in dict(shelf.items()) if not name.startswith(PARTS)]
        if outside:
            raise UnknownLayerError(outside[0], kind)


def _check_names(frozen: nn.Module, weights: Mapping[str, nn.Module], features: Mapping[str, nn.Module]) -> None:
    # `functional_call` ignores names that the module lacks, and the task would silently do nothing.
    tensors, layers = dict(frozen.named_parameters()), dict(frozen.named_modules())
    for name in weights:
        if name not in tensors:
            raise UnknownLayerError(name, "the weight")
    for name in features:
        if name not in layers:
            raise UnknownLayerError(name, "the layer")


# Tasks at a share of their full strength, alone or added up.


LARGEST = 1.2

Strength: TypeAlias = Callable[[str], float]  # from the name of a weight or layer to the share of its change


class StrengthError(LfsganError):
    """A strength outside of its range."""

    def __init__(self, strength: float) -> None:
        super().__init__(f"strength {strength}: expected a number from 0 (the base) over 1 (the task) to {LARGEST}")


class BlendedWeight(nn.Module):
    """W + Σ sᵢ (Ŵᵢ - W).

    `lerp` returns its ends bit for bit: one task at 0 is the base, and at 1 it is the task.
    """

    def __init__(self, tasks: Sequence[nn.Module], strengths: Sequence[float]) -> None:
        super().__init__()
        self.tasks, self.strengths = nn.ModuleList(tasks), tuple(strengths)

    def forward(self, frozen: Tensor) -> Tensor:
        """Any shape."""
        changed = frozen.lerp(self.tasks[0](frozen), self.strengths[0])
        for task, strength in zip(self.tasks[1:], self.strengths[1:], strict=True):
            changed = changed.add(task(frozen) - frozen, alpha=strength)
        return changed


class BlendedBranch(nn.Module):
    """y + Σ sᵢ (ŷᵢ - y)."""

    def __init__(self, branches: Sequence[nn.Module], strengths: Sequence[float]) -> None:
        super().__init__()
        self.branches, self.strengths = nn.ModuleList(branches), tuple(strengths)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: input and output of a layer."""
        changed = y.lerp(self.branches[0](x, y.clone()), self.strengths[0])  # a copy: a branch may work in place
        for branch, strength in zip(self.branches[1:], self.strengths[1:], strict=True):
            changed = changed.add(branch(x, y.clone()) - y, alpha=strength)
        return changed


class Blended(Adapter):
    """Several adapters on one network, each with a strength: their scaled changes are added up.

    Changes of weights are added as weights, changes of feature maps where they act. It has the parameters of its parts;
    what has strength 0 is left out.
    """

    def __init__(self, parts: Sequence[tuple[Adapter, Strength]]) -> None:
        super().__init__()
        for target, shelves, blended in (
            (self.weights, [adapter.weights for adapter, _ in parts], BlendedWeight),
            (self.features, [adapter.features for adapter, _ in parts], BlendedBranch),
        ):
            changes: dict[str, list[tuple[nn.Module, float]]] = {}
            for shelf, (_, strength) in zip(shelves, parts, strict=True):
                for name, module in shelf.items():
                    if strength(name):
                        changes.setdefault(name, []).append((module, strength(name)))
            for name, found in changes.items():
                target[name] = blended([module for module, _ in found], [share for _, share in found])


def check_strength(strength: float) -> None:
    """StrengthError outside of 0 to 1.2, and for `nan`."""
    if not 0 <= strength <= LARGEST:
        raise StrengthError(strength)


def at_strength(adapter: Adapter, strength: float) -> Adapter:
    """The adapter at a strength: 0 leaves the base as it is, 1 is the adapter itself; StrengthError elsewhere."""
    check_strength(strength)
    return adapter if strength == 1 else Blended([(adapter, lambda _: strength)])
