"""Learning a task from start to file: nothing is lost on the way."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from lfsgan_cli import options, registry
from lfsgan_cli.adapter import Adapter, construct
from lfsgan_cli.apply import adapt
from lfsgan_cli.evaluation.retention_record import record
from lfsgan_cli.generation.output import near_square, save_grid, to_arrays
from lfsgan_cli.generation.sampling import mean_w, sample
from lfsgan_cli.images.png import encode
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.runs.plan import TaskRun
from lfsgan_cli.runs.session import CheckpointPolicy, checkpointed
from lfsgan_cli.system.machine import this_machine
from lfsgan_cli.training.batches import reference_images
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.loop import Step
from lfsgan_cli.training.perceptual import perceptual_distance_to
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.paths import FEW_SHOTS, task_path
from lfsgan_cli.workspace.task_file import TaskInfo, TaskSummary

SHEETS = 4  # pictures of the progress in one run
SHEET_SEEDS = range(32)


class Learner:
    """A job at work. passed_over: kept states that were damaged, so that it goes on from an earlier one."""

    def __init__(self, job: TaskRun, device: torch.device) -> None:
        self.job, self.device = job, device
        base, training = job.workspace.base, job.plan.training
        self.adapter = _seeded_adapter(job, base.average).to(device)
        self.base = base.average.to(device)
        images = job.shots.pictures
        self.run = Learning(
            self.base if training.generator == "ema" else base.live.to(device),
            self.adapter,
            copy.deepcopy(base.discriminator).to(device),
            list(images),
            perceptual_distance_to(reference_images(images, training.seed), training.perceptual, device),
            training,
        )
        self.passed_over = job.folder.restore(self.run) if job.resumed else ()

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.run.total

    @property
    def done(self) -> int:
        """Steps that an earlier process finished."""
        return self.run.done

    def steps(self, *, save_every: float, resume_command: str) -> Iterator[Step]:
        """Train to the end. The base is put in the workspace, and the run's folder begun or taken up."""
        self.job.workspace.ensure_base()
        plan = self.job.plan.to_json()
        if not self.job.resumed:
            _open_folder(self.job)
            self.job.folder.save(self.run, plan)
        every = max(1, -(-self.run.total // SHEETS))
        keeping = CheckpointPolicy(self.job.folder, plan, save_every, resume_command, self._sheet, every)
        yield from checkpointed(self.run, keeping)

    def finish(self, seconds: float) -> TaskSummary:
        """Write the task's file, and record what it draws; the summary of what is in it."""
        job, learned = self.job, self.run.learned
        view = adapt(self.base, learned)
        tensors = {name: tensor.cpu() for name, tensor in learned.round_off().items()}
        tensors[task_file.W_MEAN] = mean_w(view).cpu()
        path = task_path(job.workspace.root, job.plan.name)
        task_file.write(path, self._info(), tensors)
        record(job.workspace, job.plan.name, self.device)
        self._sheet(self.run.total)
        job.folder.finish({"plan": job.plan.to_json(), "device": this_machine(self.device).device}, seconds)
        return task_file.read_summary(path)

    def _info(self) -> TaskInfo:
        plan = self.job.plan
        training = {
            **plan.training.to_json(),
            "recipe": plan.recipe,
            "shots": plan.shots,
            "shot_count": len(self.job.shots.names),
            **plan.start,
        }
        version = str(self.adapter.version)
        config = options.to_json(plan.options)
        return TaskInfo(plan.name, plan.adapter, version, config, self.job.workspace.base_info, training)

    @torch.no_grad()
    def _sheet(self, done: int) -> None:
        view = adapt(self.base, self.run.learned)
        pictures = torch.cat(list(sample(view, SHEET_SEEDS, noise="const")))
        note = {"task": self.job.plan.name, "step": done, "seeds": list(SHEET_SEEDS), "noise": "const"}
        save_grid(self.job.folder.path / f"fakes{done:06}.png", near_square(to_arrays(pictures)), note)


def _open_folder(job: TaskRun) -> None:
    folder = job.folder
    folder.prepare()
    (folder.path / FEW_SHOTS).mkdir()
    for index, picture in enumerate(job.shots.pictures):
        write_atomic(folder.path / FEW_SHOTS / f"{index:06}.png", encode(picture, {}))


def _seeded_adapter(job: TaskRun, base: Generator) -> Adapter:
    cls = registry.load(job.plan.adapter)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.plan.training.seed)
        adapter = construct(cls, base, job.plan.options)
    if job.start is not None:
        adapter.load_state_dict(dict(job.start.state))
    return adapter
