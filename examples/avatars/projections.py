"""How near projection comes on the embedded base: python projections.py [--targets 20] [--drawings FOLDER]

Projects images that the base generated, at seeds that the search does not try, and drawings of the source style that
it was never trained on: draw them with `node render.mjs avataaars 20000 20 64 FOLDER`. Distances are perceptual ones
at the network's full size, which the search does not use. Exits with 1 where a limit is missed:

- generated images: the median distance to the target is at most a fifth of that between random samples, and no search
  takes more than 60 seconds of two cores;
- drawings: the mean distance to the target is at most half of that between random pairs of drawings.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median

import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0, from_levels
from lfsgan_cli.evaluation.extractors.perceptual import embed, pairwise
from lfsgan_cli.generation.output import to_tensor
from lfsgan_cli.generation.projection import CANDIDATES, EMBEDDING_SIZE, STEPS, Projection, Projector
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.source import open_source
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.workspace import Workspace

GENERATED_LIMIT, DRAWN_LIMIT, SECONDS = 0.2, 0.5, 60.0
CORES = 2
FIRST_SEED = CANDIDATES + 1000
PAIRED = 40  # images whose pairs say how far two random ones are apart

Judge = Callable[[Tensor], Tensor]


def projected(
    generator: Generator, targets: Tensor, arguments: argparse.Namespace
) -> Iterator[tuple[Projection, float]]:
    """Every target's projection, and the CPU seconds that it took, spread over two cores."""
    network = EfficientNetLite0(EMBEDDING_SIZE)
    for target in targets:
        start = time.process_time()
        projector = Projector(generator, lambda images: embed(network, images), arguments.space, arguments.steps)
        (*_, found) = projector.run(target[None])
        assert isinstance(found, Projection)
        yield found, (time.process_time() - start) / CORES


def shares(
    kind: str, generator: Generator, targets: Tensor, others: Tensor, arguments: argparse.Namespace
) -> list[float]:
    """Of every target, the distance of its projection in units of that between random images of `others`."""
    network = EfficientNetLite0()

    @torch.no_grad()
    def judge(images: Tensor) -> Tensor:
        return torch.cat([embed(network, from_levels(part)) for part in images.split(8)])

    embeddings = judge(others)
    first, second = torch.triu_indices(len(others), len(others), 1)
    between = float(arguments.middle(pairwise(embeddings, embeddings)[first, second].tolist()))
    print(f"{kind}: {arguments.middle.__name__} distance between random pairs {between:.4f}")
    found = []
    for index, (projection, seconds) in enumerate(projected(generator, targets, arguments)):
        distance = float((judge(targets[index][None]) - judge(projection.image)).square().sum())
        outside = ", said to be outside" if projection.outside else ""
        print(f"  {index}: {distance / between:6.1%} in {seconds:.0f} s of {CORES} cores{outside}", flush=True)
        arguments.seconds.append(seconds)
        found.append(distance / between)
    return found


def limited(what: str, value: float, limit: float, unit: str) -> bool:
    """Print a value beside its limit; whether it is missed."""
    print(f"{'MISSED' if value > limit else 'ok':8}{what}: {value:{unit}}, at most {limit:{unit}}")
    return value > limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workspace", type=Path, default=Path("no-workspace"), help="whose base; else the embedded one"
    )
    parser.add_argument("--targets", type=int, default=20, help="generated images to project")
    parser.add_argument("--drawings", type=Path, help="folder of new drawings")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--space", choices=["w", "w+"], default="w+")
    arguments = parser.parse_args()
    arguments.seconds = []
    generator = Workspace(arguments.workspace).base.average
    missed = False
    if arguments.targets:
        arguments.middle = median
        seeds = range(FIRST_SEED, FIRST_SEED + arguments.targets)
        targets, others = (torch.cat(list(sample(generator, part))) for part in (seeds, range(PAIRED)))
        found = shares("generated images", generator, targets, others, arguments)
        missed |= limited("generated images, median", median(found), GENERATED_LIMIT, ".1%")
    if arguments.drawings:
        arguments.middle = mean
        pictures = ImageDataset(open_source(arguments.drawings), generator.config.resolution)
        drawn = torch.cat([to_tensor(pictures[index]) for index in range(len(pictures))])
        found = shares("new drawings", generator, drawn, drawn, arguments)
        missed |= limited("new drawings, mean", mean(found), DRAWN_LIMIT, ".1%")
    missed |= limited("seconds of two cores, longest", max(arguments.seconds), SECONDS, ".0f")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
