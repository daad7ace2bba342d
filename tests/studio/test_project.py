"""A dropped photo becomes the latent that `lfsgan project` finds."""

from typing import TYPE_CHECKING

import pytest

from tests.studio.conftest import Page, commands
from tests.studio.test_security import SVG, png

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.mark.slow
def test_the_latent_is_the_commands(page: Page, learned: "Program") -> None:
    photo = learned.contents("dogs/00.png")
    answer = page.post("/project", data={"task": "cats"}, files={"photo": ("dog.png", photo)})
    assert answer.status_code == 303, answer.text
    where = answer.headers["location"]
    name = where.rpartition("/")[2]
    projections = page.server.projections
    page.wait(lambda: projections.find(name).phase != "running")
    text = page.get(where).text
    assert "The nearest image that was found" in text
    latent = page.get(f"{where}/files/latents.npz").content
    words = commands(text)[-1]  # the first is in the note for a server that is gone
    learned.done(*words[: words.index("--outdir")], "--outdir", "projected", "--workspace", page.root)
    assert learned.contents("projected/latents.npz") == latent
    assert page.get(f"{where}/tasks").text.count("data:image/png") == 2  # the base and the task


@pytest.mark.parametrize("data", [SVG, b"", b"no image", png()[:50]])
def test_what_is_no_image_is_not_projected(page: Page, data: bytes) -> None:
    before = page.tree()
    answer = page.post("/project", data={"task": "cats"}, files={"photo": ("x.png", data)})
    assert answer.status_code == 422
    assert page.post("/project", data={"task": "../x"}, files={"photo": ("x.png", png())}).status_code == 400
    assert page.post("/project", data={"task": "nobody"}, files={"photo": ("x.png", png())}).status_code == 404
    assert page.tree() == before


@pytest.mark.parametrize("path", ["/projections/x", "/projections/0123456789abcdef", "/projections/../files/log"])
def test_a_projection_that_is_not_there_is_not_found(page: Page, path: str) -> None:
    for rest in ("", "/live", "/tasks", "/files/target.png", "/files/log", "/files/..%2flog"):
        assert page.get(path + rest).status_code == 404
