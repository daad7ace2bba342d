"""The public recipe stands by itself: a new default here leaves it as it was."""

from dataclasses import fields

from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import PAPER

# The user's own choices, and settings of what the recipe switches off.
LEFT_OPEN = {
    "seed",
    "precision",
    "anchor_candidates",  # anchors=random
    "anchor_focus",  # anchor_weight=0
    "coverage_temperature",  # coverage_weight=0
    "correspondence_every",  # correspondence_weight=0
}


def test_the_public_recipe_says_all_that_it_learns_by() -> None:
    assert {field.name for field in fields(LearnConfig)} - PAPER.training.keys() == LEFT_OPEN
