"""What every adapter must keep: one conformance check, for the built-in ones and for third parties' tests alike."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter, construct
from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator, build_generator

CLEARLY = 30.0  # a gradient counts when it is so many times larger than what rounding to fp32 changes in it
SAME = 1e-5  # a start written in fp32 constants is the identity up to their rounding
LR = 0.01


def tiny_generator(seed: int = 0) -> Generator:
    """A 16×16 generator whose every parameter is nonzero, as in a trained one, frozen."""
    config = NetworkConfig(resolution=16, channels={4: 16, 8: 16, 16: 8}, w_dim=16, mapping_layers=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = build_generator(config)
        for name, parameter in generator.named_parameters():
            if name.endswith(("bias", "strength")):
                parameter.data += 0.1 * torch.randn_like(parameter)
    return generator.requires_grad_(requires_grad=False)


def check_adapter(cls: type[Adapter], config: Any = None) -> None:
    """Raise AssertionError, in words, where an adapter breaks the contract; `config` defaults to `cls.Config()`."""
    options = cls.Config() if config is None else config

    def build(network: Generator, seed: int = 1) -> Adapter:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return construct(cls, network, options)

    _starts_as_the_base(build)
    _every_tensor_learns(build)
    _leaves_the_base_alone(build)
    _survives_its_file(build)
    _merges_exactly(build)
    _tasks_do_not_meet(build)


class Build(Protocol):
    """Makes a new adapter for a network; two seeds start at random numbers of their own."""

    def __call__(self, network: Generator, seed: int = 1, /) -> Adapter:
        """The adapter."""


def _starts_as_the_base(build: Build) -> None:
    base = tiny_generator().double()
    adapter = build(base).double()
    assert adapter.size, "the adapter has no parameters: nothing can learn"
    difference = float((_draw(adapt(base, adapter)) - _draw(base)).abs().max())
    assert difference < SAME, f"a new adapter must draw as the base does; it differs by {difference:.1e}"


def _every_tensor_learns(build: Build) -> None:
    base = tiny_generator()
    adapter = build(base)
    twin_base, twin = copy.deepcopy(base).double(), copy.deepcopy(adapter).double()
    silent = dict(adapter.named_parameters()).keys() - adapter.nulls.keys()
    optimizer = torch.optim.Adam(twin.parameters(), lr=LR)
    for _ in range(2):
        rough, exact = _gradients(base, adapter), _gradients(twin_base, twin)
        silent = {name for name in silent if not _is_heard(rough[name], exact[name])}
        optimizer.step()
        adapter.load_state_dict(twin.state_dict())
    assert not silent, f"no gradient above rounding noise within two steps: {', '.join(sorted(silent))}"
    for what, declared in (("null", adapter.nulls), ("learning at a rate of its own", adapter.rates)):
        unknown = declared.keys() - dict(adapter.named_parameters()).keys()
        assert not unknown, f"declared as {what}, but not a tensor of the adapter: {', '.join(sorted(unknown))}"


def _is_heard(rough: Tensor, exact: Tensor) -> bool:
    return bool(exact.norm() > CLEARLY * (rough.double() - exact).norm())


def _gradients(base: Generator, adapter: Adapter) -> dict[str, Tensor]:
    adapter.zero_grad()
    _loss(adapt(base, adapter)).backward()  # type: ignore[no-untyped-call]
    reached = [name for name, parameter in base.named_parameters() if parameter.grad is not None]
    assert not reached, f"gradients reached the frozen base: {', '.join(reached)}"
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in adapter.named_parameters()}


def _leaves_the_base_alone(build: Build) -> None:
    base = tiny_generator()
    before = copy.deepcopy(base.state_dict())
    _train(base, build(base))
    changed = [name for name, tensor in base.state_dict().items() if not torch.equal(tensor, before[name])]
    assert not changed, f"training changed the frozen base: {', '.join(changed)}"
    hooks = [name for name, layer in base.named_modules() if layer._forward_hooks or layer._forward_pre_hooks]  # noqa: SLF001
    assert not hooks, f"hooks stayed behind on {', '.join(hooks)}"


def _survives_its_file(build: Build) -> None:
    base = tiny_generator()
    adapter = _train(base, build(base))
    again = build(base, 4)  # whoever loads a file does not know how its task began
    again.load_state_dict(load(save({name: tensor.contiguous() for name, tensor in adapter.tensors().items()})))
    same = torch.equal(_draw(adapt(base, adapter)), _draw(adapt(base, again)))
    assert same, "after saving and loading, the task generates other images: something it needs is not in its state"


def _merges_exactly(build: Build) -> None:
    base = tiny_generator().double()
    adapter = build(base).double()
    if not adapter.mergeable:
        return
    _train(base, adapter)
    difference = float((_draw(adapt(base, adapter)) - _draw(merge(base, adapter))).abs().max())
    assert difference < 1e-9, f"merged and adapted networks draw differently, by {difference:.1e}"


def _tasks_do_not_meet(build: Build) -> None:
    base = tiny_generator()
    first = _train(base, build(base))
    before = _draw(adapt(base, first))
    second = _train(base, build(base), seed=3)
    assert not torch.equal(_draw(adapt(base, second)), before), "two tasks trained differently draw the same pictures"
    assert torch.equal(_draw(adapt(base, first)), before), "training a second task changed what the first one generates"


def _train(base: Generator, adapter: Adapter, *, steps: int = 3, seed: int = 2) -> Adapter:
    optimizer = torch.optim.Adam(adapter.parameters(), lr=LR)
    for _ in range(steps):
        optimizer.zero_grad()
        _loss(adapt(base, adapter), seed).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return adapter


def _loss(generator: Generator, seed: int = 2) -> Tensor:
    image: Tensor = generator(_latents(generator, 4, seed))
    target = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (image - target.to(image)).square().mean()


@torch.no_grad()
def _draw(generator: nn.Module) -> Tensor:
    image: Tensor = generator(_latents(generator, 4, 0))
    return image


def _latents(generator: Any, count: int, seed: int) -> Tensor:
    z = torch.randn(count, generator.config.w_dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return z.to(generator.w_mean)
