"""The public recipe stands by itself: a new default here leaves it as it was."""

from lfsgan_cli.options import describe
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipe_settings import PAPER

# What the eight steps of that code in the golden numbers do not tell, or test_paper.py replaces. Of train.py and
# train_lfsgan's options at 17c12f7, as the notes on the public code have them: batch 4, four times as many latents for
# mode seeking, style mixing 0.9, images flipped, fresh noise in the features that are compared, the live generator
# trained on, LPIPS-VGG, float32 throughout; 3,002 steps at 0.002, R1 10 every 16, path lengths 2 every 4.
UNTOLD = {
    "steps": 3002,
    "batch": 4,
    "lr": 0.002,
    "discriminator.lr": 0.002,
    "optim.mapping_lr_scale": 1.0,
    "optim.noise_lr_scale": 1.0,
    "optim.decay": 0.0,
    "mirror": True,
    "mixing": 0.9,
    "discriminator.shift": 0.0,
    "discriminator.r1_gamma": 10.0,
    "discriminator.r1_every": 16,
    "path_weight": 2.0,
    "path_every": 4,
    "generator": "raw",
    "mode_seeking.batch": 16,
    "mode_seeking.noise": "random",
    "mode_seeking.every": 1,
    "optim.ema_steps": 0.0,
    "perceptual": "auto",
    "precision": "fp32",
}

# The user's own choices, and settings of what the recipe switches off.
LEFT_OPEN = {
    "seed",
    "anchors.candidates",  # anchors.kind=random
    "anchors.focus",  # anchors.weight=0
    *(f"augment.{name}" for name in ("p", "target", "rise", "most")),  # augment.mode=none
}


def test_the_public_recipe_has_the_public_codes_settings_where_no_golden_number_tells() -> None:
    assert {name: PAPER.training[name] for name in UNTOLD} == UNTOLD


def test_the_public_recipe_says_all_that_it_learns_by() -> None:
    assert {field.name for field in describe(LearnConfig)} - PAPER.training.keys() == LEFT_OPEN
