"""Every command of docs/generation.md works, on a base of 64×64 pixels that is small and knows nothing."""

import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Program

PAGE = Path(__file__).parent.parent / "docs" / "generation.md"
BASE = ("--resolution", 64, "--channels", 16, "--latent", 16, "--mapping-layers", 2, "--batch", 4, "--kimg", 0)


def commands() -> list[list[str]]:
    """The words of every command line of the page, without the name of the program."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```console\n")[1:]]
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_every_command_of_the_page_works(newcomer: Program) -> None:
    newcomer.done("pretrain", "--data", "data", *BASE)
    for task in ("cats", "dogs"):
        newcomer.learn(task, "--images", task, "--adapter", "lora", "-o", "rank=1", "--steps", 1, "--batch", 2)
    Image.open(newcomer.folder / "cats/00.png").save(newcomer.folder / "photo.png")
    for words in commands():
        more = ["--steps", "8"] if words[0] == "project" else []
        newcomer.done(*words, *more)
    for path in ("out/grid.png", "walk.webp", "tasks.gif", "frames/frame0000.png", "projected/latents.npz"):
        assert newcomer.folder.joinpath(path).is_file()
    assert newcomer.folder.joinpath("photo/dogs/latent0000.png").is_file()
