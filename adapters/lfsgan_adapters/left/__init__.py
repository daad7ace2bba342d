"""LeFT: learnable factorized tensors that rescale and shift a frozen network's weights (Seo et al., ICCV 2023)."""

from lfsgan_adapters.left.adapter import CANCELLED, DEAD, LeFT

__all__ = ["CANCELLED", "DEAD", "LeFT"]
