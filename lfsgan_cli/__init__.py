"""Lifelong few-shot image generation: one frozen StyleGAN2, one small file for each learned domain."""

import importlib

__version__ = "0.1.0"

# Resolved when they are used, so that `import lfsgan_cli` is at once. `__init__.pyi` has their types.
_PUBLIC = {
    "LfsganError": "lfsgan_cli.errors",
    "OpenWorkspace": "lfsgan_cli.api",
    "open_workspace": "lfsgan_cli.api",
}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
