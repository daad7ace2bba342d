"""Bytes on disk: written whole or not at all, read without traps (no torch)."""
