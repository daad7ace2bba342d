"""`lfsgan tasks import`, `export`, `merge`, `mix`, `push` and `pull`: task files that come in and go out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, warn
from lfsgan_cli.commands.help import INPUT, OUTPUT
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    AnyWorkspace,
    Device,
    DryRun,
    Json,
    LayerStrengths,
    Strength,
    WorkspaceDir,
    given_options,
    task_names,
    to_repeat,
)
from lfsgan_cli.commands.tasks import TaskName

if TYPE_CHECKING:
    from lfsgan_cli.checkpoints.convert import Import
    from lfsgan_cli.checkpoints.onnx import Input
    from lfsgan_cli.workspace.remote import RemoteWorkspace
    from lfsgan_cli.workspace.task_file import TaskInfo
    from lfsgan_cli.workspace.workspace import Workspace

ONNX = ".onnx"

TaskFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE|URL",
        help="Task file of lfsgan or of the public LFS-GAN code, or hf://OWNER/NAME, s3://BUCKET/PATH.",
    ),
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
    file: TaskFile,
    name: NewName,
    activation: Activation = None,
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import a task file of lfsgan or of the public LFS-GAN code.

    A file of lfsgan brings its base along where that is known: from the repository, or from beside the file. For a file
    of the public code, the workspace must hold the base: import it first with `lfsgan base import FILE`.
    """
    from lfsgan_cli.workspace.remote import import_own

    own = import_own(workspace, file, name, overwrite=overwrite, dry_run=dry_run)
    if own is not None:
        if as_json:
            print_json(_pulled_document(name, own, workspace))
        else:
            _tell_pulled({name: own}, workspace, dry_run=dry_run)
        return
    from lfsgan_cli.checkpoints.convert import finish_import, plan_task_import
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.paths import task_path
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    path = Path(file).expanduser()
    job = plan_task_import(place, path, name, activation=activation is not False, overwrite=overwrite)
    if not dry_run:
        finish_import(job, where)
    _tell_activation(job, known=activation is not None)
    if as_json:
        print_json({
            "task": name, "file": str(task_path(place.root, name)), "parameters": job.adapter.size,
            "options": job.info.config, "negative_gates": job.negative_gates,
            "activation_matters": job.negative_gates > 0,
        })  # fmt: skip
        return
    facts = f"{job.adapter.size:,} parameters of rank {job.info.config['rank']}"
    if dry_run:
        say(f"Would import {path.name!r} as task {name!r}: {facts}.")
        return
    say(f"Task {name!r} is in {task_path(place.root, name)}: {facts}.")
    say(f"Generate: {to_repeat('generate', name, '-n', '64', workspace=place.root, device=device)}")


def export_task(
    name: TaskName,
    out: Out,
    overwrite: OverwriteFile = False,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Export a task as a file of the public LFS-GAN code.

    Only tasks of the adapter `left` can be exported. The public code also needs the base: `lfsgan base export FILE`.
    """
    from lfsgan_cli.checkpoints.convert import plan_task_export
    from lfsgan_cli.checkpoints.lfsgan import write
    from lfsgan_cli.workspace.remote import local_copy

    task = plan_task_export(local_copy(workspace, say, [name], base=False), name, out, overwrite=overwrite)
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
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Merge a task into the base and export one checkpoint.

    The file is a StyleGAN2 generator in rosinality's layout, which other programs read, or an ONNX model with constant
    noise, which onnxruntime checks.
    """
    from lfsgan_cli.checkpoints import convert
    from lfsgan_cli.workspace.remote import local_copy
    from lfsgan_cli.workspace.workspace import check_workspace

    as_onnx = file.suffix == ONNX
    if not as_onnx and given_options(ctx, ["source"]):
        raise typer.BadParameter(f"belongs to {ONNX} files; leave it out", param_hint="--input")
    convert.check_out(file, overwrite=overwrite, others=[ONNX])
    told: dict[str, Any] = {} if strength == 1 else {"strength": strength}
    place = check_workspace(local_copy(workspace, say, [name]))
    if as_onnx:
        told |= _merge_as_onnx(place, name, file, strength, source)
    else:
        convert.write(file, convert.task_document(place, name, strength))
    if as_json:
        print_json({"task": name, "file": str(file), **told})
    else:
        print_text(str(file))


def _merge_as_onnx(place: "Workspace", name: str, file: Path, strength: float, source: "Input") -> dict[str, Any]:
    from lfsgan_cli.checkpoints import onnx

    model = onnx.merge_task(place, name, file, strength, source)
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


# `lfsgan tasks push` and `lfsgan tasks pull`, without torch but for what people see on the Hub.


Pushed = Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=task_names, help="Tasks to publish.")]
Pulled = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME", default_factory=list, show_default=False,
        help="Tasks to fetch.  [default: the only one there]",
    ),
]  # fmt: skip
Url = Annotated[str, typer.Argument(metavar="URL", help="Address: s3://BUCKET/PATH or hf://OWNER/NAME.")]
OverwriteThere = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace tasks of these names there.")
]
OverwriteHere = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace tasks of these names here.")
]
BaseAt = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="URL", rich_help_panel=OUTPUT,
        help="Where the base is published already.  [default: publish it with the first task]",
    ),
]  # fmt: skip
License = Annotated[
    str,
    typer.Option(
        "--license", metavar="ID", rich_help_panel=OUTPUT, help="License on the model card, such as cc0-1.0. For hf://."
    ),
]
Private = Annotated[
    bool, typer.Option("--private", rich_help_panel=OUTPUT, help="Make a new repository private. For hf://.")
]
AllThere = Annotated[bool, typer.Option("--all", rich_help_panel=INPUT, help="Every task that is there.")]
PulledName = Annotated[
    str, typer.Option("--name", metavar="NAME", rich_help_panel=OUTPUT, help="Another name for it, of one task.")
]


def push_tasks(
    names: Pushed,
    url: Url,
    base: BaseAt = None,
    license_id: License = "",
    private: Private = False,
    overwrite: OverwriteThere = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Publish tasks on an S3 server or on the Hugging Face Hub.

    A task appears whole or not at all. On the Hub it comes with a thumbnail, an image grid and a model card.
    """
    from lfsgan_cli.io.remote import HUB
    from lfsgan_cli.workspace.remote import remote_at

    remote = remote_at(url, say)
    on_hub = remote.address.scheme == HUB
    if (license_id or private) and not on_hub:
        raise typer.BadParameter("belongs to hf://", param_hint="--license" if license_id else "--private")
    if on_hub and not license_id:
        warn("no --license was passed: the model card says that none is stated")
    for name in names:
        _push(name, remote, workspace, base, license_id, private=private, overwrite=overwrite, dry_run=dry_run)
    if as_json:
        print_json({"pushed": names, "url": str(remote.address)})


def _push(
    name: str,
    remote: "RemoteWorkspace",
    workspace: Path,
    base: str | None,
    license_id: str,
    *,
    private: bool,
    overwrite: bool,
    dry_run: bool,
) -> None:
    from lfsgan_cli.io.remote import HUB

    if remote.address.scheme == HUB:
        from lfsgan_cli.generation.model_card import plan_sharing

        sharing = plan_sharing(workspace, name, remote, base_at=base, license_id=license_id, overwrite=overwrite)
        push = sharing.push
        if not dry_run and not sharing.run(private=private):
            warn("the model card there is not lfsgan's, and stays as it is")
    else:
        from lfsgan_cli.workspace.publish import plan_push

        push = plan_push(workspace, name, remote, base_at=base, overwrite=overwrite)
        if not dry_run:
            push.run()
    also = " and its base" if push.base is not None else ""
    done = "Would publish" if dry_run else "Published"
    say(f"{done} task {name!r}, {len(push.data):,} bytes,{also} at {remote.address}.")


def pull_tasks(
    names: Pulled,
    url: Url,
    all_tasks: AllThere = False,
    name: PulledName = "",
    overwrite: OverwriteHere = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fetch published tasks into the workspace.

    The base comes along if the workspace has none. Every file is checked before it gets its name.
    """
    from lfsgan_cli.workspace.remote import remote_at

    remote = remote_at(url, say)
    if names and all_tasks:
        raise typer.BadParameter("pass either tasks or --all", param_hint="--all")
    chosen = names or (remote.names(None) if all_tasks else [remote.only_task()])
    if name and len(chosen) > 1:
        raise typer.BadParameter("names one task, and several are fetched", param_hint="--name")
    pulled = {}
    for each in chosen:
        pulled[name or each] = remote.pull(workspace, each, name, overwrite=overwrite, dry_run=dry_run)
    if as_json:
        print_json({"tasks": [_pulled_document(each, info, workspace) for each, info in pulled.items()]})
    else:
        _tell_pulled(pulled, workspace, dry_run=dry_run)


def _pulled_document(name: str, info: "TaskInfo", workspace: Path) -> dict[str, str]:
    from lfsgan_cli.workspace.paths import task_path

    return {"task": name, "file": str(task_path(workspace, name)), "adapter": info.adapter, "base": info.base.name}


def _tell_pulled(pulled: "dict[str, TaskInfo]", workspace: Path, *, dry_run: bool) -> None:
    from lfsgan_cli.workspace.paths import task_path

    for name, info in pulled.items():
        does = f"Would put task {name!r} into" if dry_run else f"Task {name!r} is in"
        say(f"{does} {task_path(workspace, name)}: adapter {info.adapter}, base {info.base.name}.")
    if pulled and not dry_run:
        say(f"Generate: {to_repeat('generate', next(iter(pulled)), '-n', '64', workspace=workspace)}")
