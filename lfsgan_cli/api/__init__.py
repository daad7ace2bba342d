"""lfsgan from Python: `open_workspace` returns a workspace whose methods do what the commands do."""

from __future__ import annotations

from lfsgan_cli.api.arguments import CallError, PathLike, SamplingArguments, path_of
from lfsgan_cli.api.files import Files, Snapshots
from lfsgan_cli.api.images import GeneratedFiles, GenerateOptions, Images, Projected, StyleMix, WalkOptions
from lfsgan_cli.api.measuring import BenchmarkOptions, EvaluateOptions, Measuring, WrittenReport
from lfsgan_cli.api.training import LearnOptions, PlannedRun, PretrainOptions, Progress, Training

__all__ = [
    "BenchmarkOptions", "CallError", "EvaluateOptions", "GenerateOptions", "GeneratedFiles", "LearnOptions",
    "OpenWorkspace", "PlannedRun", "PretrainOptions", "Progress", "Projected", "SamplingArguments", "Snapshots",
    "StyleMix", "WalkOptions", "WrittenReport", "open_workspace",
]  # fmt: skip


class OpenWorkspace(Training, Images, Measuring, Files):
    """A workspace: a base, and the tasks that were learned on it.

    Every method does what the command of its name does, and raises the same errors (`LfsganError`).
    """


def open_workspace(root: PathLike = "lfsgan_workspace", *, device: str = "auto") -> OpenWorkspace:
    """The workspace in a folder, which may be empty or missing: learning a task then puts the embedded base there.

    root: may also be s3://BUCKET/PATH or hf://OWNER/NAME, to read from.
    device: what everything runs on: auto, cpu, cuda, cuda:N or mps.
    """
    from lfsgan_cli.system.device import prepare

    prepare()
    return OpenWorkspace(path_of(root), device)
