"""What the scripts of this folder print; each runs in a process of its own, since it forks."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def told(script: str, *arguments: object) -> list[str]:
    """The lines on stdout of a script that finds nothing wrong."""
    command = [sys.executable, "-m", f"tests.reliability.{script}", *map(str, arguments)]
    end = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
    return end.stdout.splitlines()
