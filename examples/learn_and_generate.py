"""Learn a task from a folder, then write sixteen images: python learn_and_generate.py FOLDER [STEPS]."""

import sys
from pathlib import Path

from lfsgan_cli import open_workspace

workspace = open_workspace("lfsgan_workspace")
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
for step in workspace.iter_learn_task("example", sys.argv[1], steps=steps):
    print(f"\r{step.done}/{step.total}", end="", file=sys.stderr)
Path("out").mkdir(exist_ok=True)
for seed, image in enumerate(workspace.generate("example", seeds=16)):
    image.save(f"out/seed{seed:04}.png")
