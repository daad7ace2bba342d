"""The generator generates what rosinality's generates."""

import copy

import torch
from torch import Tensor

from lfsgan_cli.networks.generator import Generator

TOLERANCE = 1e-4  # asked for in fp32; two implementations of one network differ by about 2e-6 of the largest value
MIXED_LAYERS = 3  # images_mixed: the first three latents from z, the others from z2


def near(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() < TOLERANCE)


def test_the_mapping_is_the_reference(generator: Generator, rosinality_outputs: dict[str, Tensor]) -> None:
    out = rosinality_outputs
    assert near(generator.mapping(out["z"]), out["w"])
    assert near(generator.mapping(out["z2"]), out["w2"])


def test_images_are_the_reference(generator: Generator, rosinality_outputs: dict[str, Tensor]) -> None:
    assert near(generator(rosinality_outputs["z"]), rosinality_outputs["images"])


def test_truncation_pulls_towards_the_mean_latent(generator: Generator, rosinality_outputs: dict[str, Tensor]) -> None:
    out = rosinality_outputs
    assert near(generator(out["z"], truncation=0.7), out["images_trunc07"])


def test_truncation_0_generates_one_image_for_all(generator: Generator, rosinality_outputs: dict[str, Tensor]) -> None:
    images = generator(rosinality_outputs["z"], truncation=0.0)
    mean = generator.synthesis(generator.spread(generator.w_mean[None]))
    assert near(images, mean.expand_as(images))


def test_a_latent_for_each_layer(generator: Generator, rosinality_outputs: dict[str, Tensor]) -> None:
    out = rosinality_outputs
    first, second = (generator.spread(generator.mapping(out[name])) for name in ("z", "z2"))
    images = generator.synthesis(torch.cat([first[:, :MIXED_LAYERS], second[:, MIXED_LAYERS:]], 1))
    assert near(images, out["images_mixed"])


def test_noise_that_is_passed_in_takes_the_place_of_the_constant_one(
    generator: Generator, rosinality_outputs: dict[str, Tensor]
) -> None:
    out = rosinality_outputs
    noises = [out[f"noises.noise_{index}"] for index in range(len(generator.config.noise_sides))]
    silenced = copy.deepcopy(generator)
    for name, buffer in silenced.named_buffers():
        if name.endswith("noise.const"):
            buffer.zero_()
    assert not near(silenced(out["z"]), out["images"])
    assert near(silenced(out["z"], noise=noises), out["images"])


def test_features_are_the_output_of_every_convolution(
    generator: Generator, rosinality_outputs: dict[str, Tensor]
) -> None:
    config, features = generator.config, list[Tensor]()
    ws = generator.spread(rosinality_outputs["w"])
    image = generator.synthesis(ws, None, features)
    assert torch.equal(image, generator.synthesis(ws))
    assert [feature.shape[1:] for feature in features] == [
        (config.channels[side], side, side) for side in config.noise_sides
    ]
