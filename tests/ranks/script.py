"""`torchrun … -m tests.ranks.script`: a user's script that generates, measures and trains a base from Python."""

import json
import os
from pathlib import Path

from lfsgan_cli import open_workspace
from lfsgan_cli.evaluation.evaluate import Measurement


def main() -> None:
    """What each process is told, as JSON into the current folder."""
    space = open_workspace("lfsgan_workspace")
    files = space.generate_files("cats", seeds=5, batch=2)
    found = space.evaluate("cats", ["fid"], n=12, batch=5)
    shape = {"resolution": 16, "channels": 16, "latent": 16, "mapping_layers": 2}
    base = open_workspace("other").pretrain("data", batch=8, kimg=0.016, **shape)  # type: ignore[arg-type]
    said = {
        "files": [str(path) for path in files.images],
        "metrics": [one.value.value for one in found if isinstance(one, Measurement)],
        "base": base.identity,
    }
    Path(f"said{os.environ['RANK']}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
