"""A recipe plugin: the default recipe, and a loss that brings the colors of samples to those of the training images."""

from torch import Tensor

from lfsgan_cli.recipe import Recipe, RecipeLoss, TrainedNetworks

SAMPLES = 4


class Palette(RecipeLoss):
    """‖μ(x) - μ(s)‖² + ‖σ(x) - σ(s)‖²: mean and deviation of the channels of samples x and training images s."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, networks: TrainedNetworks) -> None:
        super().__init__(networks)
        # Buffers, as whatever a loss keeps: they are part of every checkpoint.
        self.register_buffer("mean", networks.references.mean((0, 2, 3)))
        self.register_buffer("deviation", networks.references.std((0, 2, 3)))

    def generator_loss(self, step: int) -> Tensor:  # noqa: ARG002 - the contract has it
        """Over four samples of random latents."""
        networks = self.networks
        z, noise = networks.latents(SAMPLES), networks.noise(SAMPLES)
        images, _features = networks.generate(networks.generator, z, noise)
        shift = images.mean((0, 2, 3)) - self.mean
        spread = images.std((0, 2, 3)) - self.deviation
        return shift.square().sum() + spread.square().sum()


PALETTE = Recipe(
    training={"steps": 500, "loss_weight": 10.0},  # all else is as in the default recipe
    about="The default recipe, with a loss on the mean and the deviation of each color channel.",
    formula="λ (‖μ(x) - μ(s)‖² + ‖σ(x) - σ(s)‖²)",
    paper="an example",
    loss=Palette,
)
