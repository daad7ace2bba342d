"""The state of a run is a handful of named tensors, and putting it back forgets what was there."""

import torch
from torch import nn

from lfsgan_cli.training import loop


def trained(seed: int, steps: int) -> tuple[nn.Module, torch.optim.Optimizer, torch.Generator]:
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        module(torch.randn(4, 3, generator=rng)).square().sum().backward()
        optimizer.step()
    return module, optimizer, rng


def test_names_say_what_a_tensor_is() -> None:
    module, optimizer, rng = trained(0, steps=1)
    packed = loop.pack({"net": module}, {"adam": optimizer}, rng, {"done": torch.tensor(1)})
    slots = {f"optimizer.adam.{index}.{slot}" for index in range(2) for slot in ("step", "exp_avg", "exp_avg_sq")}
    assert packed.keys() == {"module.net.weight", "module.net.bias", "scalar.done", "rng"} | slots


def test_a_stranger_becomes_the_one_whose_state_it_gets() -> None:
    module, optimizer, rng = trained(0, steps=3)
    packed = loop.pack({"net": module}, {"adam": optimizer}, rng, {"done": torch.tensor(3)})
    packed = {name: tensor.clone() for name, tensor in packed.items()}
    other, other_optimizer, other_rng = trained(1, steps=5)
    scalars = loop.unpack(packed, {"net": other}, {"adam": other_optimizer}, other_rng)
    again = loop.pack({"net": other}, {"adam": other_optimizer}, other_rng, scalars)
    assert again.keys() == packed.keys()
    assert all(torch.equal(again[name], packed[name]) for name in packed)


def test_a_fresh_optimizer_has_no_state_to_keep() -> None:
    _, optimizer, rng = trained(0, steps=0)
    packed = loop.pack({}, {"adam": optimizer}, rng, {})
    assert packed.keys() == {"rng"}
    _, used_optimizer, used_rng = trained(1, steps=2)
    loop.unpack(packed, {}, {"adam": used_optimizer}, used_rng)
    assert not used_optimizer.state_dict()["state"]
