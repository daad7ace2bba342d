"""A run can be made longer, whether it was interrupted or finished; a snapshot of it can become the task."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.source import open_source
from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.runs.best import Best, look_every

if TYPE_CHECKING:
    from tests.conftest import Program

TASKS = "lfsgan_workspace/tasks"
STEADY = ("-t", "optim.decay=0")  # without annealing, a lengthened run is an uninterrupted one
RETAINED = ("evaluate", "--retention", "--json")


def tensors_hash(program: "Program", name: str) -> str:
    return read_header(program.folder / f"{TASKS}/{name}.safetensors").metadata["modelspec.hash_sha256"]


def training(program: "Program", name: str) -> Any:
    return json.loads(program.done("tasks", "show", name, "--json").stdout)["training"]


def retained(program: "Program", name: str) -> bool:
    return bool(json.loads(program.done(*RETAINED).stdout)["tasks"][name]["retained"])


def test_a_lengthened_task_is_what_a_run_of_that_length_learns(program: "Program") -> None:
    program.learn("whole", *STEADY, "--steps", 5)
    program.learn("more", *STEADY, "--steps", 3)
    said = program.done("learn-task", "--name", "more", "--resume", "--steps", 5).stderr
    assert "Resuming after step 3 of 5." in said
    assert tensors_hash(program, "more") == tensors_hash(program, "whole")
    assert training(program, "more")["steps"] == 5
    assert training(program, "more")["lengthened"] == [{"steps": 3, "at": 3}]
    assert "lengthened" not in training(program, "whole")
    assert retained(program, "more")
    again = program.done("learn-task", "--name", "more", "--resume", "--steps", 5).stderr
    assert "is learned already, nothing is left to do" in again


def test_an_interrupted_run_is_lengthened_too(begun: "Program") -> None:
    begun.done("learn-task", "--name", "new", "--resume", "--steps", 32)
    [lengthened] = training(begun, "new")["lengthened"]
    assert (lengthened["steps"], training(begun, "new")["steps"]) == (30, 32)
    assert lengthened["at"] < 30


def test_a_run_without_its_checkpoint_cannot_be_lengthened(program: "Program") -> None:
    program.learn("cats", "--no-keep-checkpoint")
    line = program.refused("learn-task", "--name", "cats", "--resume", "--steps", 9)
    assert "its last checkpoint was not kept, so that it cannot be lengthened; start again with --overwrite" in line


def test_a_snapshot_is_what_the_run_had_learned_and_can_become_the_task(program: "Program") -> None:
    program.learn("short", *STEADY, "--steps", 2)
    program.learn("cats", *STEADY, "--steps", 6, "--snapshot-every", 1)
    last = program.contents(f"{TASKS}/cats.safetensors")
    document = json.loads(program.done("tasks", "snapshots", "cats", "--json").stdout)
    assert document["steps"] == [3, 4, 5, 6]
    assert Path(document["file"]).is_file()
    assert "has no snapshot of step 2; it has: 3, 4, 5, 6" in program.refused("tasks", "pick", "cats", 2)
    program.done("tasks", "pick", "cats", 4)
    assert training(program, "cats")["snapshot"] == 4
    assert retained(program, "cats")
    program.done("tasks", "pick", "cats", 6)
    assert program.contents(f"{TASKS}/cats.safetensors") == last
    program.learn("early", *STEADY, "--steps", 6, "--snapshot-every", 2)
    program.done("tasks", "pick", "early", 2)
    assert tensors_hash(program, "early") == tensors_hash(program, "short")


def test_a_lengthened_pretraining_is_what_a_run_of_that_length_trains(newcomer: "Program") -> None:
    small = ("--resolution", 16, "--channels", 16, "--latent", 16, "--mapping-layers", 2, "--batch", 4, "--decay", 0)
    command = ("pretrain", "--data", "data", *small, "--feature-weight", 0)
    newcomer.done(*command, "--kimg", 0.02, "--workspace", "whole")
    newcomer.done(*command, "--kimg", 0.012)
    newcomer.done("pretrain", "--data", "data", "--resume", "--kimg", 0.02)
    shown = [
        json.loads(newcomer.done("base", "show", "--json", "--workspace", workspace).stdout)
        for workspace in ("whole", "lfsgan_workspace")
    ]
    assert shown[0]["identity"] == shown[1]["identity"]
    assert shown[1]["training"]["lengthened"] == [{"kimg": 0.012, "at": 0.012}]


def test_other_data_with_as_many_images_is_refused(unfinished: "Program") -> None:
    path = unfinished.folder / "data/00.png"
    path.write_bytes(unfinished.contents("dogs/00.png"))
    line = unfinished.refused("pretrain", "--data", "data", "--resume")
    assert "--data holds other images than the run began with" in line


def test_the_best_generator_is_the_one_whose_samples_are_nearest(program: "Program") -> None:
    torch.manual_seed(0)
    generator = build_generator(NetworkConfig(16, {4: 16, 8: 16, 16: 16}, 16, 2))
    best = Best(ImageDataset(open_source(Path("data")), 16), 0, torch.device("cpu"))
    best.look(generator, 10)
    kept = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    with torch.no_grad():
        for parameter in generator.synthesis.parameters():
            parameter.mul_(4)  # saturated samples
    best.look(generator, 20)
    assert best.step == 10
    assert best.distances[20] > 2 * best.distances[10]
    again = Best(best.images, 0, torch.device("cpu"))
    again.unpack(best.pack())
    assert again.distances == best.distances
    assert all(torch.equal(again.state[name], tensor) for name, tensor in kept.items())


def test_comparisons_are_rare_and_none_in_a_short_run() -> None:
    assert look_every(62_500) * 24 >= 31_250
    assert look_every(400) * 2 > 400
