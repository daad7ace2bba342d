"""What a user says again along with `--resume`: it must be what the run was begun with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli import options, registry
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.runfolder import ChangedPlanError, differing, flag
from lfsgan_cli.jobs.warmstart import check_same
from lfsgan_cli.option_types import spell
from lfsgan_cli.pictures.dataset import load_shots
from lfsgan_cli.training.config import CHOSEN, recorded
from lfsgan_cli.workspace import Workspace


class OtherShotsError(LfsganError):
    """Pictures that are not those of the run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the pictures in {str(path)!r} are not those that this run began with: leave --images out to go on with "
            "its own, or start again with --overwrite instead of --resume"
        )


@dataclass(frozen=True)
class Repeated:
    """What the user gives along with `--resume`, to be compared with what the run was begun with.

    flags: by options of their own, and settings: by `-t`, both under the names of the plan and its training; pairs: of
    `-o`; images: the few shots.
    """

    flags: Mapping[str, Any]
    settings: Mapping[str, Any]
    pairs: Sequence[str]
    images: Path | None

    def check_settings(self, adapter: str, config: Mapping[str, Any], training: Mapping[str, Any]) -> None:
        """ChangedPlanError where a setting or an option of the adapter differs; training: with `Plan.start`."""
        known = {"init_from": None, **recorded(training), "adapter": adapter}
        changes = differing(known, _said(self.flags), flag) | differing(known, _said(self.settings), "-t {}".format)
        if self.flags.get("adapter", adapter) == adapter:  # another adapter's options are not comparable
            changes |= differing(config, _read_pairs(adapter, config, self.pairs), "-o {}".format)
        if changes:
            raise ChangedPlanError(changes)

    def check_shots(self, identity: str | None, resolution: int) -> None:
        """OtherShotsError where the pictures differ."""
        if self.images is not None and load_shots(self.images, resolution).identity != identity:
            raise OtherShotsError(self.images)

    def check_start(self, workspace: Workspace, name: str, sha256: str | None) -> None:
        """OtherStartError where the task that is repeated with --init-from was learned anew, but by this run."""
        source = self.flags.get("init_from")
        if source not in {None, name}:
            check_same(workspace, source, sha256)


def _read_pairs(adapter: str, config: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """The values that `pairs` name; all others are as they were, and so is what none leaves to the network's size."""
    named = {pair.partition("=")[0].strip() for pair in pairs}
    others = [f"{key}={spell(value)}" for key, value in config.items() if key not in named]
    values = options.to_json(options.parse(registry.load(adapter).Config, [*others, *pairs]))
    return {key: value for key, value in values.items() if key in named and value is not None}


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that leave the choice to the program: a run goes on with what was chosen when it began."""
    return {key: value for key, value in values.items() if value not in (CHOSEN, None)}
