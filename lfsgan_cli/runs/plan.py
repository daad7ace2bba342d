"""What a run is asked to do, and the one comparison of two such plans: for `--resume`, `--init-from`, finished runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.options import spell

_SHOWN = 12  # characters of a hash in a message


class ChangedPlanError(LfsganError):
    """A resumed run that was asked for with other settings."""

    def __init__(self, changes: Mapping[str, tuple[object, object]]) -> None:
        out = "it" if len(changes) == 1 else "these"
        super().__init__(
            f"--resume continues with the run's own settings, but {worded(changes)}: leave {out} out, or start again "
            "with --overwrite instead of --resume"
        )


class AlreadyPassedError(LfsganError):
    """A new end that the run has passed."""

    def __init__(self, end: str, asked: float, done: float) -> None:
        super().__init__(
            f"{end} is {asked:g}, and the run has already done {done:g}: pass {done:g} or more, or leave it out"
        )


class NoCheckpointError(LfsganError):
    """A finished run that cannot be lengthened."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is finished, and its last checkpoint was not kept, so that it cannot be lengthened; "
            "start again with --overwrite instead of --resume"
        )


class Plan(ABC):
    """What a run trains: all that its result depends on.

    END: the one setting that a resumed run may change, to any end that it has not passed.
    """

    END: ClassVar[str]

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """All of it, each value under the words that pass it on the command line: `--batch`, `-t mixing`, `-o rank`.

        Data is there as its identity, a hash.
        """

    @property
    @abstractmethod
    def steps(self) -> int:
        """Optimizer steps of the whole run."""

    @abstractmethod
    def at(self, done: int) -> float:
        """Finished steps in the unit of `END`."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; each plan's `from_json` is the way back."""

    @abstractmethod
    def lengthened_to(self, other: Self, done: int) -> Self:
        """This plan with the end of another one; `done` finished steps are recorded beside the end that was planned."""

    def differences(self, other: Plan, *, only: str = "") -> dict[str, tuple[Any, Any]]:
        """Settings that differ, with this plan's value and the other's. only: of those whose names begin so."""
        ours, theirs = self.settings, other.settings
        found = {
            name: (ours.get(name), theirs.get(name))
            for name in dict.fromkeys([*ours, *theirs])
            if name.startswith(only) and ours.get(name) != theirs.get(name)
        }
        if "--adapter" in found:  # options of two adapters cannot be compared
            found = {name: change for name, change in found.items() if not name.startswith("-o ")}
        return found

    def changes(self, usual: Self) -> list[str]:
        """The options whose values are not those of the usual plan, as they are written on the command line."""
        values, defaults = self.settings, usual.settings
        changed = {flag: spell(value) for flag, value in values.items() if value != defaults[flag]}
        return [f"{flag}{'=' if flag.startswith(('-t ', '-o ')) else ' '}{value}" for flag, value in changed.items()]

    def resumed_as(self, asked: Self, done: int) -> Self:
        """The plan of a run that resumes after `done` steps as the user asks for it.

        ChangedPlanError where `asked` differs in more than the end, AlreadyPassedError where that end has passed.
        """
        changes = self.differences(asked)
        end = changes.pop(self.END, None)
        if changes:
            raise ChangedPlanError(changes)
        if end is None:
            return self
        if asked.steps < done:
            raise AlreadyPassedError(self.END, end[1], self.at(done))
        return self.lengthened_to(asked, done)


def worded(changes: Mapping[str, tuple[object, object]]) -> str:
    """Differences of two plans in words, for a message."""
    return ", ".join(_worded(name, *change) for name, change in changes.items())


def _worded(name: str, was: object, now: object) -> str:
    if name in {"--images", "--data"}:
        return f"{name} holds other images than the run began with ({str(was)[:_SHOWN]}…, now {str(now)[:_SHOWN]}…)"
    return f"{name} was {spell(was)}, now {spell(now)}"


def flag(key: str) -> str:
    """How a setting is passed by an option of its own."""
    return f"--{key.replace('_', '-')}"


class ImportedTaskError(LfsganError):
    """A task that was not learned here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"task {name!r} was imported or mixed, not learned here, so that there is no run to resume")


class SourceAdapterError(LfsganError):
    """A task to start from whose tensors are of another kind."""

    def __init__(self, name: str, adapter: str, wanted: str) -> None:
        super().__init__(
            f"--init-from {name}: that task was learned with --adapter {adapter}, this one is to be learned with "
            f"{wanted}; pass --adapter {adapter}, or a task learned with {wanted}"
        )


class SourceOptionsError(LfsganError):
    """A task to start from whose tensors have other shapes or another meaning."""

    def __init__(self, name: str, changes: Mapping[str, tuple[object, object]]) -> None:
        same = " ".join(f"{key}={spell(was)}" for key, (was, _) in changes.items())
        super().__init__(
            f"--init-from {name} continues with that task's own options, but {worded(changes)}; pass {same}, "
            "or leave --init-from out"
        )


class ChangedImagesError(LfsganError):
    """A run whose own copies of the images were changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the images in {str(path)!r} were changed since the run began; "
            "start again with --images and --overwrite instead of --resume"
        )


class OtherBaseError(LfsganError):
    """A run that began on another base."""

    def __init__(self, name: str, began: str, now: str) -> None:
        super().__init__(
            f"learning {name!r} began on the base {began[:12]}…, but this workspace has {now[:12]}… now: "
            "bring that base back, or start again with --overwrite instead of --resume"
        )


class BaseInTrainingError(LfsganError):
    """A workspace that will have a base of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"the base of {str(root)!r} is not trained to its end: finish it with `lfsgan pretrain --resume`, "
            "or learn the task in another --workspace"
        )


class OtherStartError(LfsganError):
    """A task to start from that was learned anew since."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"task {name!r} is not the one that this run started from, it was learned anew since: leave --init-from "
            "out to resume, or start again with --overwrite instead of --resume"
        )
