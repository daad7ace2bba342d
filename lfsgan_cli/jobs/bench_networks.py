"""The networks that are measured: a workspace's base, or random ones of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.workspace import Workspace


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator, frozen; whoever trains them takes copies."""

    generator: Generator
    discriminator: Discriminator


@dataclass(frozen=True)
class Subject:
    """Networks by name and shape; `build` makes them."""

    name: str
    config: NetworkConfig
    build: Callable[[], Networks]


def base_of(workspace: Workspace) -> Subject:
    """The base of a workspace; the embedded one where it has none."""
    base = workspace.base
    return Subject(base.name, base.average.config, lambda: Networks(base.average, base.discriminator))


def random_networks(resolution: int) -> Subject:
    """Random weights in the layout of FFHQ's public networks. NetworkConfigError where there is no such resolution."""
    config = NetworkConfig.standard(resolution)
    return Subject(f"random, {resolution}×{resolution}", config, lambda: _random(config))


def _random(config: NetworkConfig) -> Networks:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Networks(build_generator(config), Discriminator(config))
    for network in (networks.generator, networks.discriminator):
        network.requires_grad_(requires_grad=False)
    return networks
