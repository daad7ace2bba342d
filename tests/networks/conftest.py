"""The reference networks, rebuilt here."""

import pytest
from torch import Tensor

from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.networks.rosinality import config_of, discriminator_names, generator_names, rename


@pytest.fixture(scope="session")
def generator(rosinality: dict[str, dict[str, Tensor]], rosinality_outputs: dict[str, Tensor]) -> Generator:
    state = rosinality["g_ema"]
    network = build_generator(config_of(state))
    network.load_state_dict(rename(state, generator_names(state)) | {"w_mean": rosinality_outputs["mean_latent"][0]})
    return network.requires_grad_(requires_grad=False)


@pytest.fixture(scope="session")
def discriminator(rosinality: dict[str, dict[str, Tensor]]) -> Discriminator:
    network = Discriminator(config_of(rosinality["g_ema"]))
    network.load_state_dict(rename(rosinality["d"], discriminator_names(rosinality["d"])))
    return network.requires_grad_(requires_grad=False)
