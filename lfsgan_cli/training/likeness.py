"""How unlike two pictures look, as training asks it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Likeness(Protocol):
    """Perceptual distances of float pictures [N, 3, R, R] in -1..1: squared Euclidean ones of their embeddings."""

    @property
    def shots(self) -> Tensor:
        """The shots' embeddings, [K, D]."""

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings [N, D]; gradients pass where the network lets them."""

    def to_shots(self, images: Tensor) -> Tensor:
        """From every one of K shots, [N, K]; gradients pass."""

    def between(self, images: Tensor, others: Tensor) -> Tensor:
        """From every one of M other pictures, [N, M]."""
