"""How fast LeFT's factors learn, each by the size that it starts from.

Adam moves every number by about the learning rate a step, however large it is. So factors are given shares of the rate:
those of sums that start at zero move a weight by a hundredth of its own size a step, whatever the layer, and the random
ones beside them, at rank 14, by about a twenty-fifth of theirs (where the run lets the mapping learn slower, both by as
much less there); one rate for all left the random factors of large weights nearly as they were, and the mapping has
weights a thousand times as large as ToRGB (docs/quality.md). Convolutions have such rates in their crossed sum alone:
the published gates and shifts learn at the plain one.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from lfsgan_cli.networks.layers import Linear, ModulatedConv2d

ZERO = 2.0  # share of the rate for factors of sums that start at zero; at a rate of 0.005 these are the shares above
ONE = 8.0  # … for random factors of the size of one, and for the biases of linear layers


def rates(network: nn.Module) -> Iterator[tuple[str, float]]:
    """Names of LeFT's parameters on a network, if it has them, and their shares of the learning rate."""
    for name, layer in network.named_modules():
        owner = f"weights.{name.replace('.', '/')}"
        match layer:
            case Linear():
                yield f"{owner}/weight.add_out", ZERO * size_of(layer.weight)
                yield f"{owner}/weight.add_in", ZERO
                yield f"{owner}/bias.add", ONE
            case ModulatedConv2d():
                yield f"{owner}/weight.add_out", ZERO
                yield f"{owner}/weight.add_in", ZERO * size_of(layer.weight)
                yield f"{owner}/weight.add_taps", ONE
            case _:
                pass


def size_of(weight: Tensor) -> float:
    """The root mean square of a weight."""
    return float(weight.detach().float().square().mean().sqrt())
