"""NVIDIA's networks draw and score as they did there; whatever ours cannot be is refused in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lfsgan_cli.checkpoints import nvidia
from lfsgan_cli.checkpoints.checkpoint import Checkpoint, CheckpointError
from lfsgan_cli.checkpoints.safe_pickle import Part
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from tests.checkpoints.nvidia_pickles import (
    LAYERS,
    SIDES,
    WIDTH,
    EasyDict,
    Tensors,
    binomial,
    discriminator,
    generator,
    module,
    write,
)
from tests.conftest import GOLDEN

TOLERANCE = 2e-4  # asked for in fp32, of images and logits up to about 10
HERE = Path("network.pkl")


@pytest.fixture(scope="module")
def outputs() -> dict[str, Tensor]:
    return load_file(GOLDEN / "nvidia_outputs.safetensors")


@pytest.fixture(scope="module")
def golden() -> Checkpoint:
    return nvidia.read(GOLDEN / "nvidia.pkl")


@pytest.fixture(scope="module")
def drawing(golden: Checkpoint) -> Generator:
    return generator_of(golden)


def generator_of(checkpoint: Checkpoint) -> Generator:
    assert checkpoint.average is not None
    assert checkpoint.w_mean is not None
    network = build_generator(checkpoint.config).requires_grad_(requires_grad=False)
    network.load_state_dict({**checkpoint.average, "w_mean": checkpoint.w_mean})
    return network


def near(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() < TOLERANCE)


def refusal(tmp_path: Path, networks: dict[str, Any]) -> str:
    """What is said of a pickle of these networks, which must be refused."""
    return said(lambda: nvidia.read(write(tmp_path / "network.pkl", networks)))


def said(read: Callable[[], object]) -> str:
    with pytest.raises(CheckpointError) as refused:
        read()
    sentence = str(refused.value)
    assert len(sentence.splitlines()) == 1
    assert sentence.startswith("'network.pkl' ")
    assert "; " in sentence  # what it is; what to do
    return sentence


# --- the reference ---------------------------------------------------------------------------------------------------


def test_the_mapping_and_its_mean_are_the_reference(drawing: Generator, outputs: dict[str, Tensor]) -> None:
    assert near(drawing.mapping(outputs["z"]), outputs["w"])
    assert torch.equal(drawing.w_mean, outputs["w_avg"])


def test_images_are_the_reference(drawing: Generator, outputs: dict[str, Tensor]) -> None:
    assert near(drawing(outputs["z"]), outputs["images"])
    assert near(drawing(outputs["z"], truncation=0.7), outputs["images_trunc07"])


def test_a_latent_for_each_layer_generates_the_reference(drawing: Generator, outputs: dict[str, Tensor]) -> None:
    assert near(drawing.synthesis(outputs["ws_mixed"]), outputs["images_mixed"])


def test_logits_are_the_reference(golden: Checkpoint, outputs: dict[str, Tensor]) -> None:
    assert golden.discriminator is not None
    network = Discriminator(golden.config).requires_grad_(requires_grad=False)
    network.load_state_dict(golden.discriminator)
    images = outputs["d_images"]
    assert near(network(images), outputs["d_logits"])
    assert near(network(images[:2]), outputs["d_logits_first2"])
    assert near(network(torch.cat([images, -images])), outputs["d_logits_8"])


def test_the_average_and_the_live_generator_are_kept_apart(golden: Checkpoint) -> None:
    assert golden.average is not None
    assert golden.live is not None
    assert golden.average.keys() == golden.live.keys()
    # As nvidia.pkl was made: every tensor of the two differs.
    assert not any(torch.equal(golden.average[name], golden.live[name]) for name in golden.live)


def test_it_says_whose_the_networks_are_and_what_ours_leave_out(golden: Checkpoint) -> None:
    assert golden.kind.startswith("NVIDIA's, with G_ema, G, D; it cuts activations at 256")


# --- layouts ---------------------------------------------------------------------------------------------------------

STYLEGAN2_ADA = EasyDict(mapping_kwargs=EasyDict(num_layers=LAYERS), synthesis_kwargs=EasyDict(conv_clamp=64))
STYLEGAN3 = EasyDict(mapping_kwargs=EasyDict(num_layers=LAYERS), conv_clamp=64)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("given", [STYLEGAN2_ADA, STYLEGAN3], ids=["nested", "flattened"])
def test_both_layouts_in_every_protocol_give_the_same_tensors(tmp_path: Path, given: EasyDict, protocol: int) -> None:
    tensors = generator()
    network = module(tensors, {"_init_kwargs": given, "c_dim": 0, "_non_persistent_buffers_set": {"made", "of"}})
    found = nvidia.read(write(tmp_path / "network.pkl", {"G_ema": network}, protocol))
    assert (found.config.resolution, dict(found.config.channels)) == (16, dict.fromkeys(SIDES, WIDTH))
    assert (found.config.w_dim, found.config.mapping_layers) == (WIDTH, LAYERS)
    assert "cuts activations at 64" in found.kind
    assert found.live is None
    assert found.discriminator is None
    assert found.average is not None
    assert torch.equal(found.average["synthesis.convs.3.conv.weight"][0], tensors["synthesis.b16.conv0.weight"])
    assert torch.equal(found.average["synthesis.to_rgbs.2.bias"].flatten(), tensors["synthesis.b16.torgb.bias"])


def test_a_network_alone_is_taken_for_the_average(tmp_path: Path) -> None:
    assert nvidia.read(write(tmp_path / "network.pkl", module(generator()))).average is not None


def test_plain_states_are_read_under_either_program_s_names() -> None:
    average, live, scores = generator(), generator(), discriminator()
    for document in ({"G_ema": average, "G": live, "D": scores}, {"g_ema": average, "g": live, "d": scores}):
        assert nvidia.is_checkpoint(document)
        found = nvidia.from_document(HERE, document)
        assert found.average is not None
        assert found.live is not None
        assert found.discriminator is not None
        assert torch.equal(found.average["synthesis.start"][0], average["synthesis.b4.const"])
        assert torch.equal(found.live["synthesis.start"][0], live["synthesis.b4.const"])
        assert torch.equal(found.discriminator["blocks.1.skip.weight"], scores["b8.skip.weight"])
    assert nvidia.is_checkpoint(average)
    assert nvidia.from_document(HERE, average).live is None
    assert not nvidia.is_checkpoint({"G_ema": {"conv1.conv.weight": torch.zeros(1)}, "args": None})


def test_a_mapping_that_learned_at_another_rate_gives_the_same_w() -> None:
    """A layer computes with its numbers times its rate (`bias_gain`): twice the rate is twice the numbers."""
    tensors = generator()
    settings = {f"mapping.fc{layer}.bias_gain": 0.02 for layer in range(LAYERS)}
    doubled = {name: t * 2 if name.startswith("mapping.fc") else t for name, t in tensors.items()}
    other = nvidia._checkpoint(HERE, {"G_ema": Part(tensors, settings)})
    same = nvidia.from_state(HERE, doubled)
    z = torch.randn(3, WIDTH)
    assert torch.allclose(generator_of(other).mapping(z), generator_of(same).mapping(z))


def test_a_network_without_noise_generates_without_noise() -> None:
    silent = {name: tensor for name, tensor in generator().items() if ".noise_" not in name}
    found = nvidia.from_state(HERE, silent).average
    assert found is not None
    strengths = [tensor for name, tensor in found.items() if name.endswith("noise.strength")]
    assert [float(strength) for strength in strengths] == [0.0] * 5  # one at 4×4, two at 8 and at 16


def test_another_group_of_the_discriminator_is_told(tmp_path: Path) -> None:
    networks = {"G_ema": module(generator()), "D": module(discriminator(), {"b4.mbstd.group_size": 8})}
    assert "compared 8 pictures at a time" in nvidia.read(write(tmp_path / "network.pkl", networks)).kind


# --- refusals --------------------------------------------------------------------------------------------------------


def conditional() -> Tensors:
    return generator() | {"mapping.embed.weight": torch.randn(WIDTH, 10), "mapping.embed.bias": torch.randn(WIDTH)}


def resnet() -> Tensors:
    return generator() | {"synthesis.b8.skip.weight": torch.randn(WIDTH, WIDTH, 1, 1)}


def orig() -> Tensors:
    return {name: t for name, t in generator().items() if "torgb" not in name or name.startswith("synthesis.b16.")}


def stylegan3() -> Tensors:
    return {"synthesis.input.transform": torch.eye(3), "synthesis.L0_36_512.weight": torch.randn(WIDTH, WIDTH, 3, 3)}


def other_filter() -> Tensors:
    return generator() | {"synthesis.b8.conv0.resample_filter": torch.full((4, 4), 1 / 16)}


def too_small() -> Tensors:
    return {name: tensor for name, tensor in generator().items() if ".b16." not in name}


REFUSED = [
    (conditional, "is a conditional network"),
    (resnet, "architecture 'resnet'"),
    (orig, "architecture 'orig'"),
    (stylegan3, "is a StyleGAN3 network"),
    (other_filter, "another filter than [1, 3, 3, 1] (synthesis.b8.conv0.resample_filter)"),
    (lambda: generator(colours=1), "outputs 1 channel"),
    (lambda: generator(colours=4), "outputs 4 channel"),
    (lambda: generator(z_dim=WIDTH * 2), f"a z of [{WIDTH * 2}] and a w of [{WIDTH}] numbers"),
    (too_small, "resolution 8: expected one of 16"),
    (lambda: generator() | {"synthesis.b4.extra": torch.zeros(1)}, "has no 'synthesis.b4.extra'"),
    (lambda: generator() | {"synthesis.b8.conv0.bias": torch.zeros(3)}, "'synthesis.b8.conv0.bias' of G_ema has the"),
    (lambda: generator() | {"mapping.fc0.bias": torch.zeros(8, dtype=torch.int64)}, "no floating-point numbers"),
]


@pytest.mark.parametrize(("tensors", "words"), REFUSED)
def test_other_networks_are_refused_from_pickles_and_from_states(
    tmp_path: Path, tensors: Callable[[], Tensors], words: str
) -> None:
    assert words in refusal(tmp_path, {"G_ema": module(tensors())})
    assert words in said(lambda: nvidia.from_state(HERE, tensors()))


@pytest.mark.parametrize("name", ["synthesis.b4.const", "synthesis.b16.conv1.affine.bias", "mapping.fc1.bias"])
def test_a_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    rest = generator()
    del rest[name]
    assert f"{name!r} is missing in G_ema" in refusal(tmp_path, {"G_ema": module(rest)})


def test_settings_that_ours_do_not_have_are_refused(tmp_path: Path) -> None:
    for settings, words in (
        ({"c_dim": 10}, "is a conditional network (10 classes)"),
        ({"synthesis.b4.conv1.activation": "swish"}, "has the activation 'swish'"),
        ({"mapping.fc0.bias_gain": 0.0}, "'mapping.fc0' multiplies its weights by 0.0"),
    ):
        assert words in refusal(tmp_path, {"G_ema": module(generator(), settings)})


def test_other_discriminators_are_refused(tmp_path: Path) -> None:
    plain = {name: tensor for name, tensor in discriminator().items() if "skip" not in name}
    assert "has a discriminator of the architecture" in refusal(
        tmp_path, {"G_ema": module(generator()), "D": module(plain)}
    )
    classes = module(discriminator(), {"c_dim": 10})
    assert "conditional" in refusal(tmp_path, {"G_ema": module(generator()), "D": classes})


def test_generators_of_two_sizes_are_refused(tmp_path: Path) -> None:
    deeper = generator() | {"mapping.fc2.weight": torch.randn(WIDTH, WIDTH), "mapping.fc2.bias": torch.randn(WIDTH)}
    assert "of different sizes" in refusal(tmp_path, {"G_ema": module(generator()), "G": module(deeper)})


@pytest.mark.parametrize("document", [{}, {"D": None}, [1, 2], "words", {"G_ema": {"w_avg": binomial()}}])
def test_a_pickle_without_networks_is_refused(tmp_path: Path, document: object) -> None:
    assert "there is no 'G_ema' and no 'G'" in said(lambda: nvidia.read(write(tmp_path / "network.pkl", document)))
