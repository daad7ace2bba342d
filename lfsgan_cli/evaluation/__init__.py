"""Measures pictures: what looks at them, the sets that are compared, and whether a task is kept."""
