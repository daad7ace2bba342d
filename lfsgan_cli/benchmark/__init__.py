"""Suites of methods and tasks: planned, run, measured, and their results kept line by line."""
