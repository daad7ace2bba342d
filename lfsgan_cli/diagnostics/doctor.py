"""What a machine gives the program: torch and its devices, memory, adapters, and the weights that metrics need."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli import __version__, registry
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.system.memory import available_memory
from lfsgan_cli.workspace import base_file

NEEDED_MEMORY = 1200 << 20  # bytes: learning on the embedded base held 1,144 MB at most (docs/benchmarks.md)
_NVIDIA = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Problem:
    """Something that the user can mend. way: what to do."""

    what: str
    way: str


@dataclass(frozen=True)
class MachineReport:
    """Some facts under a heading, each a name and a value, and what is wrong with them."""

    title: str
    facts: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...] = ()


def machine() -> MachineReport:
    """The interpreter, torch, the devices that it finds, memory and threads."""
    facts = [("lfsgan", __version__), ("Python", f"{sys.version.split()[0]}, {sys.executable}")]
    facts += [("system", platform.platform())]
    try:
        import torch  # noqa: F401 - whether it can be imported is a question here
    except (ImportError, OSError) as error:  # OSError: a library of it that the system refuses
        way = "install it anew: `pip install --force-reinstall torch`"
        return MachineReport("machine", tuple(facts), (Problem(f"torch cannot be imported: {error}", way),))
    return MachineReport(
        "machine", (*facts, *_torch_facts(), *_memory_facts()), (*_torch_problems(), *_memory_problems())
    )


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
    """The embedded base, and the networks that metrics look with; that a large one is not here is no problem."""
    from lfsgan_cli.evaluation.extractors import inception, vgg
    from lfsgan_cli.evaluation.extractors.weights import cached, read
    from lfsgan_cli.workspace.workspace import embedded_base

    facts, problems = [("efficientnet-lite0", "comes with its package")], []
    try:
        with embedded_base() as path:
            facts.append(("embedded base", f"{base_file.verify(path).name}, whole"))
    except LfsganError as error:
        problems.append(Problem(str(error).partition("; ")[0], "install lfsgan itself again"))
    for name, wanted in (("inception", inception.WEIGHTS), ("vgg", vgg.WEIGHTS)):
        path = cached(wanted)
        if not path.exists():
            facts.append((name, f"not here: name a file with {wanted.option}, or it is fetched to {path} when needed"))
            continue
        try:
            read(wanted, path)
            facts.append((name, f"{path}, its SHA-256 is right"))
        except LfsganError as error:
            problems.append(Problem(str(error), f"remove {str(path)!r}, and it is fetched again when needed"))
    return MachineReport("weights", tuple(facts), tuple(problems))


def gib(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 2**30:.1f} GiB"


def _torch_facts() -> list[tuple[str, str]]:
    import torch

    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.machine import this_machine

    here = this_machine(torch.device("cpu"))
    found = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    return [
        ("torch", f"{torch.__version__}, built for {_build()}"),
        ("devices", ", ".join([*found, f"cpu ({here.cpu})"])),
        ("taken by auto", str(pick("auto"))),
        ("cores, threads", f"{here.cores} that this process may use, {here.threads} threads of torch"),
    ]


def _build() -> str:
    import torch

    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    hip: str | None = getattr(torch.version, "hip", None)
    return f"ROCm {hip}" if hip else "the CPU"


def _torch_problems() -> list[Problem]:
    import torch

    if torch.cuda.is_available() or not _NVIDIA.exists():
        return []
    if torch.version.cuda:
        way = "see what `nvidia-smi` says; a driver that is older than torch's CUDA is the usual reason"
        return [Problem("there is an NVIDIA driver, and torch finds no device", way)]
    way = "install a CUDA build from https://pytorch.org to use it, or leave it: the CPU does everything, slower"
    return [Problem("there is an NVIDIA driver, and this torch is built for the CPU alone", way)]


def _memory_facts() -> list[tuple[str, str]]:
    import torch

    from lfsgan_cli.system.machine import this_machine

    total, free = this_machine(torch.device("cpu")).memory, available_memory()
    sizes = [gib(free) + " free" if free is not None else "", gib(total) + " in all" if total is not None else ""]
    facts = [("memory", " of ".join(size for size in sizes if size) or "unknown")]
    for index in range(torch.cuda.device_count()):
        left, whole = torch.cuda.mem_get_info(index)
        facts.append((f"memory of cuda:{index}", f"{gib(left)} free of {gib(whole)} in all"))
    return facts


def _memory_problems() -> list[Problem]:
    free = available_memory()
    if free is None or free >= NEEDED_MEMORY:
        return []
    return [Problem(f"only {gib(free)} of memory are free", f"end other programs: learning takes {gib(NEEDED_MEMORY)}")]


def writable(folder: Path) -> bool:
    """Whether a file could be made in a folder, or the folder in the nearest one that is there."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
