"""Small folders with images and workspaces to run the program in, made through the program."""

import os
import shutil
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import torch

from lfsgan_cli.app import app
from tests.conftest import SMALL, paint
from tests.reliability.forked import done

WORKSPACE = Path("lfsgan_workspace")
# As few latents to choose the anchors among as can be: that takes most of the time of a run so short.
LEARN = ("learn-task", "--images", "cats", "--batch", 2, "-t", "anchors.candidates=1", "-t", "mode_seeking.batch=4")
# A task that the public LFS-GAN code has a form for.
PUBLIC = ("-o", "rank=1", "-o", "gates=hard", "-o", "biases=false", "-o", "crossed=false")


def settle(scratch: Path) -> None:
    """Make this process one whose forks are the program of a user who has set nothing and has no network.

    It learns and generates once itself, so that all that is imported on the way is there.
    """
    os.environ.pop("LFSGAN_WORKSPACE", None)
    os.environ["LFSGAN_OFFLINE"] = "1"
    torch.set_num_threads(1)
    home = newcomer(scratch / "imports")
    place = ("--workspace", home / WORKSPACE, "-q")
    for command in (
        ("pretrain", "--data", home / "data", *SMALL, "--kimg", 0.008, *place),
        ("learn-task", "--images", home / "cats", "--name", "cats", "--steps", 1, *LEARN[3:], *PUBLIC, *place),
        ("generate", "--task", "cats", "-n", 1, "--outdir", home / "out", *place),
        ("tasks", "export", "cats", home / "cats.pt", *place),
        ("tasks", "import", home / "cats.pt", "--name", "dogs", *place),
    ):
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            status = app([str(word) for word in command], standalone_mode=False)
        if status:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {status}")
    shutil.rmtree(home)


def newcomer(home: Path) -> Path:
    """Images, and no workspace."""
    for seed, (name, count) in enumerate({"data": 12, "cats": 5}.items()):
        paint(home / name, count, seed)
    return home


def based(home: Path) -> Path:
    """Images, and a workspace with a tiny base."""
    done(("pretrain", "--data", "data", *SMALL, "--kimg", 0.04), newcomer(home))
    return home


def copied(home: Path, to: Path) -> Path:
    """A home of its own, in place of whatever was there."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to)
    return to
