"""At which rate each of an adapter's parameters learns: by what it changes, and by what its adapter says of it."""

from __future__ import annotations

from torch import nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.phases import Rated

MAPPING = ("weights.mapping/", "features.mapping/")  # how names of parameters begin that change the mapping


def rated(adapter: Adapter, config: LearnConfig) -> list[Rated]:
    """Those that change the mapping first; in either half, a group for every share of the rate."""
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in adapter.named_parameters():
        share = adapter.rates.get(name, 1.0) if config.own_rates else 1.0
        groups.setdefault((not name.startswith(MAPPING), share), []).append(parameter)
    halves = {False: config.mapping_rate, True: 1.0}
    return [Rated(groups[half, share], config.lr * halves[half] * share) for half, share in sorted(groups)]
