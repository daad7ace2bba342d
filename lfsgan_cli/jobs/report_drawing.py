"""Drawing for a report: the same seeds by every generator, as PNGs."""

from __future__ import annotations

from collections.abc import Callable

from lfsgan_cli.batching import usual_batch
from lfsgan_cli.jobs.sheets import to_arrays
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.pictures.png import encode
from lfsgan_cli.sampling import draw

SEEDS = tuple(range(10))


def row(generator: Generator, drawn: Callable[[int], None]) -> tuple[bytes, ...]:
    """A PNG for each of SEEDS. drawn: told of so many more pictures."""
    pictures: list[bytes] = []
    batch_size = usual_batch(generator.config, generator.w_mean.device)
    for batch in draw(generator, SEEDS, batch=batch_size):
        pictures += [encode(picture, {}) for picture in to_arrays(batch)]
        drawn(len(batch))
    return tuple(pictures)
