"""Settings that cannot be trained with are refused by name."""

import json
import math
from typing import Any

import pytest

from lfsgan_cli import options
from lfsgan_cli.training.config import LearnConfig, PretrainConfig, TrainingConfigError


@pytest.mark.parametrize(
    ("config", "changed", "words"),
    [
        (LearnConfig, {"steps": 0}, "steps is 0: expected at least 1"),
        (LearnConfig, {"batch": 0}, "batch is 0"),
        (LearnConfig, {"lr": -0.1}, "lr is -0.1"),
        (LearnConfig, {"lr": math.nan}, "lr is nan"),
        (LearnConfig, {"lr": math.inf}, "lr is inf: expected at least 0, and finite"),
        (LearnConfig, {"optim.decay": 1.1}, "optim.decay is 1.1: expected at most 1"),
        (LearnConfig, {"discriminator.shift": 0.6}, "discriminator.shift is 0.6: expected at most 0.5"),
        (LearnConfig, {"path_every": 0}, "path_every is 0"),
        (LearnConfig, {"discriminator.shift": -0.1}, "discriminator.shift is -0.1"),
        (LearnConfig, {"anchors.candidates": -1}, "anchors.candidates is -1"),
        (LearnConfig, {"anchors.weight": -1.0}, "anchors.weight is -1.0"),
        (LearnConfig, {"anchors.focus": -1.0}, "anchors.focus is -1.0"),
        (LearnConfig, {"mode_seeking.batch": 1}, "mode_seeking.batch is 1: expected at least 2"),
        (LearnConfig, {"mode_seeking.pairs": "all"}, "mode_seeking.pairs is 'all': expected one of members, first"),
        (
            LearnConfig,
            {"anchors.kind": "random", "anchors.inversion_steps": 9},
            "anchors.inversion_steps 9 and anchors",
        ),
        (LearnConfig, {"anchors.kind": "random"}, "anchors.weight 30.0: expected 0 for both, or anchors.kind=relative"),
        (LearnConfig, {"anchors.candidates": 10**12}, "anchors.candidates is 1000000000000: expected at most 1000000"),
        (LearnConfig, {"mode_seeking.epsilon": 0.0}, "mode_seeking.epsilon is 0.0: expected at least 1e-12"),
        (LearnConfig, {"perceptual": "eye"}, "perceptual is 'eye': expected one of auto, efficientnet-lite0, vgg"),
        (LearnConfig, {"seed": 2**32}, "seed is 4294967296: expected at most 4294967295"),
        (PretrainConfig, {"seed": 2**32}, "seed is 4294967296: expected at most 4294967295"),
        (PretrainConfig, {"precision": "fp8"}, "precision is 'fp8': expected one of auto, fp32, bf16"),
        (PretrainConfig, {"batch": 0}, "batch is 0"),
        (PretrainConfig, {"kimg": math.inf}, "kimg is inf"),
        (PretrainConfig, {"mixing": 1.5}, "mixing is 1.5: expected at most 1"),
        (PretrainConfig, {"kimg": -1.0}, "kimg is -1.0"),
        (PretrainConfig, {"r1_gamma": -1.0}, "r1_gamma is -1.0"),
    ],
)
def test_a_setting_out_of_range_is_named(config: type[Any], changed: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingConfigError, match=words):
        options.changed(config(), changed)


@pytest.mark.parametrize("config", [LearnConfig(), PretrainConfig()])
def test_settings_survive_json(config: LearnConfig | PretrainConfig) -> None:
    assert options.from_json(type(config), json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(("kimg", "batch", "steps"), [(1, 16, 63), (0.016, 16, 1), (0.017, 16, 2), (0, 16, 0)])
def test_pretraining_goes_on_until_all_images_were_shown(kimg: float, batch: int, steps: int) -> None:
    assert PretrainConfig(kimg=kimg, batch=batch).steps == steps
