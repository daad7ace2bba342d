"""A learned shift of a bias or another vector, as several adapters use it."""

import torch
from torch import Tensor, nn


class Shift(nn.Module):
    """v' = v + a, with a of v's shape, initialized to zero. name: the key of a in a task's file."""

    def __init__(self, *shape: int, name: str = "add") -> None:
        super().__init__()
        self.name = name
        self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def forward(self, value: Tensor) -> Tensor:
        """Any shape."""
        return value + self.get_parameter(self.name)
