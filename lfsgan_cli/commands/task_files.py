"""`lfsgan tasks import`, `export`, `merge` and `mix`: task files made from other files, and other files from tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, warn
from lfsgan_cli.commands.help import INPUT, OUTPUT
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    Device,
    DryRun,
    Json,
    LayerStrengths,
    Strength,
    WorkspaceDir,
    given_options,
    to_repeat,
)
from lfsgan_cli.commands.tasks import TaskName

if TYPE_CHECKING:
    from lfsgan_cli.checkpoints.convert import Import
    from lfsgan_cli.checkpoints.onnx import Input
    from lfsgan_cli.workspace.workspace import Workspace

ONNX = ".onnx"

Official = Annotated[
    Path, typer.Argument(metavar="OFFICIAL.pt", help="Task file that was saved by the public LFS-GAN code.")
]
NewName = Annotated[
    str, typer.Option("--name", metavar="NAME", rich_help_panel=OUTPUT, help="Name of the task in this workspace.")
]
Activation = Annotated[
    bool | None,
    typer.Option(
        "--activation/--no-activation",
        rich_help_panel=INPUT,
        help="Whether the task was trained with `--left_use_act`; the file does not say.  [default: activation]",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace the task of this name.")]
Out = Annotated[Path, typer.Argument(metavar="OUT.pt", help="File to write.")]
OverwriteFile = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace the file if it exists.")
]


def import_task(
    ctx: typer.Context,
    file: Official,
    name: NewName,
    activation: Activation = None,
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import a task file of the public LFS-GAN code.

    The workspace must hold the base that the task was trained on: import it first with `lfsgan base import FILE`.
    """
    from lfsgan_cli.checkpoints.convert import finish_import, plan_task_import
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.paths import task_path
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    job = plan_task_import(place, file, name, activation=activation is not False, overwrite=overwrite)
    if not dry_run:
        finish_import(job, where)
    path = task_path(place.root, name)
    _tell_activation(job, known=activation is not None)
    if as_json:
        print_json({
            "task": name, "file": str(path), "parameters": job.adapter.size, "options": job.info.config,
            "negative_gates": job.negative_gates, "activation_matters": job.negative_gates > 0,
        })  # fmt: skip
        return
    facts = f"{job.adapter.size:,} parameters of rank {job.info.config['rank']}"
    if dry_run:
        say(f"Would import {file.name!r} as task {name!r}: {facts}.")
        return
    say(f"Task {name!r} is in {path}: {facts}.")
    say(f"Generate: {to_repeat('generate', name, '-n', '64', workspace=place.root, device=device)}")


def export_task(
    name: TaskName,
    out: Out,
    overwrite: OverwriteFile = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Export a task as a file of the public LFS-GAN code.

    Only tasks of the adapter `left` can be exported. The public code also needs the base: `lfsgan base export FILE`.
    """
    from lfsgan_cli.checkpoints.convert import plan_task_export
    from lfsgan_cli.checkpoints.lfsgan import write

    task = plan_task_export(workspace, name, out, overwrite=overwrite)
    write(out, task.tensors)
    if as_json:
        print_json({"task": name, "file": str(out), "tensors": len(task.tensors), "options": task.info.config})
        return
    flag = "with" if task.info.config["activation"] else "without"
    say(f"{out} holds {len(task.tensors)} tensors of rank {task.info.config['rank']}, learned {flag} the activation.")
    say(f"Use it with the base {task.info.base.name!r}: `lfsgan base export` writes that.")


def _tell_activation(job: "Import", *, known: bool) -> None:
    if not job.negative_gates:
        say("The activation makes no difference in this file: none of its gates is negative.")
    elif not known:
        warn(
            f"the file does not say whether the task was trained with the activation, and {job.negative_gates:.1%} of "
            "its gates are negative: the public code's default, with activation, is used; if images look wrong, import "
            "it with --no-activation"
        )


GeneratorFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="File to write: .pt, .safetensors, or .onnx (needs the extra [onnx]).")
]
OnnxInput = Annotated[
    Literal["z", "w"],
    typer.Option("--input", rich_help_panel=OUTPUT, help="What an .onnx file takes: z, or w for every layer."),
]


def merge(
    ctx: typer.Context,
    name: TaskName,
    file: GeneratorFile,
    strength: Strength = 1.0,
    source: OnnxInput = "z",
    overwrite: OverwriteFile = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Merge a task into the base and export one checkpoint.

    The file is a StyleGAN2 generator in rosinality's layout, which other programs read, or an ONNX model with constant
    noise, which onnxruntime checks.
    """
    from lfsgan_cli.checkpoints import convert
    from lfsgan_cli.workspace.workspace import check_workspace

    as_onnx = file.suffix == ONNX
    if not as_onnx and given_options(ctx, ["source"]):
        raise typer.BadParameter(f"belongs to {ONNX} files; leave it out", param_hint="--input")
    convert.check_out(file, overwrite=overwrite, others=[ONNX])
    told: dict[str, Any] = {} if strength == 1 else {"strength": strength}
    if as_onnx:
        told |= _merge_as_onnx(check_workspace(workspace), name, file, strength, source)
    else:
        convert.write(file, convert.task_document(check_workspace(workspace), name, strength))
    if as_json:
        print_json({"task": name, "file": str(file), **told})
    else:
        print_text(str(file))


def _merge_as_onnx(place: "Workspace", name: str, file: Path, strength: float, source: "Input") -> dict[str, Any]:
    from lfsgan_cli.checkpoints import onnx
    from lfsgan_cli.checkpoints.convert import merged_task

    onnx.check_installed()
    about = {"lfsgan.task": name, "lfsgan.base": place.base.identity, "lfsgan.strength": f"{strength:g}"}
    model = onnx.write(file, merged_task(place, name, strength), source, about)
    shape, side = ", ".join(map(str, model.shape)), model.resolution
    say(f"ONNX opset {model.opset}: input {model.input} [N, {shape}], output image [N, 3, {side}, {side}], -1 to 1.")
    if model.difference is None:
        warn(f"the model is not checked, since onnxruntime is not installed: {onnx.INSTALL}")
    else:
        say(f"Checked with onnxruntime {model.runtime}: at most {model.difference} levels of 255 from lfsgan's images.")
    return {"opset": model.opset, "input": model.input, "difference": model.difference}


MixName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new task.")]
BlendOf = Annotated[
    str,
    typer.Option("--task", metavar="A=0.6,B=0.4", help="Tasks and their weights, of any sign.", rich_help_panel=INPUT),
]


def mix_tasks(
    ctx: typer.Context,
    name: MixName,
    task: BlendOf,
    strength: LayerStrengths = "1",
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Store a blend of tasks as a task of its own.

    The new task needs nothing outside its file, and gives the images of the blend exactly. The tasks stay as they are.
    """
    from lfsgan_cli.runs.mix_tasks import finish_mix, plan_mix
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.blend import parse_strength
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.paths import task_path
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    job = plan_mix(place, name, task, parse_strength(strength), overwrite=overwrite)
    path, size = task_path(place.root, name), job.adapter.size
    if not dry_run:
        finish_mix(job, where)
    if as_json:
        print_json({"task": name, "file": str(path), "parameters": size, "blend": job.info.training["blend"]})
        return
    say(f"{'Would store' if dry_run else 'Stored'} the blend as task {name!r}, {size:,} parameters, in {path}.")
    if not dry_run:
        say(f"Generate: {to_repeat('generate', name, '-n', '64', workspace=place.root, device=device)}")
