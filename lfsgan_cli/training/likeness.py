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

    def between(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """The distances of N embedded pictures from M others, [N, M]; gradients pass."""

    def to_shots(self, images: Tensor) -> Tensor:
        """The distances of pictures from every one of K shots, [N, K]: both of the above."""
