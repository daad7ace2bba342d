"""The images of the page are those of `lfsgan generate`, and its command makes them."""

import base64
import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from starlette.datastructures import QueryParams

from lfsgan_cli.studio.scene import Scene, parse
from tests.studio.conftest import Page, commands

if TYPE_CHECKING:
    from tests.conftest import Program

VIEWS = [
    "task=cats&n=8",
    "task=cats&n=8&truncation=0.5",
    "task=cats&n=8&strength=0.6&noise=const",
    "task=cats&n=8&strength=0.8&coarse=0.5&seed=40",
    "task=cats&task=twin&mode=blend&weight:cats=0.7&weight:twin=0.2&n=8",
    "task=base&task=cats&n=8&truncation=0.7",
]


def pictures(text: str) -> list[Any]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data, _ in found]


@pytest.mark.parametrize("query", VIEWS)
def test_the_images_are_those_of_the_command_that_is_shown(page: Page, learned: "Program", query: str) -> None:
    tasks = page.root / "tasks"
    (tasks / "twin.safetensors").write_bytes((tasks / "cats.safetensors").read_bytes())
    text = page.get(f"/explore/images?{query}").text
    shown = pictures(text)
    (command,) = commands(text)
    assert command[0] == "generate"
    learned.done(*command, "--outdir", "made")
    files = sorted(learned.folder.joinpath("made").glob("*/seed*.png"))
    made = [np.asarray(Image.open(path)) for path in sorted(files, key=lambda path: (path.parent.name != "base", path))]
    assert len(shown) == len(made)
    # Another batch size moves a pixel by one level at most.
    assert max(abs(a.astype(int) - b.astype(int)).max() for a, b in zip(shown, made, strict=True)) <= 1


@pytest.mark.parametrize("query", VIEWS)
def test_an_address_says_all_of_a_view(query: str) -> None:
    scene = parse(QueryParams(f"{query}&pin=3&pin=9"), ["cats"])
    assert parse(QueryParams(scene.query()), []) == scene


def test_without_a_task_the_first_one_is_shown_or_the_base() -> None:
    assert parse(QueryParams(""), ["cats", "dogs"]).tasks == ("cats",)
    assert parse(QueryParams(""), []).tasks == ("base",)


def test_pins_are_shown_first_and_can_be_taken_back(page: Page) -> None:
    text = page.get("/explore/images?task=cats&n=8&pin=3&pin=400").text
    assert text.index("seed 400") < text.index("seed 0")
    assert len(pictures(text)) == 10
    assert "400" not in page.get("/explore/images?task=cats&n=8&pin=3&pin=400&unpin=400").text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("task=nobody", 404), ("task=a/b", 400), ("truncation=9", 400), ("truncation=nan", 400), ("seed=-1", 400),
        ("seed=1e3", 400), ("n=1000000", 400), ("strength=2", 400), ("mode=x", 400), ("mix=x", 400), ("noise=x", 400),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named(page: Page, query: str, status: int) -> None:
    answer = page.get(f"/explore/images?task=cats&{query}" if "task" not in query else f"/explore/images?{query}")
    assert answer.status_code == status
    assert query.partition("=")[2] in answer.text


def test_everything_comes_as_one_zip_as_the_commands_write_it(page: Page, learned: "Program") -> None:
    answer = page.get("/take/everything?task=cats&n=8&pin=1&pin=2")
    assert answer.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = set(archive.namelist())
        learned.done("generate", "--task", "cats", "--seeds", "0-7", "--outdir", "made")
        assert archive.read("images/cats/seed0003.png") == learned.contents("made/cats/seed0003.png")
        assert archive.read("images/grid.png") == learned.contents("made/grid.png")
        assert archive.read("cats.safetensors") == (page.root / "tasks/cats.safetensors").read_bytes()
    assert {"walk.webp", "mix/grid.png"} <= names


def test_a_mix_and_a_walk_are_those_of_their_commands(page: Page, learned: "Program") -> None:
    query = "task=cats&pin=3&pin=5&pin=6&mix=coarse&truncation=0.7"
    shown = page.get(f"/explore/together?{query}").text
    mix, walk = commands(shown)
    learned.done(*mix, "--outdir", "mixed")
    learned.done(*walk)
    assert page.get(f"/take/mix.png?{query}").content == learned.contents("mixed/grid.png")
    assert page.get(f"/take/walk.webp?{query}").content == learned.contents("walk.webp")
    assert page.get("/explore/together?task=cats&pin=3").status_code == 400


def test_a_strength_by_layer_is_a_share_of_the_whole() -> None:
    scene = Scene(("cats",), strength=0.5, layers=(1.0, 0.5, 0.0))
    assert scene.strength_text == "coarse=0.5,middle=0.25,fine=0,mapping=0.5"
