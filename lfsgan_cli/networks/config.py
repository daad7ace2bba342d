"""The shape of a StyleGAN2: resolution, channels, latent width, mapping depth (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lfsgan_cli.errors import LfsganError, quoted

RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)
# A file may claim any size, and layers take memory and time before a single number of it is read. The widest published
# networks have 1024 channels, latents of 512 and 8 mapping layers.
MOST_WIDE = 8192
MOST_MAPPING_LAYERS = 64
MOST_SIDES = 9  # from 4 to 1024


class NetworkConfigError(LfsganError):
    """A network that cannot be built."""


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a generator and its discriminator.

    resolution: side of the images in pixels, a power of two from 16 to 1024.
    channels: feature maps at every side from 4 to `resolution`.
    w_dim: width of both latents, z and w.
    mapping_layers: fully connected layers from z to w.
    """

    resolution: int
    channels: Mapping[int, int]
    w_dim: int = 512
    mapping_layers: int = 8

    def __post_init__(self) -> None:
        """NetworkConfigError for values that no StyleGAN2 has."""
        if self.resolution not in RESOLUTIONS:
            raise NetworkConfigError(
                f"resolution {self.resolution}: expected one of {', '.join(map(str, RESOLUTIONS))} (a power of two)"
            )
        if sorted(self.channels) != list(self.sides):
            raise NetworkConfigError(
                f"channel table {quoted(dict(self.channels), 200)}: expected one number of channels for each of the "
                f"sides {', '.join(map(str, self.sides))}"
            )
        for side, width in self.channels.items():
            _check_size(str(side), width, MOST_WIDE)
        _check_size("w_dim", self.w_dim, MOST_WIDE)
        _check_size("mapping_layers", self.mapping_layers, MOST_MAPPING_LAYERS)

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the feature maps, from 4 to the resolution."""
        return tuple(2**power for power in range(2, self.resolution.bit_length()))

    @property
    def largest_map(self) -> int:
        """Numbers in the largest feature map of one image."""
        return max(width * side * side for side, width in self.channels.items())

    @property
    def largest_batch(self) -> int:
        """The most images in a batch: GPU kernels index the numbers of a map with 31 bits."""
        # The largest map is blurred with a border of one pixel more on each side.
        return max(1, (2**31 - 1) // max(width * (side + 3) ** 2 for side, width in self.channels.items()))

    @property
    def latents(self) -> int:
        """The number of w vectors of one image: one for each convolution, and one for the last ToRGB."""
        return 2 * len(self.sides)

    @property
    def noise_sides(self) -> tuple[int, ...]:
        """The side of each convolution's noise: one convolution at 4×4, then two for each side."""
        return (4, *(side for side in self.sides[1:] for _ in range(2)))

    @classmethod
    def standard(
        cls, resolution: int, *, multiplier: int = 2, w_dim: int = 512, mapping_layers: int = 8
    ) -> NetworkConfig:
        """Config-f of StyleGAN2; `multiplier` widens the sides from 64 up (2 for FFHQ)."""
        widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
        table = {
            side: width * (multiplier if side >= 64 else 1) for side, width in widths.items() if side <= resolution
        }
        return cls(resolution=resolution, channels=table, w_dim=w_dim, mapping_layers=mapping_layers)

    @classmethod
    def of_widths(cls, widths: Sequence[int], *, w_dim: int, mapping_layers: int) -> NetworkConfig:
        """The network with these numbers of channels at the sides 4, 8, 16 …, as read from a checkpoint's shapes."""
        # Before sides are computed: a file may hold any number of layers, and each doubles the side.
        if len(widths) > MOST_SIDES:
            raise NetworkConfigError(f"{len(widths)} sizes of feature maps: expected at most {MOST_SIDES}")
        table = {4 << power: width for power, width in enumerate(widths)}
        return cls(resolution=max(table, default=0), channels=table, w_dim=w_dim, mapping_layers=mapping_layers)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, for a file's header."""
        return {
            "resolution": self.resolution,
            "channels": {str(side): self.channels[side] for side in self.sides},
            "w_dim": self.w_dim,
            "mapping_layers": self.mapping_layers,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NetworkConfig:
        """Back from `to_json`; NetworkConfigError for anything else."""
        try:
            return cls(
                resolution=_whole(document["resolution"]),
                channels={int(side): _whole(width) for side, width in document["channels"].items()},
                w_dim=_whole(document["w_dim"]),
                mapping_layers=_whole(document["mapping_layers"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NetworkConfigError(
                f"network description {quoted(document, 200)}: expected resolution, channels, w_dim and mapping_layers"
            ) from error


def _whole(number: Any) -> int:
    if type(number) is not int:
        raise TypeError(number)
    return number


def _check_size(label: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise NetworkConfigError(f"network size {label}={number}: expected 1 to {most}")
