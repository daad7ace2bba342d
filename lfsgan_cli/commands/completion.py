"""What a shell proposes after Tab: names of tasks, adapters, recipes and bases, found without torch."""

from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError

Proposals = list[str]


def task_names(ctx: Any, incomplete: str) -> Proposals:
    """The tasks of the workspace that the command line names; none where there is no workspace."""
    from lfsgan_cli.workspace import paths

    root = ctx.params.get("workspace") or Path("lfsgan_workspace")
    try:
        return _starting(paths.task_names(Path(root).expanduser()), incomplete)
    except (LfsganError, OSError, RuntimeError):  # a shell has no use for an error in the middle of a line
        return []


def adapter_names(incomplete: str) -> Proposals:
    """The installed adapters."""
    from lfsgan_cli import registry

    return _starting(registry.names(), incomplete)


def base_files(incomplete: str) -> Proposals:
    """Files that may be bases, here and in the workspaces beside; folders as well, to go on from."""
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    try:
        inside = [path for path in folder.expanduser().iterdir() if not path.name.startswith(".")]
    except (OSError, RuntimeError):
        return []
    files = [path for path in inside if path.suffix == ".safetensors"]
    bases = [path / "base.safetensors" for path in inside if (path / "base.safetensors").is_file()]
    return _starting([str(path) for path in [*files, *bases]], incomplete)


def _starting(names: Any, incomplete: str) -> Proposals:
    return sorted(name for name in names if name.startswith(incomplete))
