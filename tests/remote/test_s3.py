"""A workspace on an S3 server: a real server (moto) on loopback, never the real S3."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli import open_workspace
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.remote import ExistsError
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.manage import rename
from lfsgan_cli.workspace.publish import Push, plan_push
from lfsgan_cli.workspace.remote import remote_at
from tests.conftest import SMALL, Program
from tests.remote.conftest import KEYS, Bucket, cutting, free_port, serving

pytestmark = pytest.mark.s3

HERE = Path("lfsgan_workspace")


def named(names: list[str]) -> None:
    """Copies of the task `cats` under other names."""
    for name in names:
        HERE.joinpath("tasks", f"{name}.safetensors").write_bytes((HERE / "tasks/cats.safetensors").read_bytes())


def at_once(pushes: list[Push]) -> list[Exception | None]:
    """Run several pushes that begin at the same moment; what each ended with."""
    barrier = threading.Barrier(len(pushes))

    def run(push: Push) -> Exception | None:
        barrier.wait()
        try:
            push.run()
        except LfsganError as error:
            return error
        return None

    with ThreadPoolExecutor(len(pushes)) as pool:
        return list(pool.map(run, pushes))


def test_a_pushed_task_is_listed_shown_verified_and_sampled_as_the_local_one(learned: Program, bucket: Bucket) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    assert bucket.keys() == ["base.safetensors", "index/cats.json", "tasks/cats.safetensors"]
    assert bucket.read("tasks/cats.safetensors") == learned.contents(HERE / "tasks/cats.safetensors")
    there = ("--workspace", bucket.url)
    assert learned.done("tasks", "list", *there).stdout == learned.done("tasks", "list").stdout
    here = json.loads(learned.done("tasks", "list", "--json").stdout)["tasks"]
    assert json.loads(learned.done("tasks", "list", "--json", *there).stdout)["tasks"] == here
    assert learned.done("tasks", "show", "cats", *there).stdout == learned.done("tasks", "show", "cats").stdout
    assert learned.done("tasks", "verify", *there).stdout == learned.done("tasks", "verify").stdout
    learned.done("generate", "--task", "cats", "-n", 3, "--outdir", "here")
    learned.done("generate", "-n", 3, "--outdir", "there", *there)  # the only task that is there
    assert learned.tree("here").keys() == {path.replace("there", "here", 1) for path in learned.tree("there")}
    assert all(
        learned.contents(f"here/cats/seed000{n}.png") == learned.contents(f"there/cats/seed000{n}.png")
        for n in range(3)
    )


def test_what_was_fetched_is_fetched_again_only_when_it_was_replaced(learned: Program, bucket: Bucket) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    remote = remote_at(bucket.url)
    first = remote.fetch(["cats"]) / "tasks/cats.safetensors"
    before = first.stat()
    assert (remote_at(bucket.url).fetch(["cats"]) / "tasks/cats.safetensors").stat() == before
    learned.learn("cats", "--steps", 1, "--overwrite")
    learned.done("tasks", "push", "cats", bucket.url, "--overwrite")
    assert remote_at(bucket.url).fetch(["cats=0.5"]) == remote.folder  # a blend names it, too
    assert first.read_bytes() == learned.contents(HERE / "tasks/cats.safetensors")


def test_a_damaged_local_copy_is_fetched_again(learned: Program, bucket: Bucket) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    copy = remote_at(bucket.url).fetch(["cats"]) / "tasks/cats.safetensors"
    copy.write_bytes(b"damaged")
    learned.done("tasks", "verify", "--workspace", bucket.url)


def test_of_two_who_push_one_name_one_is_refused(learned: Program, bucket: Bucket) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    for name in ("a", "b", "c"):
        named([name])
        plans = [plan_push(HERE, name, remote_at(bucket.url)) for _ in range(2)]  # both see that the name is free
        ends = at_once(plans)
        assert [type(end) for end in ends if end is not None] == [ExistsError], ends
    assert "pass --overwrite" in learned.refused("tasks", "push", "cats", bucket.url)


def test_with_overwrite_the_last_one_stays_and_the_listing_is_of_its_file(learned: Program, bucket: Bucket) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    first = plan_push(HERE, "cats", remote_at(bucket.url), overwrite=True)
    learned.learn("cats", "--steps", 4, "--overwrite")
    second = plan_push(HERE, "cats", remote_at(bucket.url), overwrite=True)
    assert at_once([first, second, first, second]) == [None] * 4
    stays = bucket.read("tasks/cats.safetensors")
    assert stays in (first.data, second.data)
    bucket.write("index/cats.json", json.dumps(second.entry | {"etags": ["of another file"]}).encode())
    [listed] = remote_at(bucket.url).pages()
    assert [task.steps for task in listed.tasks] == [3 if stays == first.data else 4]


def test_ten_pushes_at_once_are_all_listed(learned: Program, bucket: Bucket) -> None:
    names = [f"task-{n}" for n in range(10)]
    named(names)
    learned.done("tasks", "push", "cats", bucket.url)
    assert at_once([plan_push(HERE, name, remote_at(bucket.url)) for name in names]) == [None] * 10
    [listing] = remote_at(bucket.url).pages()
    assert [task.name for task in listing.tasks] == ["cats", *names]
    assert listing.unreadable == {}


def test_ten_first_pushes_at_once_agree_on_one_base(learned: Program, bucket: Bucket) -> None:
    names = [f"task-{n}" for n in range(10)]
    named(names)
    assert at_once([plan_push(HERE, name, remote_at(bucket.url)) for name in names]) == [None] * 10
    assert bucket.read("base.safetensors") == learned.contents(HERE / "base.safetensors")


def test_a_listing_is_made_of_the_index_and_not_of_the_headers(learned: Program, bucket: Bucket) -> None:
    line = {"metric": "fid", "name": "fid[pixels-16] n=9", "value": 4.5}
    HERE.joinpath("tasks/cats/metrics.jsonl").write_text(json.dumps(line) + "\n")
    learned.done("tasks", "push", "cats", bucket.url)
    assert "4.50 pixels-16" in learned.done("tasks", "list", "--workspace", bucket.url).stdout  # in no header


def test_a_file_that_another_program_put_there_is_listed_from_its_header(learned: Program, bucket: Bucket) -> None:
    bucket.write("tasks/copied.safetensors", learned.contents(HERE / "tasks/cats.safetensors"))
    bucket.write("tasks/broken.safetensors", b"broken")
    bucket.write("tasks/copied/run.json", b"{}")
    bucket.write("index/copied.json", b'{"format": "lfsgan-entry/1", "etags": [')
    [listing] = remote_at(bucket.url).pages()
    assert [(task.name, task.steps) for task in listing.tasks] == [("copied", 3)]
    assert list(listing.unreadable) == ["broken"]


@pytest.mark.parametrize("after", [4_000, 15_000])
def test_a_connection_cut_in_the_middle_of_a_push_leaves_nothing_visible(
    after: int, learned: Program, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, s3_server: str
) -> None:
    bucket.write("base.safetensors", learned.contents(HERE / "base.safetensors"))
    with cutting(s3_server, after) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        assert "cannot be reached" in learned.refused("tasks", "push", "cats", bucket.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    assert bucket.keys() == ["base.safetensors"]
    learned.done("tasks", "push", "cats", bucket.url)  # nothing is in the way of the next one


def test_a_connection_cut_in_the_middle_of_a_download_leaves_no_file(
    learned: Program, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, s3_server: str
) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    with cutting(s3_server, 1 << 40, answered=15_000) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        with pytest.raises(LfsganError, match="cannot be reached"):
            remote_at(bucket.url).fetch()
    assert not [path for path in remote_at(bucket.url).folder.rglob("*") if path.is_file()]
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    learned.done("tasks", "verify", "--workspace", bucket.url)


def test_pages_have_every_task_once(learned: Program, bucket: Bucket) -> None:
    named([f"task-{n:03}" for n in range(60)])
    bucket.write("base.safetensors", learned.contents(HERE / "base.safetensors"))
    for path in sorted(HERE.joinpath("tasks").glob("*.safetensors")):
        bucket.write(f"tasks/{path.name}", path.read_bytes())
    for number in range(5):  # no tasks
        bucket.write(f"tasks/cats-{number}.txt", b"notes")
    names, cut = [], ""
    while True:
        said = json.loads(
            learned.done("tasks", "list", "--json", "--limit", 25, "--after", cut, "--workspace", bucket.url).stdout
        )
        names += [task["name"] for task in said["tasks"]]
        if "cut" not in said:
            break
        cut = said["cut"]
    assert names == ["cats", *(f"task-{n:03}" for n in range(60))]
    assert [len(page.tasks) for page in remote_at(bucket.url).pages()] == [50, 11]


def test_a_pulled_task_brings_its_base_and_keeps_every_byte(learned: Program, bucket: Bucket) -> None:
    named(["dogs"])
    learned.done("tasks", "push", "cats", "dogs", bucket.url)
    assert "several tasks: cats, dogs; name one" in learned.refused("tasks", "pull", bucket.url, "--workspace", "new")
    learned.done("tasks", "pull", "cats", bucket.url, "--workspace", "new")
    for file in ("base.safetensors", "tasks/cats.safetensors"):
        assert learned.contents(f"new/{file}") == learned.contents(HERE / file)
    assert "is learned already" in learned.refused("tasks", "pull", "cats", bucket.url, "--workspace", "new")
    learned.done("tasks", "pull", "--all", bucket.url, "--workspace", "new", "--overwrite")
    learned.done("tasks", "verify", "--workspace", "new")
    learned.done("tasks", "import", f"{bucket.url}/tasks/dogs.safetensors", "--name", "hounds", "--workspace", "new")
    assert sorted(open_workspace("new").tasks()) == ["cats", "dogs", "hounds"]


def test_tasks_of_two_bases_do_not_meet(learned: Program, bucket: Bucket) -> None:
    learned.done("tasks", "push", "cats", bucket.url)
    learned.done("pretrain", "--data", "data", *SMALL, "--kimg", 0.004, "--seed", 5, "--workspace", "other")
    line = learned.refused("tasks", "pull", "cats", bucket.url, "--workspace", "other")
    assert "was learned on base 'data'" in line
    learned.learn("dots", "--workspace", "other", "--steps", 1, "-o", "rank=1")
    assert "push to an address of its own" in learned.refused(
        "tasks", "push", "dots", bucket.url, "--workspace", "other"
    )


WRITING: list[tuple[object, ...]] = [
    ("learn-task", "--images", "cats", "--name", "new"),
    ("pretrain", "--data", "data"),
    ("tasks", "rename", "cats", "dogs"),
    ("tasks", "remove", "cats"),
    ("tasks", "mix", "both", "--task", "cats=1"),
    ("report",),
    ("doctor",),
]


@pytest.mark.parametrize("words", WRITING, ids=lambda words: " ".join(map(str, words[:2])))
def test_what_writes_refuses_a_remote_workspace_with_the_way_out(words: tuple[object, ...], learned: Program) -> None:
    line = learned.refused(*words, "--workspace", "s3://studio/faces")  # no server is asked
    assert "needs a local workspace, and s3://studio/faces is remote" in line
    assert "lfsgan tasks push NAME s3://studio/faces" in line


def test_wrong_credentials_are_one_line(learned: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("tests.remote.s3", INITIAL_NO_AUTH_ACTION_COUNT="0") as (server, _):
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": server}.items():
            monkeypatch.setenv(name, value)
        for words in (("tasks", "push", "cats", "s3://studio"), ("generate", "cats", "--workspace", "s3://studio")):
            line = learned.refused(*words)
            assert "refuses these credentials" in line
            assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in line


def test_missing_credentials_are_one_line(learned: Program, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(learned.folder))
    assert "no usable credentials" in learned.refused("tasks", "list", "--workspace", bucket.url)


def test_no_server_no_bucket_no_workspace_and_no_task_are_one_line_each(
    learned: Program, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask: Callable[..., str] = lambda url, *words: learned.refused(*(words or ("generate", "cats")), "--workspace", url)  # noqa: E731
    assert "there is no bucket 'missing-bucket'" in ask("s3://missing-bucket/faces", "tasks", "list")
    assert f"there is no workspace at {bucket.url}" in ask(bucket.url)
    assert "expected s3://BUCKET/PATH or hf://OWNER/NAME" in ask("hf://me", "tasks", "list")
    learned.done("tasks", "push", "cats", bucket.url)
    assert "there is no task 'cast' (did you mean 'cats'?)" in ask(bucket.url, "generate", "cast")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    assert "the server cannot be reached" in ask(bucket.url)


def test_without_the_extra_the_one_line_names_the_pip_command(tmp_path: Path) -> None:
    for module, extra, url in (("s3fs", "s3", "s3://a/b"), ("huggingface_hub", "hub", "hf://a/b")):
        program = (
            f"import sys; sys.modules[{module!r}] = None; from lfsgan_cli.app import app; "
            f"app(['tasks', 'list', '--workspace', {url!r}])"
        )
        run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 1
        needs = f"{url[:2]}:// needs {module}, which is not installed"
        assert run.stderr == f"Error: {needs}: pip install 'lfsgan[{extra}]'\n"


def test_python_does_what_the_commands_do(learned: Program, bucket: Bucket) -> None:
    here, there = open_workspace(HERE), open_workspace(bucket.url)
    here.push_task("cats", bucket.url)
    assert there.task("cats") == here.task("cats")
    assert [task.name for task in there.list_tasks(limit=1).tasks] == ["cats"]
    for ours, theirs in zip(here.generate("cats", 2), there.generate({"cats": 1.0}, 2), strict=True):
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert isinstance(there.image_grid(None, {"task": "all"}), Image.Image)
    assert there.base().identity == here.base().identity
    with pytest.raises(LfsganError, match="needs a local workspace"):
        there.rename_task("cats", "dogs")
    new = open_workspace("new")
    assert new.pull_task(bucket.url, new="lions") == task_file.read_summary(Path("new/tasks/lions.safetensors"))
    assert all(finding.whole for finding in [*there.verify(), *new.verify()])


def test_a_task_that_is_gone_there_is_gone_from_all_tasks(learned: Program, bucket: Bucket) -> None:
    named(["dogs"])
    learned.done("tasks", "push", "cats", "dogs", bucket.url)
    assert sorted(open_workspace(bucket.url).tasks()) == ["cats", "dogs"]
    bucket.client.delete_object(Bucket=bucket.name, Key="faces/tasks/dogs.safetensors")
    assert sorted(open_workspace(bucket.url).tasks()) == ["cats"]
    rename(HERE, "dogs", "hounds")
    assert [task.name for task in open_workspace(bucket.url).list_tasks().tasks] == ["cats"]
