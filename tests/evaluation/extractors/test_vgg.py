"""VGG16's weights are not at hand in tests: random ones take their place in the file; LPIPS' own weights are there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lfsgan_cli.evaluation.extractors.perceptual import VGG_WEIGHTS, Embedder, LpipsVgg, linear_weights, pairwise
from lfsgan_cli.evaluation.extractors.weights import Weights, WrongWeightsError
from lfsgan_cli.evaluation.metrics.diversity import Clusters
from lfsgan_cli.evaluation.metrics.memorization import SAME

# Where torchvision's VGG16 has its convolutions among `features`, its poolings, and the ReLUs that LPIPS reads.
CONVOLUTIONS = {
    0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256),
    17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
}  # fmt: skip
POOLINGS = {4, 9, 16, 23}
OUTPUTS = [3, 8, 15, 22, 29]
# Of the five arrays in lpips/weights/v0.1/vgg.pth of the package lpips 0.1.4, joined, as little-endian float32.
LINEAR_SHA256 = "9153a2043dccf3b525d4f13db916e93ef040548ea923b6f2100de5ebac141a78"

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Random weights that keep the size of what passes through, and a classifier that nobody should ask for."""
    rng = torch.Generator().manual_seed(0)
    tensors = {"classifier.0.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(1)}
    for index, (source, width) in CONVOLUTIONS.items():
        kernel = torch.randn(width, source, 3, 3, generator=rng) * (2 / (9 * source)) ** 0.5
        tensors[f"features.{index}.weight"] = kernel
        tensors[f"features.{index}.bias"] = torch.randn(width, generator=rng) / 10
    return tensors


@pytest.fixture(scope="module")
def file(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As torchvision's file: a state dict by `torch.save` of before version 1.6."""
    path = tmp_path_factory.mktemp("vgg") / VGG_WEIGHTS.name
    torch.save(state, path, _use_new_zipfile_serialization=False)
    yield path
    path.unlink()  # 59 MB


@pytest.fixture(scope="module")
def weights(file: Path) -> Weights:
    return Weights(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), file.as_uri(), VGG_WEIGHTS.option)


@pytest.fixture(scope="module")
def judge(file: Path, weights: Weights) -> LpipsVgg:
    """At its smallest useful size, 32, so that an image takes milliseconds."""
    return LpipsVgg(file, weights=weights, size=32)


def lpips(state: State, a: Tensor, b: Tensor) -> float:
    """The definition in its own words, for two images of levels [3, H, W], at the size they have."""
    total = 0.0
    for x, y, weight in zip(outputs(state, a), outputs(state, b), linear_weights(), strict=True):
        unit_x, unit_y = (z / (z.norm(dim=0) + 1e-10) for z in (x, y))
        total += float(((unit_x - unit_y) ** 2 * weight[:, None, None]).sum(0).mean())
    return total


def outputs(state: State, picture: Tensor) -> list[Tensor]:
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])  # LPIPS' scaling layer
    x, found = ((picture / 255 * 2 - 1) - shift[:, None, None]) / scale[:, None, None], []
    for index in range(OUTPUTS[-1] + 1):
        if index in CONVOLUTIONS:
            x = F.conv2d(x[None], state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1)[0]
        else:
            x = F.max_pool2d(x, 2) if index in POOLINGS else x.relu()
        if index in OUTPUTS:
            found.append(x)
    return found


def test_distances_of_embeddings_are_lpips(judge: Embedder, state: State, pictures: Tensor) -> None:
    embedded = judge.embed(pictures)
    loop = torch.tensor([[lpips(state, a, b) for b in pictures[4:]] for a in pictures[:4]])
    assert loop.min() > 0.01  # the images do differ
    torch.testing.assert_close(pairwise(embedded[:4], embedded[4:]), loop, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("side", [24, 64])
def test_other_sizes_are_resampled_as_pillow_does(judge: Embedder, side: int) -> None:
    levels = np.random.RandomState(0).randint(0, 256, (side, side, 3)).astype(np.uint8)
    resampled = np.array(Image.fromarray(levels).resize((32, 32), Image.Resampling.BILINEAR))
    ours, expected = (judge.embed(torch.from_numpy(x).permute(2, 0, 1)[None]) for x in (levels, resampled))
    assert torch.equal(ours, expected)


def test_at_full_size_eight_million_numbers_leave_an_image_at_no_distance_from_itself(
    file: Path, weights: Weights, pictures: Tensor
) -> None:
    widths_and_sides = [(64, 256), (128, 128), (256, 64), (512, 32), (512, 16)]
    embedded = LpipsVgg(file, weights=weights).embed(pictures[:1])
    assert embedded.shape == (1, sum(width * side**2 for width, side in widths_and_sides))
    assert pairwise(embedded, embedded.clone()).max() < SAME


def test_generated_images_are_judged_as_they_are_not_as_levels(judge: LpipsVgg, pictures: Tensor) -> None:
    levels = F.interpolate(pictures.float(), size=(32, 32)).round().to(torch.uint8)
    images = levels.float() / 127.5 - 1
    torch.testing.assert_close(judge.embed_drawn(images), judge.embed(levels))
    between, beyond = images + 0.4 / 127.5, images * 1.5  # both are the same levels, once rounded or clipped
    for other in (between, beyond):
        assert float((judge.embed_drawn(other) - judge.embed(levels)).square().sum(1).min()) > 1e-6


def test_a_judge_serves_the_diversity(judge: Embedder, pictures: Tensor) -> None:
    clusters = Clusters(judge.embed(pictures[:2]))
    for part in map(judge.embed, torch.split(pictures, judge.batch)):
        clusters.add(part)
    found = clusters.diversity()
    assert sum(found.counts) == 6
    assert found.intra > 0.01


def test_the_linear_weights_are_those_of_lpips() -> None:
    joined = torch.cat(linear_weights())
    assert hashlib.sha256(joined.numpy().astype("<f4").tobytes()).hexdigest() == LINEAR_SHA256
    assert joined.min() >= 0  # so that they have roots


def test_the_identity_is_the_files_hash(judge: Embedder, file: Path) -> None:
    assert judge.identity == hashlib.sha256(file.read_bytes()).hexdigest()
    assert judge.name == "vgg"


def test_a_file_that_is_not_the_published_one_is_never_read(file: Path) -> None:
    with pytest.raises(WrongWeightsError, match=f"expected {VGG_WEIGHTS.sha256}.*--vgg-weights"):
        LpipsVgg(file)


def test_loading_generates_no_random_number(file: Path, weights: Weights) -> None:
    before = torch.get_rng_state()
    LpipsVgg(file, weights=weights)
    assert torch.equal(before, torch.get_rng_state())


def test_a_size_that_the_stride_does_not_divide_is_refused(file: Path, weights: Weights) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        LpipsVgg(file, weights=weights, size=40)
