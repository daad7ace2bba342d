"""How many pictures are drawn at once, unless the user says."""

from __future__ import annotations

import torch

from lfsgan_cli.networks.config import NetworkConfig

MOST_ON_CPU, MOST_ON_GPU = 32, 256
CACHED = 16 << 20  # bytes of the largest feature map of a batch: more gains nothing on a CPU (docs/performance.md)
MAPS = 8  # largest feature maps that are in memory at once while drawing: conv, blur and noise, with room to spare


def usual_batch(config: NetworkConfig, device: torch.device) -> int:
    """As many as fit a processor's cache, or half of a GPU's free memory."""
    largest = config.largest_map * 4  # bytes, of one picture
    if device.type != "cuda":
        return max(1, min(MOST_ON_CPU, CACHED // largest))
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST_ON_GPU, free // 2 // (MAPS * largest)))
