"""python -m tests.fuzz [FILES [FIRST]]: gives damaged files to every reader, and prints what became of them."""

import sys
import tempfile
from pathlib import Path

from tests.fuzz.running import fuzz
from tests.fuzz.samples import prepare


def main(files: int, first: int) -> int:
    """Print the figures that SECURITY.md quotes; 1 where anything is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        found = fuzz(Path(folder), first, files)
    for group, count in sorted(found.files.items()):
        print(f"{group:12} {count:6,} files")
    for verdict in ("read", "refused", "failed"):
        print(f"{verdict:12} {sum(n for (_, said), n in found.verdicts.items() if said == verdict):6,} times")
    print(f"{'in all':12} {sum(found.files.values()):6,} files, {len(found.died)} of them ended the process")
    print(f"slowest reader {found.seconds:.1f} s, peak memory {found.memory / 1e6:.0f} MB beyond the process's own")
    print(f"{len(found.executed)} forbidden events, {len(found.outside)} files outside, {len(found.failures)} failures")
    for line in (*found.died, *found.failures, *found.executed, *found.outside):
        print(f"! {line}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [10_000, 0][len(numbers) :])))
