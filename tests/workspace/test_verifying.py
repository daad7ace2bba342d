"""Every file of a workspace is checked, whatever is wrong with the others."""

from pathlib import Path

import pytest
import torch

from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.workspace import base_file, task_file
from lfsgan_cli.workspace.base_file import Base, identity
from lfsgan_cli.workspace.locks import hold_tasks
from lfsgan_cli.workspace.manage import verify
from lfsgan_cli.workspace.paths import NoWorkspaceError, UnknownTaskError, run_folder, task_path
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A base, `cats` on it, and `strays` on another."""
    generator = tiny_generator(seed=0)
    base = Base("tiny", identity(generator), generator, generator, Discriminator(generator.config))
    base_file.write(tmp_path / "base.safetensors", base, {})
    (tmp_path / "tasks").mkdir()
    for name, on in (("cats", base.identity), ("strays", "ab" * 32)):
        about = TaskInfo(name, "left", "1", {}, BaseInfo(on, "some base", generator.config.to_json()), {})
        task_file.write(task_path(tmp_path, name), about, {"weights.a": torch.ones(3), task_file.W_MEAN: torch.ones(2)})
    return tmp_path


def states(root: Path, *names: str) -> list[tuple[str | None, str]]:
    return [(finding.task, finding.state) for finding in verify(root, names or None)]


def test_a_task_of_another_base_is_told_with_both_and_where_it_belongs(root: Path) -> None:
    _, cats, strays = verify(root)
    assert (cats.state, cats.why) == ("whole", "")
    assert strays.state == "of another base"
    assert strays.why.startswith("it was learned on base 'some base' (abababababab…), not ")
    assert strays.why.endswith("move it to that base's workspace, or learn it here")


def test_a_damaged_base_still_says_which_it_is(root: Path) -> None:
    path = root / "base.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert states(root) == [(None, "damaged"), ("cats", "whole"), ("strays", "of another base")]


def test_without_its_header_a_base_says_nothing_and_tasks_are_checked_all_the_same(root: Path) -> None:
    (root / "base.safetensors").write_bytes(b"no base")
    assert states(root, "strays") == [(None, "damaged"), ("strays", "whole")]


def test_a_file_of_a_name_that_no_task_can_have_is_one_finding_among_others(root: Path) -> None:
    (root / "tasks" / "a b\x1b.safetensors").write_bytes(b"")
    assert ("a b\x1b", "damaged") in states(root)


def test_the_record_may_come_after_the_file(root: Path) -> None:
    run_folder(root, "cats").mkdir()
    (run_folder(root, "cats") / "retention.json").write_text('{"file_sha256": "that of the file before"}')
    assert states(root, "cats") == [(None, "whole"), ("cats", "damaged")]
    with hold_tasks(root, "cats"):
        assert states(root, "cats") == [(None, "whole"), ("cats", "whole")]


@pytest.mark.parametrize("record", ["", "{", "[]", '{"file_sha256": 3}', "\ud800".encode("utf-8", "surrogatepass")])
def test_a_record_that_says_nothing_is_none(root: Path, record: str | bytes) -> None:
    run_folder(root, "cats").mkdir()
    content = record if isinstance(record, bytes) else record.encode()
    (run_folder(root, "cats") / "retention.json").write_bytes(content)
    assert ("cats", "whole") in states(root)


def test_an_empty_workspace_has_nothing_to_check(tmp_path: Path) -> None:
    assert states(tmp_path) == []


def test_a_mistyped_name_is_refused_before_the_first_file_is_read(root: Path) -> None:
    with pytest.raises(UnknownTaskError, match="did you mean 'cats'"):
        verify(root, ["cast"])
    with pytest.raises(NoWorkspaceError):
        verify(root / "nowhere")
