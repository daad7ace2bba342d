"""The machine: torch and its devices, memory, the installed adapters, and the weights that metrics need."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli import __version__, registry
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.system.machine import available_memory
from lfsgan_cli.workspace import base_file

NEEDED_MEMORY = 1200 << 20  # bytes: learning on the embedded base held 1,144 MB at most (docs/benchmarks.md)
_NVIDIA = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Problem:
    """Something that the user can fix. way: what to do."""

    what: str
    way: str


@dataclass(frozen=True)
class MachineReport:
    """Facts under a heading, each a name and a value, and their problems."""

    title: str
    facts: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...] = ()


def machine() -> MachineReport:
    """Versions, devices, memory and threads."""
    facts = [
        ("lfsgan", __version__),
        ("Python", f"{sys.version.split()[0]}, {sys.executable}"),
        ("system", platform.platform()),
    ]
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: the system refuses one of its libraries
        way = "reinstall it: `pip install --force-reinstall torch`"
        return MachineReport("machine", tuple(facts), (Problem(f"torch cannot be imported: {error}", way),))
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.machine import this_machine

    here, gpus = this_machine(torch.device("cpu")), range(torch.cuda.device_count())
    devices = [torch.cuda.get_device_name(index) for index in gpus]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    hip: str | None = getattr(torch.version, "hip", None)
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {hip}" if hip else "the CPU"
    free = available_memory()
    sizes = ((free, "free"), (here.memory, "in all"))
    memory = " of ".join(f"{gib(size)} {which}" for size, which in sizes if size is not None)
    facts += [
        ("torch", f"{torch.__version__}, built for {build}"),
        ("devices", ", ".join([*devices, f"cpu ({here.cpu})"])),
        ("taken by auto", str(pick("auto"))),
        ("cores, threads", f"{here.cores} that this process may use, {here.threads} threads of torch"),
        ("memory", memory or "unknown"),
    ]
    for index in gpus:
        left, whole = torch.cuda.mem_get_info(index)
        facts.append((f"memory of cuda:{index}", f"{gib(left)} free of {gib(whole)} in all"))
    problems = []
    if not torch.cuda.is_available() and _NVIDIA.exists():
        if torch.version.cuda:
            way = "see what `nvidia-smi` says; a driver older than torch's CUDA is the usual reason"
            problems.append(Problem("there is an NVIDIA driver, and torch finds no device", way))
        else:
            way = "install a CUDA build from https://pytorch.org to use it, or leave it: the CPU does all of it, slower"
            problems.append(Problem("there is an NVIDIA driver, and this torch is built for the CPU alone", way))
    if free is not None and free < NEEDED_MEMORY:
        way = f"end other programs: learning takes {gib(NEEDED_MEMORY)}"
        problems.append(Problem(f"only {gib(free)} of memory are free", way))
    return MachineReport("machine", tuple(facts), tuple(problems))


def extensions() -> MachineReport:
    """The adapters that are installed."""
    entries = registry.entries()
    facts = tuple((entry.name, f"{entry.distribution} {entry.version}") for entry in entries)
    problems = []
    for name in registry.names():
        try:
            registry.load(name)
        except LfsganError as error:
            problems.append(Problem(str(error), "install that distribution again, in another version, or remove it"))
    if not facts:
        problems.append(Problem("no adapter is installed", "install lfsgan itself again"))
    return MachineReport("adapters", facts, tuple(problems))


def weights() -> MachineReport:
    """The embedded base, and the feature extractors of metrics; a large one that is not here is no problem."""
    from lfsgan_cli.evaluation.extractors import inception
    from lfsgan_cli.evaluation.extractors.perceptual import VGG_WEIGHTS
    from lfsgan_cli.evaluation.extractors.weights import cached, read
    from lfsgan_cli.workspace.base_file import embedded_base

    facts, problems = [("efficientnet-lite0", "comes with its package")], []
    try:
        with embedded_base() as path:
            facts.append(("embedded base", f"{base_file.verify(path).name}, whole"))
    except LfsganError as error:
        problems.append(Problem(str(error).partition("; ")[0], "install lfsgan itself again"))
    for name, wanted in (("inception", inception.WEIGHTS), ("vgg", VGG_WEIGHTS)):
        path = cached(wanted)
        if not path.exists():
            facts.append(
                (name, f"not here: name a file with {wanted.option}, or it is downloaded to {path} when needed")
            )
            continue
        try:
            read(wanted, path)
            facts.append((name, f"{path}, its SHA-256 is right"))
        except LfsganError as error:
            problems.append(Problem(str(error), f"remove {str(path)!r}, and it is downloaded again when needed"))
    return MachineReport("weights", tuple(facts), tuple(problems))


def gib(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 2**30:.1f} GiB"


def writable(folder: Path) -> bool:
    """Whether a file could be made in a folder, or the folder in the nearest one that is there."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
