"""Share a task on the Hugging Face Hub: a thumbnail in its header, an image grid, and a model card."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lfsgan_cli import __version__
from lfsgan_cli.errors import printable
from lfsgan_cli.generation.generate import GenerateJob, variant
from lfsgan_cli.generation.output import encode, grid, near_square
from lfsgan_cli.generation.sampling import SamplingOptions
from lfsgan_cli.images.formats import GRID, NOTE
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.remote import HUB, Address, Files, HubStore
from lfsgan_cli.options import spell
from lfsgan_cli.workspace import publish
from lfsgan_cli.workspace.paths import BASE_FILE, SUFFIX, find_task
from lfsgan_cli.workspace.publish import Push
from lfsgan_cli.workspace.remote import CARD, RemoteWorkspace
from lfsgan_cli.workspace.workspace import Workspace

THUMBNAIL = "modelspec.thumbnail"
THUMBNAIL_SIDE = 256  # pixels, of four images
QUALITY = 90  # of JPEG
GRID_SEEDS = range(16)
STYLE = SamplingOptions(0.7, "seed")  # as most people look at a model
IMAGES = "images"  # the folder of grids
_OURS = "<!-- lfsgan writes this page anew with each push; remove this line to keep your own text. -->"
_PAGE = """\
---
{front}
---
{ours}

# {title}

Few-shot image domains for a StyleGAN2, learned with lfsgan. Each task is a small file beside a frozen base.

{tasks}

## Base

{base}: StyleGAN2, {network} pixels a side.

Identity: `{identity}`

## License

{license}

## How to use it

```console
pip install 'lfsgan[hub]'
lfsgan generate --workspace {address} --task {quoted} -n 16
lfsgan tasks pull {quoted} {address}
```

```python
from lfsgan_cli import open_workspace

images = open_workspace("{address}").generate({name}, seeds=16)
```

Written by lfsgan {version}.
"""
_SHOWN = 50  # tasks of a repository that the card describes
_TRAINING = ("recipe", "steps", "batch", "lr", "seed", "shot_count")


@dataclass(frozen=True)
class Sharing:
    """A push with all that people see of it. grid: a PNG."""

    push: Push
    grid: bytes

    def run(self, *, private: bool = False) -> bool:
        """Publish; whether the model card was written: not where somebody wrote one of their own."""
        remote = self.push.remote
        if isinstance(remote.store, HubStore):
            remote.store.create(private=private)
        written = False

        def more(entry: dict[str, Any]) -> Files:
            nonlocal written
            before = remote.store.read(CARD)
            written = before is None or _OURS.encode() in before
            names = [name for name in remote.names(_SHOWN) if name != self.push.name]
            entries = {**remote.entries(names), self.push.name: entry}
            page = {CARD: card(remote.address, dict(sorted(entries.items()))).encode()} if written else {}
            return {f"{IMAGES}/{self.push.name}.png": self.grid, **page}

        self.push.run(more)
        return written


def plan_sharing(
    root: Path, name: str, remote: RemoteWorkspace, *, base_at: str | None, license_id: str, overwrite: bool
) -> Sharing:
    """Check and sample everything; nothing is sent yet. Raises as `publish.plan_push`.

    license_id: as the Hub spells it, such as cc0-1.0; empty where none is stated.
    """
    push = publish.plan_push(root, name, remote, base_at=base_at, overwrite=overwrite)
    place = Workspace(root)
    images = _job(place, name, GRID_SEEDS)
    compute = images.compute(torch.device("cpu"), 8, "fp32", "off")
    grid = encode(images.image_grid(compute), {NOTE: json.dumps({"task": name, **STYLE.note()})}, GRID)
    path = find_task(root, name)
    data = push.data
    if THUMBNAIL not in safetensors.read_header(path).metadata:
        data = safetensors.with_metadata(path, {THUMBNAIL: thumbnail(place, name)})
    return Sharing(replace(push, data=data, entry={**push.entry, "license": license_id}), grid)


def thumbnail(workspace: Workspace, name: str) -> str:
    """Four images of a task as ModelSpec has it: the data URL of a JPEG. It is the same in each call on one machine.

    Source: https://github.com/Stability-AI/ModelSpec
    """
    job = _job(workspace, name, range(4))
    images = list(islice(job.images(job.compute(torch.device("cpu"), 4, "fp32", "off")), 4))
    picture = Image.fromarray(grid(near_square(images)))
    stream = io.BytesIO()
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    picture.resize(side, Image.Resampling.LANCZOS).save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _job(workspace: Workspace, name: str, seeds: Sequence[int]) -> GenerateJob:
    return GenerateJob(workspace, [variant(workspace, name, STYLE, Path())], list(seeds), Path())


def card(address: Address, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a repository, from the entries of its tasks: Markdown, with what the Hub reads in front."""
    from huggingface_hub import ModelCardData

    first = next(iter(entries.values()))
    elsewhere = next((entry["base_at"] for entry in entries.values() if entry.get("base_at")), None)
    base = Address.parse(elsewhere) if elsewhere else None
    licenses = [entry["license"] for entry in entries.values() if entry.get("license")]
    data = ModelCardData(
        license=licenses[0] if licenses else None,
        base_model=base.place if base is not None and base.scheme == HUB else None,
        library_name="lfsgan",
        pipeline_tag="unconditional-image-generation",
        tags=["stylegan2", "few-shot", "lfsgan"],
    )
    name, count = next(iter(entries)), len(entries)
    where = f"at {elsewhere}" if elsewhere else f"in this repository, `{BASE_FILE}`"
    return _PAGE.format(
        front=data.to_yaml(),
        ours=_OURS,
        title=_text(name if count == 1 else f"{count} tasks on {first['base']['name']}"),
        tasks="\n\n".join(_section(*item) for item in entries.items()),
        base=f"`{_text(first['base']['name'])}`, {where}",
        network=_text(spell(first["base"]["network"].get("resolution", "?"))),
        identity=_text(first["base"]["identity"]),
        license=_text(", ".join(dict.fromkeys(licenses)) or "Not stated."),
        quoted=shlex.quote(name),
        name=repr(name),
        address=address,
        version=__version__,
    )


def _section(name: str, entry: Mapping[str, Any]) -> str:
    """One task: its images, how it was learned, and what was measured."""
    training = entry["training"]
    known = {key: training[key] for key in _TRAINING if key in training}
    labels = {"shot_count": "training images", "lr": "learning rate"}
    options = " ".join(f"{key}={spell(value)}" for key, value in entry["config"].items())
    rows = [
        ("adapter", f"{entry['adapter']} {entry['adapter_version']}"),
        ("options", options or "none"),
        *((labels.get(key, key), spell(value)) for key, value in known.items()),
        ("parameters", f"{entry['parameters']:,}"),
        ("file", f"`tasks/{name}{SUFFIX}`, {entry['bytes']:,} bytes, SHA-256 `{entry['sha256']}`"),
    ]
    metrics = entry.get("metrics") or {}
    measured = [(f"{key}", f"{value:.4g}") for key, value in metrics.items() if isinstance(value, int | float)]
    image = f"![Samples of {_text(name)}, seeds 0 to 15, truncation 0.7]({IMAGES}/{name.replace(' ', '%20')}.png)"
    numbers = _table(("metric", "value"), measured) if measured else "Nothing was measured."
    return f"## {_text(name)}\n\n{image}\n\n{_table(('training', ''), rows)}\n\n{numbers}"


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "\n".join(f"| {_text(left)} | {_text(right)} |" for left, right in lines)


def _text(text: str) -> str:
    """Text that no Markdown and no HTML comes of, but for code in backticks."""
    return re.sub(r"[|<>\[\]]", lambda found: f"\\{found[0]}", printable(text))
