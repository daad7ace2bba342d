"""Gives damaged files to every reader, in a process that may die of it.

python -m tests.fuzz.worker FOLDER FIRST COUNT takes what `samples.prepare` put into FOLDER, and prints a line of JSON
for every file that is done; before each it writes to FOLDER/now which one is at work.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import damaged
from tests.fuzz.readers import ALLOWED, Reader, place, readers
from tests.fuzz.watching import MEMORY, TIMES, Peak, Watch, judged, limit_memory

LIMIT = 3 << 30  # bytes that the process may take at all, so that a leak of it does not take the machine along


def main(folder: Path, first: int, count: int) -> None:
    """Read the files `first` … in turn."""
    samples = {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}
    tried, watch = readers(folder), Watch(ALLOWED)
    for name, data in sorted(samples.items()):  # whatever is imported late is imported now
        if "malicious" not in name and "deep" not in name:
            _with_file(place(folder, name), data, tried[name.partition(" ")[0]], None, name)
    limit_memory(LIMIT)
    for index in range(first, first + count):
        name, change, data = damaged(samples, index)
        path = place(folder, name)
        label = f"{index}: {name}, {change}"
        (folder / "now").write_text(label)
        outcome = _with_file(path, data, tried[name.partition(" ")[0]], watch, label)
        seen, watch.seen = watch.seen, []
        print(json.dumps({"file": index, "group": name.partition(" ")[0], **outcome, "executed": seen}), flush=True)


def _with_file(path: Path, data: bytes, tried: dict[str, Reader], watch: Watch | None, label: str) -> dict[str, Any]:
    path.write_bytes(data)
    verdicts, failures, slowest, peak = {}, [], 0.0, 0
    for reader, read in tried.items():
        begun = time.monotonic()
        with Peak() as memory:
            if watch is None:
                verdict, said = judged(read, path)
            else:
                with watch.over(reader):
                    verdict, said = judged(read, path)
        verdicts[reader] = verdict
        slowest, peak = max(slowest, time.monotonic() - begun), max(peak, memory.taken)
        if verdict == "failed":
            failures.append(f"{label}, {reader}: {said}")
        if memory.taken > max(MEMORY, TIMES * len(data)):
            failures.append(f"{label}, {reader}: took {memory.taken:,} bytes for a file of {len(data):,}")
    path.unlink()
    return {"verdicts": verdicts, "failures": failures, "seconds": slowest, "memory": peak}


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
