"""Tasks and bases from Python: what is there, and files that come in and go out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lfsgan_cli.api.arguments import Opened, PathLike, Strength, Task, path_of, strength_of, task_text
from lfsgan_cli.workspace import listing, manage, paths

if TYPE_CHECKING:
    from PIL.Image import Image

    from lfsgan_cli.diagnostics.doctor import MachineReport
    from lfsgan_cli.workspace.base_file import BaseSummary
    from lfsgan_cli.workspace.task_file import TaskSummary


@dataclass(frozen=True)
class Snapshots:
    """The steps that have a snapshot, and a row of samples for each."""

    steps: list[int]
    grid: Image


class Files(Opened):
    """Tasks and the base as files."""

    def tasks(self) -> dict[str, TaskSummary]:
        """The tasks by name. Only the headers of their files are read."""
        from lfsgan_cli.workspace.task_file import read_summary

        root = self._folder(None, base=False)
        return {name: read_summary(paths.task_path(root, name)) for name in paths.task_names(root)}

    def task(self, name: str) -> TaskSummary:
        """How a task was learned."""
        from lfsgan_cli.workspace.task_file import read_summary

        return read_summary(paths.find_task(self._folder([name], base=False), name))

    def list_tasks(self, *, after: str = "", limit: int | None = None) -> listing.Listing:
        """What `lfsgan tasks list` shows: dates, latest FID and interrupted runs as well.

        after, limit: at most so many tasks, those that follow a name.
        """
        remote = self._remote
        if remote is None:
            return listing.joined(listing.pages(self.root, after=after, limit=limit))
        return listing.joined(remote.pages(after=after, limit=limit))

    def rename_task(self, name: str, new: str) -> None:
        """Rename a task."""
        manage.rename(self.root, name, new)

    def remove_tasks(self, *names: str) -> None:
        """Move tasks and their run folders to the workspace's trash, which `lfsgan doctor --clean` empties."""
        manage.remove(self.root, list(names))

    def verify(self, *names: str) -> list[manage.Finding]:
        """Check that task files, all of them if none is named, and the base are undamaged."""
        return list(manage.verify(self._folder(names or None), list(names) or None))

    def push_task(
        self,
        name: str,
        url: str,
        *,
        base: str | None = None,
        license: str = "",  # noqa: A002 - as the option
        private: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Publish a task at s3://BUCKET/PATH or hf://OWNER/NAME, whole or not at all.

        base: where its base is published already. license, private: of a repository on the Hub.
        """
        from lfsgan_cli.io.remote import HUB
        from lfsgan_cli.workspace.publish import plan_push
        from lfsgan_cli.workspace.remote import remote_at

        remote = remote_at(url)
        if remote.address.scheme != HUB:
            plan_push(self.root, name, remote, base_at=base, overwrite=overwrite).run()
            return
        from lfsgan_cli.generation.model_card import plan_sharing

        sharing = plan_sharing(self.root, name, remote, base_at=base, license_id=license, overwrite=overwrite)
        sharing.run(private=private)

    def pull_task(self, url: str, name: str | None = None, *, new: str = "", overwrite: bool = False) -> TaskSummary:
        """Fetch a published task, and its base if there is none here. name: None is the only one there; new: its name
        here.
        """
        from lfsgan_cli.workspace.remote import remote_at

        remote = remote_at(url)
        there = name or remote.only_task()
        remote.pull(self.root, there, new, overwrite=overwrite)
        return self.task(new or there)

    def doctor(self, *, clean: bool = False) -> list[MachineReport]:
        """Check the machine and the workspace: facts, and problems with what to do about each.

        clean: first empty the trash, and remove temporary files and checkpoints that no run needs.
        """
        from lfsgan_cli.diagnostics import doctor, workspace

        state = workspace.examine(self.root)
        if clean:
            workspace.remove_stale(state)
            state = workspace.examine(self.root)
        there = workspace.report(state, lambda *words: shlex.join(("lfsgan", *words, "--workspace", str(self.root))))
        return [doctor.machine(), doctor.extensions(), doctor.weights(), there]

    def mix_tasks(self, name: str, tasks: Task, *, strength: Strength = 1.0, overwrite: bool = False) -> TaskSummary:
        """Store a blend, such as `{"sketch": 0.6, "babies": 0.4}`, as a task of its own; the summary of its file."""
        from lfsgan_cli.runs.mix_tasks import finish_mix, plan_mix
        from lfsgan_cli.workspace.locks import hold_tasks

        with hold_tasks(self.root, name):
            job = plan_mix(self._place(there=True), name, task_text(tasks), strength_of(strength), overwrite=overwrite)
            return finish_mix(job, self._pick())

    def snapshots(self, name: str) -> Snapshots:
        """The snapshots of a task's run, as one image."""
        from PIL import Image

        from lfsgan_cli.runs.snapshots import image_grid

        image, steps = image_grid(self._place(there=True), name, self._pick())
        return Snapshots(steps, Image.fromarray(image))

    def pick_snapshot(self, name: str, step: int) -> TaskSummary:
        """Make the snapshot of a step the task; the summary of its file."""
        from lfsgan_cli.runs.snapshots import pick
        from lfsgan_cli.workspace.locks import hold_tasks

        with hold_tasks(self.root, name):
            pick(self._place(there=True), name, step, self._pick())
        return self.task(name)

    def merge_task(
        self,
        name: str,
        file: PathLike,
        *,
        strength: float = 1.0,
        source: Literal["z", "w"] = "z",
        overwrite: bool = False,
    ) -> Path:
        """Merge a task into the base and write one StyleGAN2 checkpoint, .pt or .safetensors, or .onnx; its path.

        source: the input of an ONNX model: z, or w for each layer.
        """
        from lfsgan_cli.checkpoints import convert, onnx

        out, place = path_of(file), self._place(there=True, root=self._folder([name]))
        convert.check_out(out, overwrite=overwrite, others=[onnx.SUFFIX])
        if out.suffix == onnx.SUFFIX:
            onnx.merge_task(place, name, out, strength, source)
        else:
            convert.write(out, convert.task_document(place, name, strength))
        return out

    def import_task(
        self, file: PathLike, name: str, *, activation: bool = True, overwrite: bool = False
    ) -> TaskSummary:
        """Import a task file of lfsgan, from a path or an address, or one of the public LFS-GAN code.

        activation: whether one of the public code was trained with `--left_use_act`.
        """
        from lfsgan_cli.checkpoints.convert import finish_import, plan_task_import
        from lfsgan_cli.workspace.locks import hold_tasks
        from lfsgan_cli.workspace.remote import import_own

        if import_own(self.root, file, name, overwrite=overwrite) is not None:
            return self.task(name)
        with hold_tasks(self.root, name):
            job = plan_task_import(
                self._place(there=True), path_of(file), name, activation=activation, overwrite=overwrite
            )
            finish_import(job, self._pick())
        return self.task(name)

    def export_task(self, name: str, file: PathLike, *, overwrite: bool = False) -> Path:
        """Write a task as a file of the public LFS-GAN code; its path."""
        from lfsgan_cli.checkpoints.convert import plan_task_export
        from lfsgan_cli.checkpoints.lfsgan import write

        out = path_of(file)
        write(out, plan_task_export(self._folder([name], base=False), name, out, overwrite=overwrite).tensors)
        return out

    def base(self) -> BaseSummary:
        """What the base is. Only the header of its file is read."""
        from lfsgan_cli.workspace.base_file import read_summary

        return read_summary(paths.base_path(self._folder()))

    def import_base(
        self, file: PathLike, *, part: Literal["g_ema", "g"] = "g_ema", name: str = "", overwrite: bool = False
    ) -> BaseSummary:
        """Import a StyleGAN2 checkpoint of rosinality or NVIDIA as the base."""
        from lfsgan_cli.checkpoints import convert
        from lfsgan_cli.workspace.locks import hold_base

        with hold_base(self.root):
            convert.plan_base_import(self._place(), path_of(file), part=part, name=name, overwrite=overwrite).run()
        return self.base()

    def export_base(self, file: PathLike, *, overwrite: bool = False) -> Path:
        """Write the base as a StyleGAN2 checkpoint in rosinality's layout, .pt or .safetensors; its path."""
        from lfsgan_cli.checkpoints import convert

        out = path_of(file)
        convert.check_out(out, overwrite=overwrite)
        convert.write(out, convert.base_document(self._place(there=True, root=self._folder())))
        return out
