"""Dropped images are what training sees, and a task that the page learns is the command's, byte for byte."""

import io
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.images.dataset import load_images
from lfsgan_cli.images.framing import Framing
from tests.studio.conftest import Page, commands

if TYPE_CHECKING:
    from tests.conftest import Program


def draft_of(page: Page, *files: Path) -> str:
    answer = page.upload(*files)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).rpartition("/")[2]


def squares(page: Page, draft: str) -> list[np.ndarray]:
    """The images as the page shows them, in order."""
    text = page.get(f"/learn/{draft}").text
    found = re.findall(rf'src="(/learn/{draft}/images/\w+\.png)', text)
    return [np.asarray(Image.open(io.BytesIO(page.get(address).content))) for address in found]


def keys(page: Page, draft: str) -> list[str]:
    return re.findall(r'id="remove-(\w+)"', page.get(f"/learn/{draft}").text)


@pytest.fixture
def photos(learned: "Program") -> list[Path]:
    """Images as people have them: not square, turned by EXIF, transparent, of several formats, one twice."""
    folder = learned.folder / "photos"
    folder.mkdir()
    noise = Image.effect_noise((40, 24), 90).convert("RGB")
    noise.save(folder / "b wide.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    noise.save(folder / "c turned.jpg", exif=turned)
    see_through = noise.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(noise.size))
    see_through.save(folder / "a transparent.png")
    noise.convert("L").save(folder / "Z grey.tif")
    shutil.copy(folder / "b wide.jpg", folder / "d copy.jpg")
    return sorted(folder.iterdir(), reverse=True)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_images_are_shown_as_training_will_see_them(page: Page, photos: list[Path], fit: str) -> None:
    draft = draft_of(page, *photos)
    assert page.post(f"/learn/{draft}/fit", data={"fit": fit}).status_code == 303
    wanted = load_images(photos[0].parent, 16, Framing(fit))  # type: ignore[arg-type]
    shown = squares(page, draft)
    assert len(shown) == len(photos)
    assert all((one == other).all() for one, other in zip(shown, wanted.pictures, strict=True))


def test_the_page_says_what_the_command_says_of_the_images(page: Page, photos: list[Path], learned: "Program") -> None:
    text = page.get(f"/learn/{draft_of(page, *photos)}").text
    result = learned.done("learn-task", "--images", photos[0].parent, "--name", "new", "--dry-run")
    said = [line.removeprefix("Warning: ") for line in result.stderr.splitlines()]
    line = next(one for one in said if one.startswith("Using 5 images"))
    copies = next(one for one in said if "a copy of another one" in one)
    assert line in text
    assert f"{copies}." in text
    assert "blended with white" in text


def test_a_zip_is_unpacked_and_its_bad_files_are_named(page: Page, learned: "Program") -> None:
    file = learned.folder / "mixed.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(learned.folder.joinpath("cats").iterdir()):
            archive.write(path, f"inner/{path.name}")
        archive.writestr("inner/cut.png", learned.contents("cats/00.png")[:50])
        archive.writestr("notes.txt", "no image")
    answer = page.post("/learn/images", files={"files": (file.name, file.read_bytes())}, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert "inner/cut.png: cut off" in answer.text
    assert "notes.txt: not an image" in answer.text
    assert answer.text.count("as training will see it") == 5


def test_an_image_can_be_removed_and_its_crop_moved(page: Page, photos: list[Path]) -> None:
    draft = draft_of(page, *photos)
    names = [path.name for path in sorted(photos)]
    wide = keys(page, draft)[names.index("b wide.jpg")]
    before = squares(page, draft)[names.index("b wide.jpg")]
    assert page.post(f"/learn/{draft}/images/{wide}/crop", data={"at": "0"}).status_code == 303
    shown = squares(page, draft)[names.index("b wide.jpg")]
    with Image.open(next(path for path in photos if path.name == "b wide.jpg")) as image:
        left = image.convert("RGB").crop((0, 0, 24, 24)).resize((16, 16), Image.Resampling.LANCZOS)
    assert (shown == np.asarray(left)).all()
    assert (shown != before).any()
    assert page.post(f"/learn/{draft}/images/{wide}/remove").status_code == 303
    assert wide not in keys(page, draft)
    assert page.post(f"/learn/{draft}/images/{wide}/remove").status_code == 404


def test_one_image_or_copies_of_it_cannot_be_learned(page: Page, learned: "Program") -> None:
    file = learned.folder / "cats/00.png"
    draft = draft_of(page, file, file)
    text = page.get(f"/learn/{draft}").text
    assert "at least 2 different images" in text
    answer = page.post("/learn/start", data={"name": "new", "draft": draft})
    assert answer.status_code == 400
    assert not (page.root / "tasks" / "new").exists()


@pytest.mark.parametrize("name", ["cats", "base", "a/b", "", "x.png"])
def test_a_name_that_is_taken_or_cannot_be_is_refused_before_anything_starts(
    page: Page, learned: "Program", name: str
) -> None:
    draft = draft_of(page, *sorted(learned.folder.joinpath("dogs").iterdir()))
    assert page.post("/learn/start", data={"name": name, "draft": draft}).status_code in {400, 409}
    assert page.server.jobs.names() == []


def test_the_time_of_every_recipe_is_estimated(page: Page) -> None:
    text = page.get("/learn/estimates").text
    assert re.fullmatch(r"quick about [\w ]+, default about [\w ]+, best about [\w ]+ on this machine\.", text.strip())


def test_images_far_from_what_the_base_draws_are_warned_of_and_its_own_samples_are_not(
    page: Page, learned: "Program", photos: list[Path]
) -> None:
    samples = learned.folder / "samples"
    learned.done("generate", "cats", "--with-base", "-n", 12, "--outdir", samples)
    near, far = draft_of(page, *sorted(samples.glob("base/seed*.png"))), draft_of(page, *photos)
    assert page.get(f"/learn/{near}/gap").text.strip() == ""
    assert "unlike what the base" in page.get(f"/learn/{far}/gap").text


def test_the_command_says_what_the_form_says(page: Page, learned: "Program") -> None:
    draft = draft_of(page, *sorted(learned.folder.joinpath("dogs").iterdir()))
    page.post(f"/learn/{draft}/fit", data={"fit": "pad"})
    text = page.get(f"/learn/command?draft={draft}&name=two words&recipe=quick").text
    (words,) = commands(text)
    assert words[0] == "learn-task"
    assert words[words.index("--name") + 1] == "two words"
    assert words[words.index("--recipe") + 1] == "quick"
    assert words[words.index("--fit") + 1] == "pad"
    assert "--no-mirror" in words
    assert "--recipe" not in page.get(f"/learn/command?draft={draft}&mirror=1").text
    assert page.get("/learn/command?name=two&recipe=quick").status_code == 404


def test_a_task_learned_by_the_page_is_the_commands_byte_for_byte(page: Page, learned: "Program") -> None:
    """And so is one whose shown command is pasted into a shell."""
    images = sorted(learned.folder.joinpath("dogs").iterdir(), reverse=True)
    draft = draft_of(page, *images)
    answer = page.post("/learn/start", data={"name": "dogs", "draft": draft, "steps": "12", "mirror": "1"})
    assert answer.headers["location"] == "/runs/dogs"
    file = page.root / "tasks" / "dogs.safetensors"
    page.wait(lambda: file.exists() and "dogs" not in page.server.jobs.running())
    assert page.get("/runs/dogs", follow_redirects=False).headers["location"] == "/tasks/dogs"
    shutil.copytree(page.root, learned.folder / "other", ignore=shutil.ignore_patterns("tasks", "studio"))
    learned.done("learn-task", "--images", "dogs", "--name", "dogs", "--steps", 12, "--workspace", "other")
    assert learned.contents("other/tasks/dogs.safetensors") == file.read_bytes()


def test_old_uploads_are_removed_and_those_of_waiting_runs_stay(
    page: Page, learned: "Program", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lfsgan_cli.studio.drafts.MAX_DRAFTS", 2)
    images = sorted(learned.folder.joinpath("dogs").iterdir())
    drafts = [draft_of(page, *images) for _ in range(4)]
    assert [page.get(f"/learn/{draft}").status_code for draft in drafts] == [404, 200, 200, 200]
