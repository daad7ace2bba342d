"""A task's file from elsewhere becomes a task of this workspace."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lfsgan_cli.checkpoints.convert import finish_import, plan_task_import
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.retention_record import record
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.studio.drafts import UploadError
from lfsgan_cli.studio.samples import Samples
from lfsgan_cli.workspace.locks import hold_tasks
from lfsgan_cli.workspace.manage import TaskExistsError, check_free
from lfsgan_cli.workspace.paths import task_path, tasks_folder
from lfsgan_cli.workspace.task_file import TaskFile
from lfsgan_cli.workspace.workspace import BaseMismatchError


def import_file(samples: Samples, path: Path, called: str, wanted: str) -> str:
    """Check a task's file and add it; the name that it has now.

    called: the file's name where it came from; wanted: the task's name, or empty for the file's. A file of the public
    LFS-GAN code is read as `lfsgan tasks import` does. UploadError, TaskExistsError, and as `check_free`.
    """
    name = wanted or PurePosixPath(called.replace("\\", "/")).stem
    root = samples.root
    with hold_tasks(root, name):
        check_free(root, name, overwrite=False)
        try:
            if path.suffix in {".pt", ".pth"}:
                job = plan_task_import(samples.place, path, name, activation=True, overwrite=False)
                finish_import(job, samples.device)
                return name
            place = samples.place
            task = TaskFile.open(path)
            if task.info.base.identity != place.base.identity:
                raise BaseMismatchError(task.info, place.base.name, place.base.identity)
            task.adapter(place.base.average.cpu())  # its adapter is installed, and fits
        except TaskExistsError:
            raise
        except LfsganError as error:
            raise UploadError(422, str(error).replace(str(path), called).replace(path.name, called)) from error
        place.ensure_base()
        tasks_folder(root).mkdir(exist_ok=True)
        place.remove_run(name)
        write_atomic(task_path(root, name), path.read_bytes())
        record(place, name, samples.device)
    return name
