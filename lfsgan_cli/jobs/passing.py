"""Learning that passes through shorter learning: 3,002 steps whose rates never fall have been 1,000 on their way."""

from __future__ import annotations

from collections.abc import Sequence

from lfsgan_cli.jobs.suite import Method


def longest_first(methods: Sequence[Method]) -> list[Method]:
    """In the given order, but that a method whose learning passes through others' comes before all of these."""

    def place(method: Method) -> tuple[int, int]:
        family = [at for at, other in enumerate(methods) if other.passes(method) or method.passes(other)]
        return min([methods.index(method), *family]), -method.way.training.steps

    return sorted(methods, key=place)
