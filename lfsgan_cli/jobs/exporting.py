"""Writing a base, or a task merged into one, in rosinality's layout, which other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lfsgan_cli import taskfile, tensorfile
from lfsgan_cli.adapted import merge
from lfsgan_cli.checkpoints import rosinality, torchfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.sampling import mean_w
from lfsgan_cli.taskfolder import find_task
from lfsgan_cli.workspace import Workspace, rebuild

TORCH, SAFETENSORS = ".pt", ".safetensors"

Document = dict[str, dict[str, Tensor] | Tensor]


class ExportNameError(LfsganError):
    """A name from which nobody can tell how to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} does not say how to write it: expected a name in {TORCH} or {SAFETENSORS}")


class ExportExistsError(LfsganError):
    """Nothing is replaced by accident."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is there already; give --overwrite to replace it, or another name")


def check_out(path: Path, *, overwrite: bool) -> None:
    """ExportNameError or ExportExistsError where `path` cannot be written to."""
    if path.suffix not in {TORCH, SAFETENSORS}:
        raise ExportNameError(path)
    check_free(path, overwrite=overwrite)


def check_free(path: Path, *, overwrite: bool) -> None:
    """ExportExistsError where a file would be replaced by accident, or a folder is in the way."""
    if path.is_dir() or (path.exists() and not overwrite):
        raise ExportExistsError(path)


def base_document(workspace: Workspace) -> Document:
    """The base as rosinality's training saves it, without optimizers: `g_ema`, `g`, `d`, and `latent_avg`."""
    base = workspace.base
    return {
        rosinality.AVERAGE: rosinality.to_state(base.average),
        rosinality.LIVE: rosinality.to_state(base.live),
        rosinality.DISCRIMINATOR: rosinality.to_discriminator_state(base.discriminator),
        rosinality.MEAN: base.average.w_mean,
    }


def task_document(workspace: Workspace, name: str, strength: float = 1.0) -> Document:
    """A task written into the base: `g_ema` and `latent_avg`; NotMergeableError where it has more than weights.

    strength: the share of what the task changes; StrengthError outside of 0 to 1.2.
    """
    info, base = workspace.info(name), workspace.base.average
    _, tensors = taskfile.read(find_task(workspace.root, name))
    merged = merge(base, rebuild(info, tensors, base), strength)
    known = {0.0: base.w_mean, 1.0: tensors[taskfile.W_MEAN].float()}.get(strength)
    return {
        rosinality.AVERAGE: rosinality.to_state(merged),
        rosinality.MEAN: mean_w(merged) if known is None else known,
    }


def write(path: Path, document: Document) -> None:
    """Write a document whole or not at all; in safetensors, names are joined by dots."""
    if path.suffix == SAFETENSORS:
        tensorfile.write(path, _flat(document), {"format": "pt"})
    else:
        torchfile.save(path, document)


def _flat(document: Document) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    for part, value in document.items():
        flat |= {f"{part}.{name}": t for name, t in value.items()} if isinstance(value, Mapping) else {part: value}
    return flat
