"""The names of the number types that feature maps are computed in (no torch)."""

from typing import Literal, TypeAlias

Precision: TypeAlias = Literal["fp32", "bf16"]
Choice: TypeAlias = Literal["auto", "fp32", "bf16"]
