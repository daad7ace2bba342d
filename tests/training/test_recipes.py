"""The public recipe stands by itself: a new default here leaves it as it was."""

from dataclasses import fields

from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import PAPER

# What the eight steps of that code in the golden numbers do not tell, or test_paper.py replaces. Of train.py and
# train_lfsgan's options at 17c12f7, as the notes on the public code have them: batch 4, four times as many latents for
# mode seeking, style mixing 0.9, pictures flipped, fresh noise in the features that are compared, the live generator
# trained on, LPIPS-VGG, float32 throughout; 3,002 steps at 0.002, R1 10 every 16, path lengths 2 every 4.
UNTOLD = {
    "steps": 3002, "batch": 4, "lr": 0.002, "d_lr": 0.002, "mapping_rate": 1.0, "decay": 0.0,
    "mirror": True, "mixing": 0.9, "shift": 0.0, "r1_gamma": 10.0, "r1_every": 16, "path_weight": 2.0, "path_every": 4,
    "trained_on": "live", "seeking_batch": 16, "seeking_noise": "random", "seeking_every": 1, "average_steps": 0.0,
    "likeness": "auto", "precision": "fp32",
}  # fmt: skip

# The user's own choices, and settings of what the recipe switches off.
LEFT_OPEN = {
    "seed",
    "anchor_candidates",  # anchors=random
    "anchor_focus",  # anchor_weight=0
    "coverage_temperature",  # coverage_weight=0
    "correspondence_every",  # correspondence_weight=0
}


def test_the_public_recipe_has_the_public_codes_settings_where_no_golden_number_tells() -> None:
    assert {name: PAPER.training[name] for name in UNTOLD} == UNTOLD


def test_the_public_recipe_says_all_that_it_learns_by() -> None:
    assert {field.name for field in fields(LearnConfig)} - PAPER.training.keys() == LEFT_OPEN
