"""What is killed: commands that write, each with a home to run in, what it must leave alone, and how it is finished."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.workspace import checkpoint_file
from tests.conftest import SMALL
from tests.reliability.forked import Moment, done, run
from tests.reliability.homes import LEARN, PUBLIC, WORKSPACE, based, copied, newcomer
from tests.reliability.whole import contents

Command = tuple[object, ...]

NEW = (*LEARN, "--name", "new", "--steps", 3, "--save-every", 0)
RESUME = ("learn-task", "--name", "new", "--resume", "--save-every", 0)
AFTER_A_STEP = Moment(
    24, 0.0, signal.SIGTERM
)  # the training images, the first state and the first image grid are written by then
PRETRAIN = ("pretrain", "--data", "data", *SMALL, "--kimg", 0.012, "--save-every", 0)
IMPORT = ("tasks", "import", "cats.pt", "--name", "new")
REMOVE, RENAME, LIST = ("tasks", "remove", "new"), ("tasks", "rename", "new", "newer"), ("tasks", "list")
GENERATE = ("generate", "--task", "cats", "-n", 6, "--batch", 2)
LOOK = ("generate", "--task", "cats", "-n", 1, "--outdir", "look")


@dataclass(frozen=True)
class Scenario:
    """A command that is killed in a copy of `home`.

    finish: the command that ends what was killed, given the home. look: a command that must work in between.
    """

    name: str
    home: Path
    command: Command
    finish: Callable[[Path], Command]
    look: Command = LOOK


def scenarios(scratch: Path) -> list[Scenario]:
    """All of them, each with its home below `scratch`."""
    fresh, bare, learned = newcomer(scratch / "fresh"), based(scratch / "bare"), _learned(scratch)
    replaced = _after(learned, scratch / "replaced", (*NEW, "--seed", 1))
    other = _after(learned, scratch / "other", (*IMPORT, "--no-activation"))
    drawn = _after(learned, scratch / "drawn", (*GENERATE, "--truncation", 0.5))
    begun = copied(learned, scratch / "begun")
    run(NEW, begun, AFTER_A_STEP)
    if not _begun(begun, "tasks/new"):
        raise AssertionError("learning came to its end before it was interrupted")
    overwrite, show, listed = "--overwrite", ("base", "show"), ("adapters",)
    return [
        Scenario("learn-task", learned, NEW, _learn),
        Scenario("learn-task --overwrite", replaced, (*NEW, overwrite), _learn_over),
        Scenario("learn-task --resume", begun, RESUME, _learn),
        Scenario("pretrain", fresh, PRETRAIN, _pretrain, listed),
        Scenario("pretrain --overwrite", bare, (*PRETRAIN, overwrite), _pretrain, show),
        Scenario("tasks import", learned, IMPORT, lambda _home: (*IMPORT, overwrite)),
        Scenario("tasks import --overwrite", other, (*IMPORT, overwrite), lambda _home: (*IMPORT, overwrite)),
        Scenario("tasks remove", replaced, REMOVE, lambda home: REMOVE if _is_there(home, "new") else LIST),
        Scenario("tasks rename", replaced, RENAME, lambda home: RENAME if _is_there(home, "new") else LIST),
        Scenario("generate", learned, GENERATE, lambda _home: GENERATE),
        Scenario("generate again", drawn, GENERATE, lambda _home: GENERATE),
    ]


def allowed(scenario: Scenario, new: dict[str, bytes]) -> dict[str, set[bytes | None]]:
    """What each file that matters may hold after a kill: the old or the new, and None where it may be missing.

    That is all of a task that is not worked on, every task's file and base, and every image that was generated.
    """
    old = contents(scenario.home)
    return {name: {old.get(name), new.get(name)} for name in old.keys() | new.keys() if _matters(name)}


def _matters(name: str) -> bool:
    own_run = name.startswith((f"{WORKSPACE}/tasks/new/", f"{WORKSPACE}/base/"))
    return not own_run


def _learned(scratch: Path) -> Path:
    """A base, the task `cats`, and the same task in the form of the public code."""
    home = copied(based(scratch / "with-base"), scratch / "learned")
    done((*LEARN, "--name", "cats", "--steps", 2, *PUBLIC), home)
    done(("tasks", "export", "cats", "cats.pt"), home)
    return home


def _after(home: Path, to: Path, command: Command) -> Path:
    done(command, copied(home, to))
    return to


def _begun(home: Path, run_folder: str) -> bool:
    return checkpoint_file.is_unfinished(home / WORKSPACE / run_folder)


def _is_there(home: Path, task: str) -> bool:
    """Whether anything of a task is there."""
    tasks = home / WORKSPACE / "tasks"
    return (tasks / task).exists() or (tasks / f"{task}.safetensors").exists()


def _learn(home: Path) -> Command:
    learned = (home / WORKSPACE / "tasks" / "new.safetensors").exists()
    return RESUME if learned or _begun(home, "tasks/new") else NEW


def _learn_over(home: Path) -> Command:
    return RESUME if _begun(home, "tasks/new") else (*NEW, "--overwrite")


def _pretrain(home: Path) -> Command:
    if _begun(home, "base"):
        return ("pretrain", "--data", "data", "--resume", "--save-every", 0)
    return (*PRETRAIN, "--overwrite")
