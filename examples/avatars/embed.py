"""Make the embedded base of a pretrained workspace: python embed.py WORKSPACE OUT.safetensors

Rounds every tensor to fp16, gives the rounded network its identity, and writes it at half the size.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from lfsgan_cli.generation.sampling import mean_w
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base

NAME = "avatars-64-2"


def main(workspace: Path, out: Path) -> None:
    path = workspace / "base.safetensors"
    base = Base.open(path)
    for network in (base.average, base.live, base.discriminator):
        network.half().float()
    base.average.w_mean.copy_(mean_w(base.average).half())
    rounded = replace(base, name=NAME, identity=base_file.identity(base.average))
    base_file.write(out, rounded, base_file.read_summary(path).training, half=True)
    print(f"{out}: {out.stat().st_size:,} bytes, {Base.open(out).identity}")


if __name__ == "__main__":
    with torch.no_grad():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
