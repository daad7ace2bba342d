"""Tasks of the public LFS-GAN code become tasks of a workspace, and go back into files of that code."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from lfsgan_cli import options, registry
from lfsgan_cli.adapter import Adapter, construct, read_config
from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.checkpoints import detect, lfsgan, rosinality, torch_file
from lfsgan_cli.checkpoints.checkpoint import Checkpoint, CheckpointError, State
from lfsgan_cli.checkpoints.lfsgan import PublishedTask
from lfsgan_cli.errors import LfsganError, printable
from lfsgan_cli.evaluation.retention_record import record
from lfsgan_cli.generation.sampling import mean_w
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.workspace import base_file, blend, checkpoint_file, manage, task_file
from lfsgan_cli.workspace.base_file import Base, BaseSummary
from lfsgan_cli.workspace.paths import base_path, find_task, task_path, tasks_folder
from lfsgan_cli.workspace.task_file import TaskFile, TaskInfo, TaskSummary
from lfsgan_cli.workspace.workspace import Workspace

ADAPTER = "left"  # what the tasks of the public code are


class OtherNetworkError(LfsganError):
    """A task of a network that is not of the base's shape."""

    def __init__(self, path: Path, theirs: NetworkConfig, base: str, ours: NetworkConfig) -> None:
        super().__init__(
            f"{path.name!r} is a task of another network ({_spell(theirs)}) than the base {base!r} ({_spell(ours)}): "
            "name a workspace that has its base with --workspace"
        )


class NotPublishableError(LfsganError):
    """A task that the public code has no form for."""

    def __init__(self, name: str, adapter: str) -> None:
        super().__init__(
            f"task {name!r} of the adapter {adapter!r} has what the public LFS-GAN code does not know; "
            f"expected a task of {ADAPTER!r} that was learned with -o gates=hard -o biases=false -o crossed=false"
        )


@dataclass(frozen=True)
class Import:
    """A task of the public code, checked and ready to be written; negative_gates: see `PublishedTask`."""

    workspace: Workspace
    info: TaskInfo
    adapter: Adapter
    negative_gates: float


@dataclass(frozen=True)
class Export:
    """A task of a workspace; tensors: under the public code's names."""

    info: TaskInfo
    tensors: Mapping[str, Tensor]


def plan_task_import(workspace: Workspace, path: Path, name: str, *, activation: bool, overwrite: bool) -> Import:
    """Check a file, the name and that it fits the workspace's base; nothing is written yet.

    activation: whether the task was learned with ReLU on its gates. Raises CheckpointError, OtherNetworkError, and
    for names as learning a task does.
    """
    base_path(workspace.root)
    manage.check_free(workspace.root, name, overwrite=overwrite)
    published = lfsgan.read(path)
    network = workspace.base.average.config
    if published.network != network:
        raise OtherNetworkError(path, published.network, workspace.base.name, network)
    cls = registry.load(ADAPTER)
    values = {
        "rank": published.rank, "activation": activation, "additive": published.additive, "init": "paper",
        "gates": "hard", "biases": False, "crossed": False,
    }  # fmt: skip
    config = read_config(cls, values)
    adapter = _adapter(path, workspace, cls, config, published)
    training = {"imported": "LFS-GAN", "file": path.name, "file_sha256": file_hash(path)}
    info = TaskInfo(name, ADAPTER, str(cls.version), options.to_json(config), workspace.base_info, training)
    return Import(workspace, info, adapter, published.negative_gates)


def finish_import(job: Import, device: torch.device) -> TaskSummary:
    """Write the task with a w_avg of its own, and record what it generates; the summary of what is in its file."""
    workspace, name = job.workspace, job.info.name
    mean = _mean_w(job, device)
    tensors = job.adapter.tensors() | {task_file.W_MEAN: mean}
    tasks_folder(workspace.root).mkdir(exist_ok=True)
    workspace.remove_run(name)
    path = task_path(workspace.root, name)
    task_file.write(path, job.info, tensors)
    record(workspace, name, device)
    return task_file.read_summary(path)


def plan_task_export(root: Path, name: str, out: Path, *, overwrite: bool) -> Export:
    """A task under the public code's names; NotPublishableError where that has none for it. Nothing is written yet."""
    task = TaskFile.open(find_task(root, name))
    info, tensors = task.info, task.tensors
    check_free(out, overwrite=overwrite)
    if info.adapter == blend.ADAPTER:
        raise NotPublishableError(name, info.adapter)
    cls = registry.load(info.adapter)
    table = cls.published_names(NetworkConfig.from_json(info.base.network), read_config(cls, info.config))
    if tensors.keys() - {task_file.W_MEAN} - set(table.values()):
        raise NotPublishableError(name, info.adapter)
    return Export(info, {theirs: tensors[ours].float() for theirs, ours in table.items() if ours in tensors})


def _adapter(path: Path, workspace: Workspace, cls: type[Adapter], config: Any, published: PublishedTask) -> Adapter:
    # Without memory until the tensors are known to fit, whatever size the file claims.
    with torch.device("meta"):
        adapter = construct(cls, workspace.base.average.cpu(), config)
    tensors = adapter.tensors()
    names = cls.published_names(published.network, config)
    table = {theirs: ours for theirs, ours in names.items() if ours in tensors}
    _check_shapes(path, {theirs: tensors[ours].shape for theirs, ours in table.items()}, published.tensors)
    adapter.load_state_dict({ours: published.tensors[theirs] for theirs, ours in table.items()}, assign=True)
    return adapter.requires_grad_(False)  # noqa: FBT003


def _check_shapes(path: Path, expected: Mapping[str, torch.Size], found: Mapping[str, Tensor]) -> None:
    for name in sorted(expected.keys() ^ found.keys()):
        state = "lacks" if name in expected else "has a tensor that no task has,"
        raise CheckpointError(path, f"{state} {name[: lfsgan.TELLING]!r}", lfsgan.EXPECTED)
    for name, shape in expected.items():
        if found[name].shape != shape:
            wrong = f"has the shape {list(found[name].shape)} for {name!r}, where {list(shape)} fits the rest of it"
            raise CheckpointError(path, wrong, lfsgan.EXPECTED)


def _mean_w(job: Import, device: torch.device) -> Tensor:
    view = adapt(job.workspace.base.average.to(device), job.adapter.to(device))
    view.w_mean = view.w_mean.to(device)
    mean = mean_w(view).cpu()
    job.adapter.cpu()
    return mean


def _spell(network: NetworkConfig) -> str:
    channels = " ".join(f"{side}:{network.channels[side]}" for side in network.sides)
    side = network.resolution
    return f"{side}×{side}, channels {channels}, latents of {network.w_dim}, {network.mapping_layers} mapping layers"


# Making a base of a workspace out of a checkpoint of another program.


Part: TypeAlias = Literal["g_ema", "g"]

FRESH_SEED = 0  # of what a file lacks
FROM_FILE, FRESH, COMPUTED = "from the file", "fresh", "computed"


class MissingPartError(CheckpointError):
    """A file without the generator that was asked for."""

    def __init__(self, path: Path, part: Part) -> None:
        other = "g" if part == "g_ema" else "g_ema"
        super().__init__(path, f"has no generator {part!r}", f"pass --part {other}, which it has")


@dataclass(frozen=True)
class BaseImport:
    """A checkpoint that can become the base of a workspace; nothing is written yet."""

    workspace: Workspace
    path: Path
    checkpoint: Checkpoint
    part: Part
    name: str

    @property
    def origin(self) -> dict[str, Any]:
        """Where the base comes from: all but the file's name and kind says what was taken and what the file lacks."""
        return {
            "file": printable(self.path.name),
            "kind": self.checkpoint.kind,
            "part": self.part,
            "live": FROM_FILE if self.checkpoint.live is not None else f"the same as {self.part}",
            "discriminator": FROM_FILE if self.checkpoint.discriminator is not None else FRESH,
            "w_mean": COMPUTED if self._w_mean is None else FROM_FILE,
            "noise": FROM_FILE if _noises(self.checkpoint.config) <= self._state.keys() else FRESH,
        }

    def run(self) -> BaseSummary:
        """Write the base; the summary of what is in it."""
        average = _generator(self.checkpoint.config, self._state)
        average.w_mean = mean_w(average) if self._w_mean is None else self._w_mean.clone()
        live = _generator(self.checkpoint.config, self.checkpoint.live or self._state)
        base = Base(self.name, base_file.identity(average), average, live, _discriminator(self.checkpoint))
        self.workspace.root.mkdir(parents=True, exist_ok=True)
        # First: a killed import must not leave another base's run to resume.
        checkpoint_file.drop(self.workspace.base_run)
        base_file.write(self.workspace.base_path, base, {}, origin=self.origin)
        # What an earlier base's training left would pass for this one's.
        shutil.rmtree(self.workspace.base_run, ignore_errors=True)
        return base_file.read_summary(self.workspace.base_path)

    @property
    def _state(self) -> State:
        state = self.checkpoint.average if self.part == "g_ema" else self.checkpoint.live
        if state is None:
            raise MissingPartError(self.path, self.part)
        return state

    @property
    def _w_mean(self) -> Tensor | None:
        """The file's, which is that of its average."""
        return self.checkpoint.w_mean if self.part == "g_ema" else None


def plan_base_import(workspace: Workspace, path: Path, *, part: Part, name: str, overwrite: bool) -> BaseImport:
    """Check an import: BaseExistsError, UnfinishedBaseError, MissingPartError, and as `detect.read` raises."""
    workspace.check_base_free(overwrite=overwrite)
    checkpoint = detect.read(path)
    if (checkpoint.average if part == "g_ema" else checkpoint.live) is None:
        raise MissingPartError(path, part)
    return BaseImport(workspace, path, checkpoint, part, printable(name or path.stem))


def _generator(config: NetworkConfig, state: State) -> Generator:
    # On "meta" a network takes no memory, and then it takes the file's own tensors, which are read as they are written.
    with torch.device("meta"):
        network = build_generator(config)
    # NVIDIA's networks can be trained without noise, and then they have no strength of it.
    silent = {name.replace(".const", ".strength"): torch.zeros(1) for name in _noises(config)}
    fresh = {"w_mean": torch.zeros(config.w_dim), **silent, **_fresh_noise(config)}
    network.load_state_dict({**fresh, **state}, assign=True)
    return network.requires_grad_(requires_grad=False)


def _discriminator(checkpoint: Checkpoint) -> Discriminator:
    if checkpoint.discriminator is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FRESH_SEED)
            return Discriminator(checkpoint.config)
    with torch.device("meta"):
        network = Discriminator(checkpoint.config)
    network.load_state_dict(checkpoint.discriminator, assign=True)
    return network.requires_grad_(requires_grad=False)


def _fresh_noise(config: NetworkConfig) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(FRESH_SEED)
    sides = config.noise_sides
    return {_noise(index): torch.randn(1, 1, side, side, generator=stream) for index, side in enumerate(sides)}


def _noises(config: NetworkConfig) -> set[str]:
    return {_noise(index) for index in range(len(config.noise_sides))}


def _noise(index: int) -> str:
    return f"synthesis.convs.{index}.noise.const"


# Writing a base, or a task merged into one, in rosinality's layout, which other programs read.


TORCH, SAFETENSORS = ".pt", ".safetensors"

Document = dict[str, dict[str, Tensor] | Tensor]


class ExportNameError(LfsganError):
    """A name from which nobody can tell how to write."""

    def __init__(self, path: Path, suffixes: Sequence[str]) -> None:
        super().__init__(f"{str(path)!r} does not say how to write it: expected a name in {' or '.join(suffixes)}")


class ExportExistsError(LfsganError):
    """Nothing is replaced by accident."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is there already; pass --overwrite to replace it, or another name")


def check_out(path: Path, *, overwrite: bool, others: Sequence[str] = ()) -> None:
    """ExportNameError or ExportExistsError where `path` cannot be written to. others: suffixes besides ours."""
    if path.suffix not in (suffixes := (TORCH, SAFETENSORS, *others)):
        raise ExportNameError(path, suffixes)
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


def merged_task(workspace: Workspace, name: str, strength: float = 1.0) -> Generator:
    """A task written into the base, with its `w_avg`; NotMergeableError where it has more than weights.

    strength: the share of what the task changes; StrengthError outside of 0 to 1.2.
    """
    task, base = workspace.open_task(name), workspace.base.average
    merged = merge(base, task.adapter(base), strength)
    known = {0.0: base.w_mean, 1.0: task.w_mean}.get(strength)
    merged.w_mean = mean_w(merged) if known is None else known
    return merged


def task_document(workspace: Workspace, name: str, strength: float = 1.0) -> Document:
    """A task written into the base: `g_ema` and `latent_avg`; raises as `merged_task`."""
    merged = merged_task(workspace, name, strength)
    return {rosinality.AVERAGE: rosinality.to_state(merged), rosinality.MEAN: merged.w_mean}


def write(path: Path, document: Document) -> None:
    """Write a document whole or not at all; in safetensors, names are joined by dots."""
    if path.suffix == SAFETENSORS:
        safetensors.write(path, _flat(document), {"format": "pt"})
    else:
        torch_file.save(path, document)


def _flat(document: Document) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    for part, value in document.items():
        flat |= {f"{part}.{name}": t for name, t in value.items()} if isinstance(value, Mapping) else {part: value}
    return flat
