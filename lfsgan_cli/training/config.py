"""The knobs of training, each with its home and its bounds (no torch)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lfsgan_cli.errors import LfsganError


class TrainingConfigError(LfsganError):
    """A setting out of its range."""


def _at_least(settings: object, **bounds: float) -> None:
    for name, least in bounds.items():
        value = getattr(settings, name)
        if not value >= least:
            raise TrainingConfigError(f"{name.replace('_', '-')} is {value}: expected at least {least}")


@dataclass(frozen=True)
class PretrainConfig:
    """How a base is trained (Karras et al., 2020, with lazy regularization)."""

    kimg: float = 1000.0  # thousands of pictures shown
    batch: int = 16
    lr: float = 0.002
    seed: int = 0
    mirror: bool = True
    r1_gamma: float = 0.5
    r1_every: int = 16
    path_weight: float = 2.0  # 0 switches path length regularization off
    path_every: int = 4
    mixing: float = 0.9
    average_kimg: float = 10.0  # half-life of the averaged generator

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        _at_least(self, kimg=0, batch=1, lr=0, seed=0, r1_gamma=0, r1_every=1, path_weight=0, path_every=1, mixing=0)

    @property
    def steps(self) -> int:
        """Optimizer steps until `kimg` is reached."""
        return -(-int(self.kimg * 1000) // self.batch)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)
