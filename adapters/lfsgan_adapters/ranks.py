"""What adapters of low rank have in common."""

from __future__ import annotations

MOST_RANK = 1024  # a larger one adds nothing, and a file that claims it would take any memory
