"""CAM adds grouped convolutions to feature maps."""

import pytest
import torch
from lfsgan_adapters.cam import CAM, Branch

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.testing import check_adapter, tiny_generator


def test_it_keeps_the_contract() -> None:
    check_adapter(CAM)


def test_a_task_has_as_many_parameters_as_the_same_modules_counted_elsewhere() -> None:
    # Counted for this carrying-over of CAM-GAN to StyleGAN2 at 256 pixels (method 2, "same transplant").
    with torch.device("meta"):
        assert CAM(build_generator(NetworkConfig.standard(256)), CAM.Config()).size == 2_140_160


def test_every_3x3_convolution_has_a_branch() -> None:
    base = tiny_generator()
    names = [name for name, _ in CAM(base, CAM.Config()).features.items()]
    assert names == [f"synthesis.convs.{index}.conv" for index in range(len(base.config.noise_sides))]


def test_a_branch_adds_all_three_convolutions_to_the_output() -> None:
    branch = Branch(2)
    y = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(branch(torch.empty(0), y), y)
    for index, conv in enumerate((branch.groupwise, branch.pointwise, branch.calibration)):
        torch.nn.init.dirac_(conv.weight.data, groups=conv.groups).mul_(index + 1)
    torch.testing.assert_close(branch(torch.empty(0), y), y + 1 * y + 2 * y + (3 * y).tanh())


@pytest.mark.parametrize("channels", [1, 3, 12, 20, 1024])
def test_any_number_of_channels_has_a_branch(channels: int) -> None:
    with torch.device("meta"):
        assert Branch(channels)(torch.empty(0), torch.empty(1, channels, 4, 4)).shape == (1, channels, 4, 4)
