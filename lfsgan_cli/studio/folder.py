"""The page's own folder in a workspace: uploads, thumbnails, the queue and logs; and what tells a changed file."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("studio")  # in a workspace; removing it loses uploads that no task was learned from yet
DRAFTS, THUMBS, LOGS, QUEUE = FOLDER / "drafts", FOLDER / "thumbs", FOLDER / "logs", FOLDER / "queue.json"

Stamp = tuple[int, int] | None  # of a file: when it was changed, in nanoseconds, and its size; None where it is not


def stamp(path: Path) -> Stamp:
    """What changes when a file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
