"""Samples of all that lfsgan reads, malicious ones among them; their names begin with the group of readers."""

import argparse
import io
import json
import os
import pickle
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lfsgan_adapters.left import LeFT
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor

from lfsgan_cli import options
from lfsgan_cli.evaluation.features import HASH, KEY
from lfsgan_cli.io import safetensors
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.rosinality import config_of, discriminator_names, generator_names, rename
from lfsgan_cli.workspace import base_file, checkpoint_file, task_file
from lfsgan_cli.workspace.base_file import Base
from lfsgan_cli.workspace.task_file import TaskInfo
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import GOLDEN, under

Sample = tuple[str, bytes]


class Malicious:
    """Runs something as soon as it is unpickled."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


def prepare(folder: Path) -> None:
    """A workspace with a base and a task, and `samples` beside it."""
    theirs = load_file(GOLDEN / "rosinality.safetensors")
    parts = {part: under(theirs, f"{part}.") for part in ("g_ema", "d")}
    for place in ("workspace/tasks/dogs", "samples", "shots", "benchmark", "cache/features"):
        (folder / place).mkdir(parents=True)
    generator, discriminator = build_generator(config_of(parts["g_ema"])), Discriminator(config_of(parts["g_ema"]))
    ours = rename(parts["g_ema"], generator_names(parts["g_ema"])) | {"w_mean": torch.zeros(generator.config.w_dim)}
    generator.load_state_dict(ours)
    discriminator.load_state_dict(rename(parts["d"], discriminator_names(parts["d"])))
    base = Base("reference", base_file.identity(generator), generator, generator, discriminator)
    base_file.write(folder / "workspace" / "base.safetensors", base, {"kimg": 1})
    (folder / "shots" / "good.png").write_bytes(picture("PNG"))
    for name, data in (*tensors(folder), *checkpoints(folder, parts), *pictures(), *zips(), *texts(folder)):
        (folder / "samples" / name).write_bytes(data)


def tensors(folder: Path) -> Iterator[Sample]:
    """Files of our own."""
    workspace = Workspace(folder / "workspace")
    config = LeFT.Config(rank=1, init="paper")
    adapter = LeFT(workspace.base.average, config)
    task = adapter.tensors() | {"w_mean": workspace.base.average.w_mean}
    info = TaskInfo(
        "dogs", "left", str(LeFT.version), options.to_json(config), workspace.base_info, {"lr": 0.5, "seed": 1}
    )
    path = folder / "workspace" / "tasks" / "dogs.safetensors"
    task_file.write(path, info, task)
    yield "tensors task", path.read_bytes()
    yield "tensors base", (folder / "workspace" / "base.safetensors").read_bytes()
    checkpoint_file.write(
        folder / "shots", 5, {"module.a": torch.ones(20), "rng": torch.get_rng_state()}, {"lfsgan.plan": "{}"}
    )
    yield "tensors state", (folder / "shots" / "state000005.safetensors").read_bytes()
    (folder / "shots" / "state000005.safetensors").unlink()
    kept = {"features": torch.ones(4, 3)}
    safetensors.write(folder / "cached", kept, {"format": "pt", KEY: "{}", HASH: safetensors.content_hash(kept)})
    yield "tensors cache", (folder / "cached").read_bytes()
    (folder / "cached").unlink()


def checkpoints(folder: Path, parts: dict[str, dict[str, Tensor]]) -> Iterator[Sample]:
    """Files of other programs, and what only looks like them."""
    checkpoint = {"g_ema": parts["g_ema"], "args": argparse.Namespace(latent=32), "ada_aug_p": 0.5}
    yield "checkpoint rosinality zip", saved(checkpoint)
    yield "checkpoint rosinality legacy", saved({**checkpoint, "d": parts["d"]}, zipped=False)
    yield "checkpoint rosinality tensors", save({f"g_ema.{n}": t.contiguous() for n, t in parts["g_ema"].items()})
    official = (GOLDEN / "lfsgan_task.pt").read_bytes()
    yield "checkpoint lfsgan zip", official
    task = torch.load(io.BytesIO(official), weights_only=True)
    yield "checkpoint lfsgan legacy", saved(task, zipped=False)
    for name in ("nvidia", "malicious_1_outer", "malicious_2_nested"):
        yield f"checkpoint {name}", (GOLDEN / f"{name}.pkl").read_bytes()
    for name, content in strange(task["g_ema"], parts["g_ema"]):
        yield f"checkpoint strange {name}", saved(content)
    yield from malicious(folder / "marker")


def malicious(marker: Path) -> Iterator[Sample]:
    """What a pickle can ask for: commands, and memory."""
    touch = f"touch {marker}"
    calls: dict[str, tuple[Any, Any]] = {
        "system": (os.system, touch), "exec": (exec, f"import os; os.system({touch!r})"),
        "popen": (subprocess.getoutput, touch), "zeros": (bytearray, 10**11), "tensor": (torch.FloatTensor, 10**11),
    }  # fmt: skip
    for name, (call, argument) in calls.items():
        bad = Malicious(call, argument)
        yield f"checkpoint malicious {name}", pickle.dumps({"G_ema": bad, "g_ema": bad})
        yield f"checkpoint malicious {name} zip", saved({"g_ema": bad})
        yield f"checkpoint malicious {name} legacy", saved({"g_ema": bad}, zipped=False)
    yield "checkpoint deep names", b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s."


def strange(task: dict[str, Tensor], base: dict[str, Tensor]) -> Iterator[tuple[str, Any]]:
    """What torch saves and reads without a word, and what no program of ours could go on with."""
    knot: dict[Any, Any] = {}
    knot["g_ema"] = knot
    yield from {"knot": knot, "numbers": {"g_ema": {1: 2}}, "list": [[]], "nothing": None}.items()
    kinds = {
        "sparse": torch.eye(3).to_sparse(), "meta": torch.empty(3, device="meta"), "complex": torch.ones(3) * 1j,
        "expanded": torch.zeros(1).expand(2**20, 2**20), "scalar": torch.tensor(1.0), "empty": torch.empty(0, 0),
        "integers": torch.ones(3, 3, dtype=torch.int64), "small": torch.ones(3, 3).to(torch.float8_e4m3fn),
        "nan": torch.full((32, 1), torch.nan),
    }  # fmt: skip
    for kind, tensor in kinds.items():
        yield f"task {kind}", {"g_ema": {**task, "conv1.conv.weight_modulation.w_mul1_out_channel_wise": tensor}}
        yield f"base {kind}", {"g_ema": {**base, "conv1.conv.weight": tensor}}
        yield f"base mean {kind}", {"g_ema": base, "latent_avg": tensor}
    shared = torch.zeros(1000)
    yield "shared", {"g_ema": {**base, **{f"extra{index}": shared for index in range(10_000)}}}


def pictures() -> Iterator[Sample]:
    """A small image in every format and in the modes that are decoded in a way of their own."""
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "MPO"):
        yield f"picture {form.lower()}", picture(form)
    yield "picture transparent png", picture("PNG", "RGBA")
    yield "picture palette png", picture("PNG", "P", transparency=1)
    yield "picture 16 bit png", encoded(Image.fromarray(np.arange(576, dtype=np.uint16).reshape(24, 24) * 100), "PNG")
    yield "picture progressive cmyk jpeg", picture("JPEG", "CMYK", progressive=True)
    yield "picture compressed tiff", picture("TIFF", compression="tiff_lzw")
    for form in ("WEBP", "GIF", "PNG", "TIFF"):
        frames = [Image.new("RGB", (24, 24), colour) for colour in ("red", "blue")]
        yield f"picture animated {form.lower()}", encoded(frames[0], form, save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "[red]\x1b[31m"
    yield "picture turned jpeg", picture("JPEG", exif=exif)
    yield "picture huge webp", encoded(Image.new("RGB", (16383, 16383)), "WEBP", lossless=True, method=0)


def picture(form: str, mode: str = "RGB", **how: Any) -> bytes:
    noise = np.random.RandomState(0).randint(0, 256, (24, 24, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise).convert(mode), form, **how)


def encoded(image: Image.Image, form: str, **how: Any) -> bytes:
    whole = io.BytesIO()
    image.save(whole, form, **how)
    return whole.getvalue()


def zips() -> Iterator[Sample]:
    """Images in zips of every compression, and a bomb."""
    for name, method in (("stored", 0), ("deflated", 8), ("bzip2", 12), ("lzma", 14)):
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", method) as archive:
            for index in range(3):
                archive.writestr(f"folder/{index}.png", picture("PNG"))
        yield f"zip {name}", whole.getvalue()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", 8) as archive:
        archive.writestr("a.png", picture("PNG"))
        with archive.open("b.png", "w") as entry:
            for _ in range(130):
                entry.write(bytes(1 << 20))
    yield "zip bomb", whole.getvalue()


def texts(folder: Path) -> Iterator[Sample]:
    """What is written as text: a suite, and what runs and measurements leave."""
    suite = f"""# A suite
[suite]
name = "one"
count = 10
seeds = [0, 1]
metrics = ["fid", "kid"]

[[task]]
name = "cats"
shots = "{folder / "shots"}"
reals = "{folder / "shots"}"

[[method]]
name = "left"
adapter = "left"
options = {{rank = 2}}
training = {{steps = 5}}
"""
    yield "suite", suite.encode()
    result = {"domain": "cats", "metric": "fid", "name": "fid[tiny] n=4", "value": 10.5}
    run = {
        "method": "left", "seed": 0, "step": 1, "task": "cats", "adapter": "left", "parameters": 10, "bytes": 100,
        "seconds": 1.5, "peak_memory_mb": 3.0, "results": [result],
    }  # fmt: skip
    later = {**run, "step": 2, "task": "dogs", "results": [result, {**result, "domain": "dogs"}]}
    yield "lines runs", lines(run, later, {**run, "method": "full"})
    noted = {
        "metric": "fid",
        "name": "fid[tiny] n=4",
        "value": 3.0,
        "error": 0.5,
        "reals": {"name": "cats", "sha256": "a"},
    }
    yield "lines metrics", lines(noted, {**noted, "value": 2.0}, {"metric": "kid", "name": "kid", "value": 1})
    yield "lines stats", lines(*({"step": step, "d": 0.5, "g": 1.5, "r1": 0.1} for step in range(1, 60, 5)))
    checked = {"base": True, "task": True, "pictures": "equal", "compared": 8, "largest_difference": 0, "why": ""}
    yield "lines retention", lines({"checked": "2026-01-01T00:00:00+00:00", "tasks": {"dogs": checked}})
    yield "lines run", lines({"seconds": 12.5, "device": "cpu", "finished": "2026-01-01"})


def lines(*documents: dict[str, Any]) -> bytes:
    return "".join(json.dumps(document) + "\n" for document in documents).encode()


def saved(content: Any, *, zipped: bool = True) -> bytes:
    whole = io.BytesIO()
    torch.save(content, whole, _use_new_zipfile_serialization=zipped)
    return whole.getvalue()
