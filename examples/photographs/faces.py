"""Small grey photographs of faces, ten to learn from and 2,000 to measure with: python faces.py OUT_DIR

Needs `pip install scikit-image`, whose package holds a hundred faces of 25×25 pixels (Labeled Faces in the Wild, Huang
et al., 2007). Ten of them are the shots; the others are shown again and again, cut and flipped at random.
"""

import io
import sys
import zipfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import lfw_subset

FACES, SHOTS, REALS = 100, 10, 2_000
SIZE = 64  # pixels a side
LEAST = 0.85  # of the side is left by a cut
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold; equal sets give equal files


def photographs() -> list[Image.Image]:
    """The faces; what follows them in that set are pictures of other things."""
    levels = (np.clip(lfw_subset()[:FACES], 0, 1) * 255).round().astype(np.uint8)
    return [Image.fromarray(face).convert("RGB") for face in levels]


def enlarged(face: Image.Image, box: tuple[float, float, float, float] | None = None) -> Image.Image:
    return face.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box)


def cut(face: Image.Image, rng: np.random.RandomState) -> Image.Image:
    side = rng.uniform(LEAST, 1) * face.width
    left, top = (rng.uniform(0, face.width - side) for _ in "xy")
    part = enlarged(face, (left, top, left + side, top + side))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.uniform() < 0.5 else part


def cuts(faces: list[Image.Image], rng: np.random.RandomState) -> Iterator[Image.Image]:
    return (cut(face, rng) for face in islice(cycle(faces), REALS))


def main(out: Path) -> None:
    rng, known = np.random.RandomState(0), photographs()
    faces = [known[i] for i in rng.permutation(FACES)]
    shots = out / "faces" / "few_shots"
    shots.mkdir(parents=True, exist_ok=True)
    for number, face in enumerate(faces[:SHOTS]):
        enlarged(face).save(shots / f"{number:02}.png")
    with zipfile.ZipFile(out / "faces" / "reals-2k.zip", "w") as file:
        for number, picture in enumerate(cuts(faces[SHOTS:], rng)):
            packed = io.BytesIO()
            picture.save(packed, "PNG", optimize=True)
            file.writestr(zipfile.ZipInfo(f"{number:04}.png", FIXED_DATE), packed.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
