"""Tasks are shown, renamed, removed, downloaded and imported as the commands do it."""

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.studio.conftest import Page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program


def test_a_task_is_shown_with_its_picture(page: Page) -> None:
    text = page.get("/").text
    assert "cats" in text
    assert "3 steps" in text
    answer = page.get("/tasks/cats/thumbnail.png")
    assert answer.content.startswith(b"\x89PNG")
    stored = [path.read_bytes() for path in page.root.joinpath("studio/thumbs").iterdir()]
    assert stored == [answer.content]
    assert page.get("/tasks/cats").status_code == 200
    assert page.get("/tasks/cats/samples").text.count("data:image/png") == 16


def test_a_task_is_renamed_removed_and_imported(page: Page) -> None:
    file = page.get("/tasks/cats/file")
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''cats.safetensors"
    assert page.post("/tasks/cats/rename", data={"name": "Kätzchen 2"}).status_code == 303
    assert "Kätzchen 2" in page.get("/").text
    assert page.post("/tasks/Kätzchen 2/remove").status_code == 303
    assert "Kätzchen" not in page.get("/").text
    assert [path.name for path in page.root.glob("trash/*/*.safetensors")] == ["Kätzchen 2.safetensors"]
    answer = page.post("/import", files={"file": ("cats.safetensors", file.content)})
    assert answer.headers["location"] == "/tasks/cats"
    assert (page.root / "tasks/cats.safetensors").read_bytes() == file.content
    again = page.post("/import", files={"file": ("cats.safetensors", file.content)})
    assert again.status_code == 409
    assert "choose another" in again.text


def test_a_file_that_is_no_task_of_this_base_is_refused_by_its_name(page: Page, tmp_path: "Path") -> None:
    before = page.tree()
    damaged = bytearray(page.get("/tasks/cats/file").content)
    damaged[-1] ^= 1
    base = (page.root / "base.safetensors").read_bytes()
    for name, data in {"new.safetensors": bytes(damaged), "b.safetensors": base, "c.pt": b"no", "d.txt": b"no"}.items():
        answer = page.post("/import", files={"file": (name, data)})
        assert answer.status_code == 422
        assert name in answer.text
        assert "/tmp" not in answer.text  # noqa: S108
    assert page.tree() == before


def test_a_thousand_tasks_are_shown_page_by_page(page: Page, learned: "Program") -> None:
    file = page.root / "tasks/cats.safetensors"
    for index in range(1000):
        shutil.copy(file, file.with_name(f"t{index:04}.safetensors"))
    first = page.get("/")
    assert first.elapsed.total_seconds() < 5
    assert first.text.count('class="card"') == 48
    assert "1 of 21" in first.text
    assert page.get("/?q=t0999").text.count('class="card"') == 1
    assert page.get("/explore").status_code == 200


def test_a_damaged_task_takes_nothing_else_away(page: Page) -> None:
    (page.root / "tasks/bad.safetensors").write_bytes(b"no")
    text = page.get("/").text
    assert "bad cannot be shown" in text
    assert 'href="/tasks/cats"' in text


def test_an_empty_workspace_shows_the_way(page: Page) -> None:
    shutil.rmtree(page.root)
    text = page.get("/").text
    assert "Learn the first task" in text
    assert page.get("/explore/images?n=8").text.count("data:image/png") == 8  # of the embedded base
    assert not page.root.exists()


def test_a_snapshot_is_picked_as_the_command_does(page: Page, learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs", "--steps", 4, "--snapshot-every", 2, "-o", "rank=1")
    text = page.get("/tasks/dogs/snapshots").text
    assert text.count("data:image/png") == 16
    snapshot = (page.root / "tasks/dogs/snapshots/step000002.safetensors").read_bytes()
    assert page.post("/tasks/dogs/pick", data={"step": "2"}).status_code == 303
    assert (page.root / "tasks/dogs.safetensors").read_bytes() == snapshot
    assert page.post("/tasks/dogs/pick", data={"step": "3"}).status_code == 422
    learned.done("tasks", "verify", "dogs")


@pytest.mark.parametrize("path", ["/", "/learn", "/explore", "/tasks/cats", "/nowhere"])
def test_every_page_has_a_title_one_heading_and_a_way_past_the_head(page: Page, path: str) -> None:
    text = page.get(path).text
    assert "<title>" in text
    assert text.count("<h1") == 1
    assert 'href="#main"' in text
