"""Training as iterators of steps: nothing here prints, and nothing here knows the workspace."""
