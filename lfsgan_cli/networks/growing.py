"""A base at a higher resolution: trained levels stay, new ones begin unseen (growing: Karras et al., 2018)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator

LEAST_CHANNELS = 16
STEPS, BATCH, RATE = 200, 16, 0.01  # of fitting the discriminator's new blocks


def grown_config(config: NetworkConfig, resolution: int) -> NetworkConfig:
    """The network with levels up to a higher `resolution`; every new one has half the channels, and at least 16."""
    channels = dict(config.channels)
    side = config.resolution
    while side < resolution:
        channels[2 * side] = max(LEAST_CHANNELS, channels[side] // 2)
        side *= 2
    return replace(config, resolution=resolution, channels=channels)


def grow_generator(generator: Generator, config: NetworkConfig, seed: int) -> Generator:
    """A generator for `config` that draws what `generator` draws, enlarged: the RGB of new levels starts at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grown = build_generator(config)
    grown.load_state_dict({**grown.state_dict(), **generator.state_dict()})
    with torch.no_grad():
        for level in range(len(generator.config.sides), len(config.sides)):
            for name in ("bias", "conv.weight"):
                grown.get_parameter(f"synthesis.to_rgbs.{level}.{name}").zero_()
    return grown.to(generator.w_mean.device)


def grow_discriminator(discriminator: Discriminator, config: NetworkConfig, images: Tensor, seed: int) -> Discriminator:
    """A discriminator for `config` that scores an image about as `discriminator` scores it halved.

    Its first blocks are new. They are fitted to what the old first layer makes of the images at the old resolution.
    images: training images [N, 3, R, R] in -1 to 1 at the new resolution R.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grown = Discriminator(config).to(images.device)
        order = torch.randint(len(images), (STEPS, BATCH)).tolist()
    new = len(config.sides) - len(discriminator.config.sides)
    trained = {n: tensor for n, tensor in discriminator.state_dict().items() if not n.startswith("from_rgb.")}
    state = {_moved(name, new): tensor for name, tensor in trained.items()}
    grown.load_state_dict({**grown.state_dict(), **state})
    parameters = [parameter for module in grown.first_blocks(new) for parameter in module.parameters()]
    adam = torch.optim.Adam(parameters, RATE, betas=(0.9, 0.99))
    for chosen in order:
        batch = images[chosen]
        x = grown.from_rgb(batch)
        for block in list(grown.blocks)[:new]:
            x = block(x)
        with torch.no_grad():
            target = discriminator.from_rgb(F.avg_pool2d(batch, 2**new))
        loss = F.mse_loss(x, target)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        adam.zero_grad()
    return grown


def _moved(name: str, by: int) -> str:
    """Blocks are counted from the image, so that those of a grown discriminator lie further on."""
    part, dot, rest = name.partition(".")
    if part != "blocks":
        return name
    index, _, rest = rest.partition(".")
    return f"blocks.{int(index) + by}{dot}{rest}"
