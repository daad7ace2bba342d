"""Metrics: pure functions of features or pictures, one family a file."""
