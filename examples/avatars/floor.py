"""The FID that even real pictures have: python floor.py avataaars-20k.zip 5000

Some thousand pictures of a set, chosen by seed 0, against all others of it, in the features of EfficientNet-Lite0.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures
from lfsgan_cli.evaluation.features import features_of_batches
from lfsgan_cli.evaluation.metrics.fid import frechet_distance
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.source import open_source

RESOLUTION = 64


def main(path: Path, count: int) -> None:
    pictures = ImageDataset(open_source(path), RESOLUTION)
    chosen = np.random.RandomState(0).permutation(len(pictures))
    batches = (torch.from_numpy(np.stack([pictures[i] for i in part])) for part in np.array_split(chosen, 400))
    known = features_of_batches(EfficientNetFeatures(), (batch.permute(0, 3, 1, 2) for batch in batches))
    value = frechet_distance(known[:count], known[count:])
    print(f"fid[efficientnet-lite0] n={count} reals={len(known) - count}: {value:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
