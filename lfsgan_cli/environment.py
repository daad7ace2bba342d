"""Settings that torch reads once, when it is imported; whatever the user has set stands."""

import os

SETTINGS = {
    # Large pages: on a CPU, page faults cost more than many an operation on fresh memory.
    "THP_MEM_ALLOC_ENABLE": "1",
    # What a Mac's GPU cannot do yet, such as the gradient of a distance, is done on its CPU.
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
}


def prepare() -> None:
    """Call before torch is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
