"""A batch grows as far as a processor's cache, and never to nothing."""

import torch

from lfsgan_cli.generation.sampling import MAX_BATCH_CPU, usual_batch
from lfsgan_cli.networks.config import NetworkConfig

CPU = torch.device("cpu")


def test_small_networks_generate_many_images_at_once_and_large_ones_few() -> None:
    batches = [usual_batch(NetworkConfig.standard(side), CPU) for side in (16, 64, 256, 1024)]
    assert batches == sorted(batches, reverse=True)
    assert batches[0] > batches[-1] == 1


def test_there_is_an_end_to_it() -> None:
    narrow = NetworkConfig(16, {4: 1, 8: 1, 16: 1}, w_dim=4, mapping_layers=1)
    assert usual_batch(narrow, CPU) == MAX_BATCH_CPU
