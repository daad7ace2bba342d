"""Tasks shared on a stand-in of the Hub; the real one, and its storage of large files, are not tested."""

import base64
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli import open_workspace
from lfsgan_cli.io.remote import ExistsError
from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.publish import plan_push
from lfsgan_cli.workspace.remote import remote_at
from tests.conftest import Program
from tests.remote.conftest import free_port

pytestmark = pytest.mark.hub

HERE = Path("lfsgan_workspace")


def repository(url: str) -> Any:
    """The store of a repository."""
    return remote_at(url).store


def read(url: str, path: str) -> bytes:
    data = repository(url).read(path)
    assert data is not None, path
    return bytes(data)


def test_a_shared_task_has_thumbnail_grid_and_card(learned: Program, hub: str) -> None:
    line = {"metric": "fid", "name": "fid[pixels-16] n=9 reals=5", "value": 4.5}
    HERE.joinpath("tasks/cats/metrics.jsonl").write_text(json.dumps(line) + "\n")
    learned.done("tasks", "push", "cats", hub, "--license", "cc0-1.0")
    card = read(hub, "README.md").decode()
    front = card.split("---\n")[1]
    for words in ("license: cc0-1.0", "library_name: lfsgan", "- stylegan2"):
        assert words in front
    identity = open_workspace(HERE).base().identity
    for words in (
        "# cats", "images/cats.png", "| steps | 3 |", "| training images | 5 |",
        r"| fid\[pixels-16\] n=9 reals=5 | 4.5 |", identity, "cc0-1.0",
        f"lfsgan generate --workspace {hub} --task cats",
    ):  # fmt: skip
        assert words in card, words
    grid = Image.open(io.BytesIO(read(hub, "images/cats.png")))
    assert min(grid.size) > 4 * 16
    learned.done("tasks", "verify", "--workspace", hub)  # the thumbnail is in the header, and the header is sealed
    copy = remote_at(hub).fetch(["cats"]) / "tasks/cats.safetensors"
    kind, _, data = read_header(copy).metadata["modelspec.thumbnail"].partition(",")
    assert kind == "data:image/jpeg;base64"
    thumbnail = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (256, 256))
    ours, theirs = task_file.TaskFile.open(HERE / "tasks/cats.safetensors"), task_file.TaskFile.open(copy)
    assert ours.info == theirs.info
    assert ours.sha256 == theirs.sha256


def test_equal_pushes_have_equal_bytes_and_a_pulled_task_is_pushed_as_it_is(learned: Program, hub: str) -> None:
    learned.done("tasks", "push", "cats", hub, "--license", "mit")
    first = read(hub, "tasks/cats.safetensors")
    learned.done("tasks", "push", "cats", hub, "--license", "mit", "--overwrite")
    assert read(hub, "tasks/cats.safetensors") == first
    learned.done("tasks", "pull", hub, "--workspace", "new")
    assert learned.contents("new/tasks/cats.safetensors") == first
    learned.done("tasks", "push", "cats", f"{hub}-again", "--license", "mit", "--workspace", "new")
    assert read(f"{hub}-again", "tasks/cats.safetensors") == first


def test_an_address_stands_where_a_task_file_does(learned: Program, hub: str) -> None:
    learned.done("tasks", "push", "cats", hub, "--license", "mit")
    learned.done("tasks", "import", hub, "--name", "lions", "--workspace", "new")
    learned.done("tasks", "verify", "--workspace", "new")
    learned.done("generate", hub, "-n", 2, "--outdir", "there")
    learned.done("generate", "cats", "-n", 2, "--outdir", "here")
    learned.done("generate", "lions", "-n", 2, "--outdir", "new-ones", "--workspace", "new")
    here = np.asarray(Image.open("here/cats/seed0001.png"))
    assert np.array_equal(here, np.asarray(Image.open("there/cats/seed0001.png")))
    assert np.array_equal(here, np.asarray(Image.open("new-ones/lions/seed0001.png")))


def test_a_file_of_ours_is_imported_with_the_base_from_beside_it(learned: Program) -> None:
    learned.done("tasks", "import", HERE / "tasks/cats.safetensors", "--name", "lions", "--workspace", "new")
    assert learned.contents("new/tasks/lions.safetensors") == learned.contents(HERE / "tasks/cats.safetensors")
    assert learned.contents("new/base.safetensors") == learned.contents(HERE / "base.safetensors")


def test_without_its_base_an_imported_file_names_it(learned: Program) -> None:
    Path("alone.safetensors").write_bytes(learned.contents(HERE / "tasks/cats.safetensors"))
    line = learned.refused("tasks", "import", "alone.safetensors", "--name", "lions", "--workspace", "new")
    assert "task 'cats' needs its base 'data'" in line
    assert "lfsgan base import FILE" in line
    refused = learned.refused("tasks", "import", HERE / "base.safetensors", "--name", "lions", "--workspace", "new")
    assert "holds a base, not a task" in refused


@pytest.mark.parametrize("entry", [True, False], ids=["the entry", "the card"])
def test_a_base_that_is_published_elsewhere_is_found_by(entry: bool, learned: Program, hub: str) -> None:
    learned.done("tasks", "push", "cats", f"{hub}-base", "--license", "mit")
    learned.done("tasks", "push", "cats", hub, "--license", "mit", "--base", f"{hub}-base")
    assert repository(hub).stat("base.safetensors") is None
    assert f"base_model: {hub.removeprefix('hf://')}-base" in read(hub, "README.md").decode()
    if not entry:
        repository(hub).publish("index/cats.json", b"", lambda _etags: {}, new=False)
    learned.done("tasks", "import", hub, "--name", "lions", "--workspace", "new")
    assert learned.contents("new/base.safetensors") == learned.contents(HERE / "base.safetensors")


def test_a_card_of_somebody_s_own_stays(learned: Program, hub: str) -> None:
    learned.done("tasks", "push", "cats", hub, "--license", "mit")
    repository(hub).publish("README.md", b"# My cats\n", lambda _etags: {}, new=False)
    again = learned.done("tasks", "push", "cats", hub, "--license", "mit", "--overwrite")
    assert "stays as it is" in again.stderr
    assert read(hub, "README.md") == b"# My cats\n"


def test_pushes_at_once_are_all_there_and_one_name_is_given_once(learned: Program, hub: str) -> None:
    learned.done("tasks", "push", "cats", hub, "--license", "mit")
    names = [*(f"task-{n}" for n in range(5)), "same", "same"]
    for name in names:
        HERE.joinpath(f"tasks/{name}.safetensors").write_bytes(learned.contents(HERE / "tasks/cats.safetensors"))
    pushes = [plan_push(HERE, name, remote_at(hub)) for name in names]
    barrier = threading.Barrier(len(pushes))

    def run(number: int) -> bool:
        barrier.wait()
        try:
            pushes[number].run()
        except ExistsError:
            return False
        return True

    with ThreadPoolExecutor(len(pushes)) as pool:
        assert sum(pool.map(run, range(len(pushes)))) == len(pushes) - 1
    [listing] = remote_at(hub).pages()
    assert [task.name for task in listing.tasks] == sorted({"cats", *names})


def test_wrong_tokens_missing_repositories_and_no_network_are_one_line_each(
    learned: Program, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no such repository" in learned.refused("tasks", "list", "--workspace", hub)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    said = learned("tasks", "push", "cats", hub, "--license", "mit")
    assert (said.exit_code, len(said.stderr.splitlines())) == (1, 1)
    assert "refuses this access token" in said.stderr
    assert "hf auth login" in said.stderr
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert "the Hub cannot be reached" in learned.refused("tasks", "verify", "cats", "--workspace", hub)
