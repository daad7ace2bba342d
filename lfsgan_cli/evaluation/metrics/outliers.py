"""Outlier rate: the share of samples farther from their nearest real image than 99 % of held-out real images are.

Distances are Euclidean ones of plain pixels: whole images in grey at 32×32, and with `--parts` crops in colour at
16×16. No network takes part, so training cannot fit to it. A sample is an outlier if it is malformed or off the domain.
A tenth of the real images, at least 100, is held out by a fixed seed; their distances to the nearest of the others give
the threshold. So new real images have a rate of about 0.01 by construction. A related score by features is in
Kynkäänniemi et al., 2019 (Improved Precision and Recall, section 5).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lfsgan_cli.errors import LfsganError, quoted
from lfsgan_cli.evaluation.registry import (
    Collected,
    Collector,
    Metric,
    Option,
    Quantity,
    Rows,
    Setting,
    Sheet,
    Value,
    blocks_note,
    label,
    over_blocks,
    split,
)
from lfsgan_cli.io.files import read_plain

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.evaluation.features import Batch

LEAST = 200  # real images
HELD_OUT = 100  # at least, and a tenth of larger sets
QUANTILE = 0.99
SIDE, PART_SIDE = 32, 16  # pixels
WORST = 12  # samples on the sheet
SMALLEST = 0.02  # of the side, for a part
MOST_BYTES = 1 << 16  # of a file of parts
_ROWS = 1 << 8  # samples whose distances are in memory at once

Part: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom as shares of the side


class NotCalibratedError(LfsganError):
    """So few real images that a percent of the held-out ones is less than one image."""

    def __init__(self, reals: int) -> None:
        super().__init__(
            f"the outlier rate cannot be calibrated with {reals:,} real images: expected {LEAST} or more; "
            "pass the full set with --reals"
        )


class PartError(LfsganError):
    """A part of the image that cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(
            f"--parts {quoted(text)}: {reason}; expected NAME=LEFT,TOP,RIGHT,BOTTOM as shares of the side, such as "
            "eyes=0.3,0.4,0.7,0.55, or a TOML or JSON file of such parts"
        )


def parse_parts(values: Sequence[str]) -> dict[str, Part]:
    """The parts that `--parts` names: words such as `eyes=0.3,0.4,0.7,0.55`, and files; PartError."""
    found: dict[str, Part] = {}
    for value in values:
        for word in [value] if "=" not in value else value.split():
            name, equals, numbers = word.partition("=")
            named = {name: numbers.split(",")} if equals else _parts_in(value)
            for one, corners in named.items():
                if one in found:
                    raise PartError(value, f"{one!r} is given twice")
                found[one] = _part(value, one, corners)
    return found


def _parts_in(text: str) -> Mapping[str, Any]:
    try:
        content = read_plain(Path(text), MOST_BYTES).decode("utf-8")
        document = json.loads(content) if Path(text).suffix.lower() == ".json" else tomllib.loads(content)
    except OSError as error:
        raise PartError(text, f"no such file can be read ({error.strerror or 'unknown reason'})") from error
    except (ValueError, RecursionError) as error:
        raise PartError(text, "the file is neither TOML nor JSON") from error
    if not isinstance(document, dict) or not document:
        raise PartError(text, "the file has no parts")
    return document


def _part(text: str, name: str, corners: Any) -> Part:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise PartError(text, f"{quoted(name)} cannot name a part: only letters, digits, - and _ can")
    try:
        left, top, right, bottom = map(float, corners)
    except (TypeError, ValueError) as error:
        raise PartError(text, f"{name!r} has not four numbers") from error
    if not (0 <= left <= right - SMALLEST <= 1 and 0 <= top <= bottom - SMALLEST and max(right, bottom) <= 1):
        raise PartError(text, f"{name!r} is no area within the image")
    return left, top, right, bottom


class PixelCollector:
    """Images shrunk to side×side by means over areas, as float32 levels [N, side² or 3 side²]. part: None is all."""

    def __init__(self, part: Part | None) -> None:
        self._part = part
        self.key: Mapping[str, Any] = {"levels": "grey-32"} if part is None else {"levels": "rgb-16", "part": part}
        self._rows: list[Any] = []

    def see(self, batch: Batch) -> None:
        """Add those of a batch."""
        import numpy as np
        from PIL import Image

        for levels in batch.images.permute(0, 2, 3, 1).contiguous().numpy():
            image = Image.fromarray(levels)
            if self._part is None:
                small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
            else:
                left, top, right, bottom = (round(share * image.width) for share in self._part)
                cropped = image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
                small = cropped.resize((PART_SIDE, PART_SIDE), Image.Resampling.BOX)
            self._rows.append(np.asarray(small, np.float32).ravel())

    def result(self) -> Tensor:
        """[N, D]."""
        import numpy as np
        import torch

        return torch.from_numpy(np.stack(self._rows))


@dataclass(frozen=True)
class Calibration:
    """What samples are compared with. kept: which real images, [M]; levels: theirs, [M, D]; threshold: a distance."""

    kept: Tensor
    levels: Tensor
    threshold: float
    held_out: int


def calibrate(reals: Tensor) -> Calibration:
    """From the levels of all real images, [N, D], with a part of them held out."""
    import numpy as np
    import torch

    order = torch.from_numpy(np.random.RandomState(0).permutation(len(reals)))
    held = max(HELD_OUT, len(reals) // 10)
    kept, levels = order[held:], reals[order[held:]]
    distances, _ = nearest(reals[order[:held]], levels)
    return Calibration(kept, levels, float(distances.quantile(QUANTILE)), held)


def nearest(levels: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The distance of each row [n, D] to its nearest of `others` [M, D], float64 [n], and which one that is."""
    import torch

    known = others.double()
    lengths, found = known.square().sum(1), []
    for rows in torch.split(levels.double(), _ROWS):
        squared = rows.square().sum(1)[:, None] + lengths - 2 * rows @ known.T  # whole numbers: exact in float64
        found.append(squared.clamp(min=0).min(1))
    return torch.cat([one.values for one in found]).sqrt(), torch.cat([one.indices for one in found])


class OutlierRate(Metric):
    """`--outliers`."""

    key = "outliers"
    order = 60
    title = "the outlier rate"
    help = "Share of images unlike all real ones, by pixels (lower is better)."
    quantities = (
        Quantity(
            "outliers",
            "share of images farther from their nearest real image than 99 % of held-out real images; these have 0.01",
            "lower",
            high=1,
        ),
    )
    needs = frozenset({"pixels", "reals"})
    source = f"plain pixels; {LEAST} real images or more"
    least = 1
    in_suites = False
    options = (
        Option(
            "parts",
            "NAME=X0,Y0,X1,Y1|FILE",
            "Also the outlier rate of these parts of the image, as shares of the side.",
            parse_parts,
        ),
    )
    sheet = Sheet(
        "outliers.png",
        "Worst outliers",
        "samples above the real images nearest to them",
        "The generated images that are farthest from all real ones, each above its nearest real image.",
    )

    def check(self, samples: int, reals: int | None, blocks: int) -> None:
        """NotCalibratedError for fewer than LEAST real images."""
        super().check(samples, None, blocks)
        if reals is not None and reals < LEAST:
            raise NotCalibratedError(reals)

    def collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """Levels of the whole image and of each part."""
        return {name: PixelCollector(part) for name, part in _crops(setting).items()}

    def real_collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """The same."""
        return self.collectors(setting)

    def measure(self, samples: Collected, reals: Collected | None, setting: Setting) -> Iterator[Value | Rows]:
        """The rate of the whole image, then that of each part, then the worst samples by any of them."""
        import torch

        if reals is None:
            raise ValueError("outliers without real images")
        ratios, images = [], []
        for name, part in _crops(setting).items():
            known = reals.once(name, calibrate)
            distances, indices = nearest(samples[name], known.levels)
            outliers = distances > known.threshold
            rate = over_blocks(
                [{self.key: (float(one.double().mean()), None)} for one in split(outliers, setting.blocks)]
            )
            value, error = rate[self.key]
            extractor = f"grey-{SIDE}" if part is None else f"{name.partition(':')[2]}:rgb-{PART_SIDE}"
            shown = label(
                self.key, extractor, n=len(outliers) // setting.blocks, reals=reals.count, blocks=setting.blocks
            )
            note = {"outliers": int(outliers.sum()), "threshold": known.threshold, "held_out": known.held_out}
            crop = {} if part is None else {"part": name.partition(":")[2], "crop": list(part)}
            yield Value(self.key, shown, value, error, (), {**note, **crop, **blocks_note(setting.blocks)})
            ratios.append(distances / known.threshold)
            images.append(known.kept[indices])
        worst, by = torch.stack(ratios).max(0)
        chosen = worst.argsort(descending=True, stable=True)[:WORST].tolist()
        others = [int(images[int(by[index])][index]) for index in chosen]
        names = list(_crops(setting))
        listed = [
            [index, other, float(worst[index]), names[int(by[index])]]
            for index, other in zip(chosen, others, strict=True)
        ]
        yield Rows(chosen, others, "reals", {"rows": ["sample", "nearest real image"], "worst": listed})


def _crops(setting: Setting) -> dict[str, Part | None]:
    """What to collect, by name: the whole image, then `--parts`."""
    parts: Mapping[str, Part] = setting.options.get("parts", {})
    return {"whole": None, **{f"part:{name}": part for name, part in parts.items()}}


METRIC = OutlierRate()
