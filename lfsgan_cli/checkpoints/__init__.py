"""Checkpoints of other programs: recognised by their content, read without running anything, written back."""
