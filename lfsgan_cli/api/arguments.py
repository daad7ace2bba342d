"""The arguments that the Python API shares, and the workspace that its methods work on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.remote import Address

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.generation.sampling import SamplingOptions
    from lfsgan_cli.workspace.blend import LayerStrength
    from lfsgan_cli.workspace.remote import RemoteWorkspace
    from lfsgan_cli.workspace.workspace import Workspace

PathLike: TypeAlias = str | Path
# The name of a task; or a blend, as `{"sketch": 0.6, "babies": 0.4}` or in one string as the commands take it.
Task: TypeAlias = str | Mapping[str, float]
# For all layers; or for some, as `{"coarse": 1, "middle": 0.5}` or in one string as the commands take it.
Strength: TypeAlias = float | str | Mapping[str, float]


class CallError(LfsganError):
    """Arguments that contradict each other, or that are missing."""


class SamplingArguments(TypedDict, total=False):
    """Keyword arguments that say how images are sampled; what is left out is as in `lfsgan generate`."""

    truncation: float
    strength: Strength
    noise: Literal["seed", "const", "none"]


class Opened:
    """A folder that is a workspace, or becomes one, or the address of a remote one; and a device."""

    def __init__(self, workspace: Path, device: str) -> None:
        self._workspace, self.device = workspace, device
        self._address = Address.parse(workspace)

    def __repr__(self) -> str:
        return f"open_workspace({str(self._address or self._workspace)!r}, device={self.device!r})"

    @property
    def root(self) -> Path:
        """The folder; ReadOnlyError where the workspace is remote."""
        if self._address is not None:
            from lfsgan_cli.workspace.paths import ReadOnlyError

            raise ReadOnlyError(str(self._address), "this")
        return self._workspace

    @property
    def _remote(self) -> RemoteWorkspace | None:
        from lfsgan_cli.workspace.remote import RemoteWorkspace

        return None if self._address is None else RemoteWorkspace(self._address)

    def _folder(self, tasks: Iterable[str] | None = (), *, base: bool = True) -> Path:
        """The folder to read from; of a remote workspace a local copy with the base and these tasks, all for None."""
        remote = self._remote
        return self._workspace if remote is None else remote.fetch(tasks or (), every=tasks is None, base=base)

    def _place(self, *, there: bool = False, root: Path | None = None) -> Workspace:
        """The workspace, which must be `there` or not; read anew, since a base may have been put there.

        root: where to read it; None where it is worked in, so that it cannot be remote.
        """
        from lfsgan_cli.workspace.workspace import check_workspace, workspace_at

        folder = self.root if root is None else root
        return check_workspace(folder) if there else workspace_at(folder)

    def _pick(self) -> torch.device:
        from lfsgan_cli.system.device import pick

        return pick(self.device)


def path_of(path: PathLike) -> Path:
    """`~` is the home folder."""
    return Path(path).expanduser()


def task_text(task: Task) -> str:
    """A task or blend as the commands take it."""
    return task if isinstance(task, str) else ",".join(f"{name}={weight!r}" for name, weight in task.items())


def tasks_text(tasks: Task | Sequence[Task]) -> list[str]:
    """One task or several, as the commands take them."""
    return [task_text(tasks)] if isinstance(tasks, str | Mapping) else list(map(task_text, tasks))


def strength_text(strength: Strength) -> str:
    """A strength as the commands take it."""
    if isinstance(strength, str):
        return strength
    return task_text(strength) if isinstance(strength, Mapping) else repr(strength)


def strength_of(strength: Strength) -> float | LayerStrength:
    """A strength as the verbs take it; LayersError."""
    from lfsgan_cli.workspace.blend import parse_strength

    return float(strength) if isinstance(strength, int | float) else parse_strength(strength_text(strength))


def sampling_options(options: Mapping[str, Any], noise: str = "seed") -> SamplingOptions:
    """The options of `SamplingArguments` with their defaults; StrengthError."""
    from lfsgan_cli.generation.sampling import SamplingOptions

    known = {key: options[key] for key in SamplingArguments.__annotations__ if key in options}
    strength = strength_of(known.pop("strength", 1.0))
    return SamplingOptions(**{"truncation": 1.0, "noise": noise, **known}, strength=strength)
