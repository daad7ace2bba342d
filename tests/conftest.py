"""Reference numbers, tiny networks, and the program at work on a tiny base, which several tests share."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.rosinality import config_of, discriminator_names, generator_names, rename
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base

# Tiny tensors gain nothing from a second thread, and lose much of the time waiting for it on a busy machine.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the programs that tests start

GOLDEN = Path(os.environ.get("LFSGAN_GOLDEN", Path(__file__).parent / "golden"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `modulator_case` runs for every reference modulator."""
    if "modulator_case" in metafunc.fixturenames:
        cases = json.loads((GOLDEN / "cases.json").read_text())["cases"]
        metafunc.parametrize("modulator_case", cases, ids=[case["case"] for case in cases])


@pytest.fixture(scope="session")
def modulators() -> dict[str, Tensor]:
    return load_file(GOLDEN / "left_modulators.safetensors")


@pytest.fixture(scope="session")
def diversity_cases() -> list[dict[str, Any]]:
    """Distances, and the clusters, I-LPIPS and B-LPIPS that the published evaluation makes of them."""
    cases: list[dict[str, Any]] = json.loads((GOLDEN / "b_lpips.json").read_text())["cases"]
    return cases


@pytest.fixture(scope="session")
def rosinality() -> dict[str, dict[str, Tensor]]:
    """The states `g_ema` and `d`, under rosinality's names."""
    if not (GOLDEN / "rosinality.pt").exists():
        tensors = load_file(GOLDEN / "rosinality.safetensors")
        return {part: under(tensors, f"{part}.") for part in ("g_ema", "d")}
    with torch.serialization.safe_globals([argparse.Namespace]):
        checkpoint: dict[str, Any] = torch.load(GOLDEN / "rosinality.pt", weights_only=True)
    return {part: checkpoint[part] for part in ("g_ema", "d")}


@pytest.fixture(scope="session")
def reference_workspace(
    rosinality: dict[str, dict[str, Tensor]], rosinality_outputs: dict[str, Tensor], tmp_path_factory: Any
) -> Path:
    """A workspace whose base is the reference's generator and discriminator; no test may change it."""
    root: Path = tmp_path_factory.mktemp("reference")
    state = rosinality["g_ema"]
    generator, discriminator = build_generator(config_of(state)), Discriminator(config_of(state))
    generator.load_state_dict(rename(state, generator_names(state)) | {"w_mean": rosinality_outputs["mean_latent"][0]})
    discriminator.load_state_dict(rename(rosinality["d"], discriminator_names(rosinality["d"])))
    base = Base("reference", base_file.identity(generator), generator, generator, discriminator)
    base_file.write(root / "base.safetensors", base, {})
    return root


@pytest.fixture(scope="session")
def rosinality_outputs() -> dict[str, Tensor]:
    return load_file(GOLDEN / "rosinality_outputs.safetensors")


@pytest.fixture(scope="session")
def reference_losses() -> dict[str, Tensor]:
    """Inputs, and results as `out.*`; every floating number in float64."""
    whole = GOLDEN / "losses.safetensors"
    files = [whole] if whole.exists() else sorted(GOLDEN.glob("losses_*.safetensors"))
    tensors = {name: tensor for file in files for name, tensor in load_file(file).items()}
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


PATIENCE = 120  # seconds until another process is given up


@dataclass(frozen=True)
class Program:
    """The program in a folder of its own, which is the current one: every path may be written as a user would.

    It holds images in `data` (twelve), `cats` (five) and `dogs` (four).
    """

    folder: Path

    def __call__(self, *arguments: object) -> Result:
        """Run `lfsgan` with these words; a traceback would end the test."""
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def done(self, *arguments: object) -> Result:
        """Run what must work."""
        result = self(*arguments)
        assert result.exit_code == 0, result.stderr
        return result

    def refused(self, *arguments: object) -> str:
        """Run what must fail: with one line, which is given back, and with nothing left behind, changed or printed."""
        before = self.tree()
        result = self(*arguments)
        lines = result.stderr.splitlines()
        assert result.exit_code in {1, 2}
        assert [line for line in lines if line.startswith("Error: ")] == lines[-1:]
        assert len(lines) == 1 or result.exit_code == 2  # after Typer's own lines on usage
        assert result.stdout == ""
        assert self.tree() == before
        return lines[-1]

    def learn(self, name: str, *options: object) -> Result:
        """Learn a task from the images of `cats` on two steps, if `options` do not say otherwise."""
        defaults = {"--images": "cats", "--steps": 2}
        rest = [word for key, value in defaults.items() if key not in options for word in (key, value)]
        return self.done("learn-task", "--name", name, *rest, *options)

    def stopped(self, *arguments: object, log: str, by: signal.Signals) -> str:
        """Run in a process of its own, and send a signal once the run's log has a line; what was said on stderr."""
        command = [sys.executable, "-m", "lfsgan_cli", *map(str, arguments)]
        process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        give_up = time.monotonic() + PATIENCE
        while not (self.folder / log).exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < give_up
            time.sleep(0.005)
        process.send_signal(by)
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 128 + by, said
        return said

    def contents(self, path: str | Path) -> bytes:
        """What is in a file of the folder."""
        return (self.folder / path).read_bytes()

    def tree(self, root: str = ".") -> dict[str, bytes | None]:
        """All files below a folder with their bytes, and all folders; nothing where there is no such folder."""
        paths = sorted((self.folder / root).rglob("*"))
        return {str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None for path in paths}


SMALL = ("--resolution", 16, "--channels", 16, "--latent", 16, "--mapping-layers", 2, "--batch", 4)  # a tiny base


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images and a workspace with a tiny base, pretrained through the program for ten steps."""
    home = tmp_path_factory.mktemp("home")
    for seed, (name, count) in enumerate({"data": 12, "cats": 5, "dogs": 4}.items()):
        paint(home / name, count, seed)
    with _standing_in(home):
        Program(home).done("pretrain", "--data", "data", *SMALL, "--kimg", 0.04)
    return home


@pytest.fixture(scope="session")
def learned_home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with `cats` learned in three steps at rank 1."""
    home = tmp_path_factory.mktemp("learned") / "home"
    shutil.copytree(tiny_home, home)
    with _standing_in(home):
        Program(home).learn("cats", "--steps", 3, "-o", "rank=1")
    return home


@pytest.fixture
def program(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A workspace with a base and no task."""
    return _moved_in(tiny_home, tmp_path / "home", monkeypatch)


@pytest.fixture
def learned(learned_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A workspace with the task `cats`."""
    return _moved_in(learned_home, tmp_path / "home", monkeypatch)


@pytest.fixture(scope="session")
def begun_home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which learning `new` was interrupted."""
    home = tmp_path_factory.mktemp("begun") / "home"
    shutil.copytree(tiny_home, home)
    # The first line of the log comes after ten steps, which leaves time enough to stop.
    learn = (
        "learn-task",
        "--images",
        "cats",
        "--name",
        "new",
        "--steps",
        30,
        "--batch",
        2,
        "--lr",
        0.002,
        "-o",
        "rank=2",
    )
    Program(home).stopped(*learn, log="lfsgan_workspace/tasks/new/stats.jsonl", by=signal.SIGINT)
    return home


@pytest.fixture
def begun(begun_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A workspace with `new` half learned, at rank 2, from `cats`, 30 steps of 2."""
    return _moved_in(begun_home, tmp_path / "home", monkeypatch)


@pytest.fixture(scope="session")
def unfinished_home(tiny_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which pretraining was interrupted; a base that is not of this workspace beside it."""
    home = tmp_path_factory.mktemp("unfinished") / "home"
    shutil.copytree(tiny_home, home)
    home.joinpath("lfsgan_workspace/base.safetensors").rename(home / "other.safetensors")
    shutil.rmtree(home / "lfsgan_workspace")
    log = "lfsgan_workspace/base/stats.jsonl"
    Program(home).stopped("pretrain", "--data", "data", *SMALL, "--kimg", 0.12, log=log, by=signal.SIGINT)
    return home


@pytest.fixture
def unfinished(unfinished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A workspace with a base half trained on `data`, and some other base as `other.safetensors`."""
    return _moved_in(unfinished_home, tmp_path / "home", monkeypatch)


@pytest.fixture
def newcomer(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Images, and no workspace."""
    program = _moved_in(tiny_home, tmp_path / "home", monkeypatch)
    shutil.rmtree(program.folder / "lfsgan_workspace")
    return program


def paint(folder: Path, count: int, seed: int) -> None:
    """A folder of small images, each a coloured disc on another colour."""
    folder.mkdir(parents=True)
    rng = random.Random(seed)  # noqa: S311 - colours, no secrets
    for index in range(count):
        ground, disc = (tuple(rng.randrange(256) for _ in range(3)) for _ in range(2))
        picture = Image.new("RGB", (20, 20), ground)
        ImageDraw.Draw(picture).ellipse((2, 3, 12 + index % 6, 15), fill=disc)
        picture.save(folder / f"{index:02}.png")


def _moved_in(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    shutil.copytree(home, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LFSGAN_WORKSPACE", raising=False)
    monkeypatch.setenv("LFSGAN_OFFLINE", "1")
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(folder.parent / "cache"))
    return Program(folder)


@contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        patch.delenv("LFSGAN_WORKSPACE", raising=False)
        yield
