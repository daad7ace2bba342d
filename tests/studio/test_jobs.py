"""One run at a time; it outlives the server, and another server finds it, stops it and resumes it."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lfsgan_cli.studio.jobs import NICE, BusyError, Jobs, Order
from lfsgan_cli.workspace.locks import held_tasks
from lfsgan_cli.workspace.manage import TaskExistsError
from lfsgan_cli.workspace.paths import UnknownTaskError
from tests.studio.conftest import Page
from tests.studio.test_learn import draft_of

if TYPE_CHECKING:
    from tests.conftest import Program


def jobs_of(page: Page) -> Jobs:
    """Those that another server on this workspace would see."""
    return Jobs(page.root, ["--workspace", str(page.root)])


def test_a_run_outlives_its_server_and_is_found_stopped_and_resumed_by_the_next(page: Page, learned: "Program") -> None:
    draft = draft_of(page, *sorted(learned.folder.joinpath("dogs").iterdir()))
    page.post("/learn/start", data={"name": "long", "draft": draft, "steps": "60000"})
    page.post("/learn/start", data={"name": "next", "draft": draft, "steps": "2"})
    assert page.server.jobs.job("next").phase == "queued"
    assert "after long" in page.get("/runs/next").text
    page.wait(lambda: page.server.jobs.job("long").done >= 10)
    holder = held_tasks(page.root)["long"]
    assert holder is not None
    assert os.getpriority(os.PRIO_PROCESS, holder.pid) == NICE
    for group in Path("/proc").glob(f"{holder.pid}/autogroup"):  # where Linux shares the processors among sessions
        assert group.read_text("ascii").endswith(f" nice {NICE}\n")
    text = page.get("/runs/long").text
    assert "of 60,000" in text
    assert 'aria-label="discriminator from' in text

    other = jobs_of(page)  # the first one is killed, say
    found = other.job("long")
    assert (found.phase, found.total) == ("running", 60000)
    assert [order.name for order in other.queue] == ["next"]
    with pytest.raises(BusyError):
        other.submit(Order("long"))
    page.server.jobs.cancel("next")
    other.cancel("next")
    other.stop("long")
    page.wait(lambda: other.job("long").phase == "stopped")
    done = other.job("long").done
    assert 10 <= done < 60000
    page.wait(lambda: page.server.jobs.job("long").phase == "stopped")  # its process takes a moment to end
    assert "Resume" in page.get("/runs/long").text
    assert page.post("/runs/long/resume").status_code == 303
    page.wait(lambda: page.server.jobs.job("long").done > done)
    page.post("/runs/long/stop")
    page.wait(lambda: page.server.jobs.job("long").phase == "stopped")
    page.server.jobs.tick()
    assert jobs_of(page).running() == {}


def test_a_run_of_the_command_line_is_found(begun: "Program") -> None:
    jobs = Jobs(begun.folder / "lfsgan_workspace", [])
    assert jobs.names() == ["new"]
    assert (jobs.job("new").phase, jobs.job("new").total) == ("stopped", 30)


@pytest.mark.slow
def test_a_run_that_fails_says_why(page: Page, learned: "Program") -> None:
    draft = draft_of(page, *sorted(learned.folder.joinpath("dogs").iterdir()))
    blocker = page.root / "tasks" / "new"
    blocker.write_text("a file where the run's folder goes")
    page.post("/learn/start", data={"name": "new", "draft": draft, "steps": "2"})
    page.wait(lambda: not page.server.jobs.job("new").active)
    job = page.server.jobs.job("new")
    assert (job.phase, job.again) == ("failed", True)
    assert job.message.startswith("Error: ")
    blocker.unlink()
    assert page.post("/runs/new/again").status_code == 303
    page.wait(lambda: page.server.jobs.job("new").phase == "finished")


def test_what_is_no_run_is_refused(page: Page) -> None:
    jobs = page.server.jobs
    with pytest.raises(TaskExistsError):
        jobs.submit(Order("cats"))
    with pytest.raises(UnknownTaskError):
        jobs.submit(Order("nobody"))
    with pytest.raises(UnknownTaskError):
        jobs.job("nobody")
    with pytest.raises(BusyError):
        jobs.stop("cats")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"orders": 1}',
        '{"orders": [{"name": "../x", "draft": "", "recipe": "quick", "mirror": true, "own_steps": null}]}',
    ],
)
def test_a_queue_that_is_damaged_or_planted_is_left_out(page: Page, text: str) -> None:
    (page.root / "studio").mkdir(exist_ok=True)
    (page.root / "studio" / "queue.json").write_text(text)
    assert jobs_of(page).queue == []


def test_no_other_process_is_ever_signalled(page: Page) -> None:
    """A lock's file that names a process, but is not held, is nobody's run."""
    with subprocess.Popen(["sleep", "60"]) as bystander:
        locks = page.root / ".locks"
        locks.mkdir(exist_ok=True)
        word = {"pid": bystander.pid, "host": os.uname().nodename, "command": "lfsgan learn-task", "since": "x"}
        (locks / "task-x.lock").write_text(f"\n{json.dumps(word)}")
        assert page.post("/runs/x/stop").status_code == 409
        assert bystander.poll() is None
        bystander.send_signal(signal.SIGKILL)
