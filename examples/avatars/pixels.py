"""How far a task's pictures are from real ones without any network: python pixels.py WORKSPACE TASK reals-2k.zip

The Fréchet distance between 2,000 drawn pictures and all real ones, each shrunk to 16×16 and taken as it is: 768
numbers between 0 and 1. It sees where there is ink and colour, and nothing finer. Learning is judged by
EfficientNet-Lite0, and so is FID here; this number is a witness that had no part in it.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.evaluation.metrics.fid import frechet_distance
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.source import open_source
from lfsgan_cli.workspace.workspace import Workspace

COUNT, SIDE, AT_ONCE = 2000, 16, 50


def shrunk(batch: Tensor) -> Tensor:
    """Pictures uint8 [N, 3, R, R] as [N, 768]."""
    return F.adaptive_avg_pool2d(batch.float() / 255, SIDE).flatten(1)


def real(path: Path, side: int) -> Iterator[Tensor]:
    """Real pictures in batches, uint8 [N, 3, side, side]."""
    pictures = ImageDataset(open_source(path), side)
    for part in np.array_split(np.arange(len(pictures)), max(1, len(pictures) // AT_ONCE)):
        yield torch.from_numpy(np.stack([pictures[i] for i in part])).permute(0, 3, 1, 2)


def tell(name: str, features: Callable[[Tensor], Tensor], root: Path, task: str, reals: Path) -> None:
    """Print the Fréchet distance. features: of pictures uint8 [N, 3, R, R], [N, D]."""
    view = Workspace(root).generator(task, torch.device("cpu"))
    theirs = torch.cat([features(batch) for batch in real(reals, view.config.resolution)])
    ours = torch.cat([features(batch) for batch in sample(view, range(COUNT), batch=AT_ONCE)])
    print(f"fid[{name}] n={COUNT} reals={len(theirs)}: {frechet_distance(ours, theirs):.2f}")


if __name__ == "__main__":
    tell(f"pixels {SIDE}x{SIDE}", shrunk, Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
