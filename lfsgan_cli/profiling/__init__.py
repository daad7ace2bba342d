"""Profiling: how fast this machine trains and generates, how near its limits that is, and what the bottleneck is."""
