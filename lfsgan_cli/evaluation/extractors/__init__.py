"""Frozen networks that turn pictures into features, and where their weights are."""
