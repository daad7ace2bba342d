"""In which number type feature maps are computed; weights, styles and regularizers stay in single precision."""

from __future__ import annotations

import torch

from lfsgan_cli.precision_names import Choice, Precision

LEAST_SIDE = 128  # pixels; below it a few minutes' run gains little (docs/performance.md)


def choose(choice: Choice, device: torch.device, side: int) -> Precision:
    """What is meant for pictures of `side` pixels: `auto` takes bf16 where the device multiplies it directly."""
    if choice != "auto":
        return choice
    return "bf16" if side >= LEAST_SIDE and _multiplies_bf16(device) else "fp32"


def dtype_of(precision: Precision, own: torch.dtype) -> torch.dtype:
    """The type of the feature maps in a network whose weights are of the type `own`: that one, or bfloat16."""
    return {"fp32": own, "bf16": torch.bfloat16}[precision]


def _multiplies_bf16(device: torch.device) -> bool:
    match device.type:
        case "cpu":
            # The public `get_capabilities` came with a later torch than the oldest that is supported.
            return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case _:
            return False
