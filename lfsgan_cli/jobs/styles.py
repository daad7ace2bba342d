"""How pictures are drawn: truncation, noise and a task's strength, and the network that draws so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.sampling import NoiseMode, mean_w
from lfsgan_cli.strength import check_strength
from lfsgan_cli.workspace import Workspace


@dataclass(frozen=True)
class Style:
    """How pictures are drawn; part of what identifies each.

    truncation: 1 draws everything, 0 the mean picture. strength: the share of what a task changes; 0 draws the base.
    """

    truncation: float
    noise: NoiseMode
    strength: float = 1.0

    def __post_init__(self) -> None:
        """StrengthError, before anything is drawn."""
        check_strength(self.strength)

    @property
    def of_base(self) -> Style:
        """How the base is drawn beside tasks: it has nothing that a strength could scale."""
        return replace(self, strength=1.0)

    def note(self) -> dict[str, Any]:
        """As pictures and records note it; full strength goes without saying."""
        drawn = {"truncation": self.truncation, "noise": self.noise}
        return drawn if self.strength == 1 else {**drawn, "strength": self.strength}


def drawer(workspace: Workspace, name: str, style: Style, device: torch.device) -> Generator:
    """What draws a task in a style; raises as `Workspace.generator`.

    At strength 0 that is the base itself: an overlay that changes nothing would round otherwise than what is prepared
    for drawing. Between the two, the mean w is nobody's yet: it is found anew, where truncation pulls to it.
    """
    if style.strength == 0:
        return workspace.base.average.to(device)
    generator = workspace.generator(name, device, style.strength)
    if style.truncation != 1 and style.strength != 1:
        generator.w_mean = mean_w(generator)
    return generator
