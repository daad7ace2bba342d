"""What every adapter and every recipe must keep: conformance checks, for built-in ones and third parties' alike."""

from __future__ import annotations

import copy
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from lfsgan_cli import options as options_of
from lfsgan_cli import registry
from lfsgan_cli.adapter import Adapter, construct
from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.recipe import Recipe

if TYPE_CHECKING:
    from lfsgan_cli.training.config import PerceptualChoice
    from lfsgan_cli.training.learning import Learning
    from lfsgan_cli.training.perceptual import PerceptualDistance

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


# Recipes.

STEPS = 4  # of a check's training
STOPPED = (0, 1, 3)  # steps after which it is resumed
IMAGES = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3), np.uint8)
CHECKED = {"steps": STEPS, "batch": 2, "anchors.candidates": 10, "mode_seeking.batch": 4, "precision": "fp32"}


def check_recipe(recipe: Recipe, adapter: str = "full") -> None:
    """Raise AssertionError, in words, where a recipe breaks the contract. adapter: the name of one that suits it.

    It is trained for four steps on a tiny base and noise, in a batch of two.
    """
    assert isinstance(recipe, Recipe), f"a recipe is an instance of Recipe, not {type(recipe).__name__}"
    assert recipe.about, "about is empty: `lfsgan recipes` shows it"
    for name, settings in recipe.options.items():
        options_of.build(registry.load(name).Config, settings)  # raises OptionError, in one line
    first = _learning(recipe, adapter)
    assert bool(first.config.loss_weight) == (recipe.loss is not None), (
        f"loss_weight is {first.config.loss_weight:g}: expected a weight above 0 with a loss, and 0 without one"
    )
    _adds_a_loss(recipe, adapter)
    _learns_and_leaves_the_base_alone(first)
    _resumes_exactly(recipe, adapter, first)


def _learning(recipe: Recipe, adapter: str) -> Learning:
    from lfsgan_cli.training.config import LearnConfig
    from lfsgan_cli.training.learning import Learning

    base, cls = tiny_generator(), registry.load(adapter)
    config = options_of.changed(LearnConfig(lr=LR), {**recipe.training, **CHECKED})
    options = options_of.build(cls.Config, recipe.options.get(adapter, {}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        task, discriminator = construct(cls, base, options), Discriminator(base.config)
    with warnings.catch_warnings(action="ignore"):  # of a network that is trained twice, which is checked below
        return Learning(base, task, discriminator, list(IMAGES), _distance(config.perceptual), config, loss=recipe.loss)


@lru_cache
def _distance(choice: PerceptualChoice) -> PerceptualDistance:
    from lfsgan_cli.training.perceptual import perceptual_distance_to

    return perceptual_distance_to(IMAGES, choice, torch.device("cpu"))


def _adds_a_loss(recipe: Recipe, adapter: str) -> None:
    """Each of its losses, where there is one, is a finite scalar with gradients to its own network and no other."""
    run = _learning(recipe, adapter)
    if run.loss is None:
        return
    run.begin()
    shared = {id(p) for network in (run.generator, run.adapter, run.discriminator.discriminator)
              for p in network.parameters()}  # fmt: skip
    assert not [p for p in run.loss.parameters() if id(p) in shared], (
        "the loss holds a network as a submodule: its weights would be trained and saved with the loss; use "
        "self.networks"
    )
    _move(run.adapter)  # at the start, a loss of changes has no gradient
    reals, own = run.references[:2], list(run.loss.parameters())
    networks = {"generator_loss": list(run.adapter.parameters()), "discriminator_loss": run.discriminator.parameters}
    found = 0
    for name, learning in networks.items():
        for parameter in (*networks["generator_loss"], *networks["discriminator_loss"], *own):
            parameter.requires_grad_(any(parameter is one for one in (*learning, *own)))
        value = run.loss.generator_loss(0) if name == "generator_loss" else run.loss.discriminator_loss(0, reals)
        if value is None:
            continue
        found += 1
        assert value.dim() == 0, f"{name} is of shape {list(value.shape)}: expected a scalar"
        assert value.isfinite(), f"{name} is {float(value.detach())}: expected a finite number"
        assert value.requires_grad, f"{name} has no gradient: nothing can learn from it"
        gradients = torch.autograd.grad(value, learning, allow_unused=True, materialize_grads=True)
        assert any(bool(gradient.any()) for gradient in gradients), f"{name} has no gradient where it should learn"
    assert found, "both losses are None in the first step: nothing is added"


def _move(adapter: Adapter) -> None:
    random = torch.Generator().manual_seed(5)
    for parameter in adapter.parameters():
        parameter.data += 0.01 * torch.randn(parameter.shape, generator=random)


def _learns_and_leaves_the_base_alone(run: Learning) -> None:
    before, start = copy.deepcopy(tiny_generator().state_dict()), copy.deepcopy(run.adapter.tensors())
    for step in run.steps():
        for name, loss in step.losses.items():
            assert bool(loss.isfinite()), f"the loss {name} is {float(loss)} after step {step.done}"
    moved = [name for name, tensor in run.adapter.tensors().items() if not torch.equal(tensor, start[name])]
    assert moved, "training did not change the adapter"
    changed = [name for name, tensor in run.base.state_dict().items() if not torch.equal(tensor, before[name])]
    assert not changed, f"training changed the frozen base: {', '.join(changed)}"


def _resumes_exactly(recipe: Recipe, adapter: str, first: Learning) -> None:
    """A run of another process, with other global random numbers, that takes up a checkpoint ends the same."""
    whole, again = first.pack(), _learning(recipe, adapter)
    checkpoints = [copy.deepcopy(again.pack())]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        checkpoints += [copy.deepcopy(again.pack()) for _ in again.steps()]
    different = _different(again.pack(), whole)
    assert not different, (
        f"two runs with one seed differ in {different}: all random numbers must come from networks.rng or .choices"
    )
    for done in STOPPED:
        resumed = _learning(recipe, adapter)
        resumed.unpack(checkpoints[done])
        for _ in resumed.steps():
            pass
        different = _different(resumed.pack(), whole)
        assert not different, (
            f"a run resumed after step {done} differs in {different}: whatever the loss keeps must be in its state dict"
        )


def _different(one: dict[str, Tensor], other: dict[str, Tensor]) -> str:
    names = [name for name in one if name not in other or not torch.equal(one[name], other[name])]
    return ", ".join(names[:3])
