"""The adapter contract: what one task adds to a frozen network, as modules filed by the name of what they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from torch import Tensor, nn

from lfsgan_cli import options

if TYPE_CHECKING:
    from lfsgan_cli.networks.config import NetworkConfig


class ByName(nn.Module):
    """A shelf of modules under dotted names (torch forbids dots in a module's name; they become slashes)."""

    def __setitem__(self, name: str, module: nn.Module) -> None:
        self.add_module(name.replace(".", "/"), module)

    def __getitem__(self, name: str) -> nn.Module:
        return self.get_submodule(name.replace(".", "/"))

    def __len__(self) -> int:
        return len(self._modules)

    def items(self) -> Iterator[tuple[str, nn.Module]]:
        """Each dotted name with its module."""
        for name, module in self.named_children():
            yield name.replace("/", "."), module

    def under(self, prefix: str) -> dict[str, nn.Module]:
        """The modules whose names begin with `prefix`, under the rest of their names."""
        return {name.removeprefix(prefix): module for name, module in self.items() if name.startswith(prefix)}


class Adapter(nn.Module):
    """What one task adds to a frozen network, and all that the task's file holds.

    A subclass has a frozen dataclass `Config`, whose fields are its options, and
    `__init__(self, network: nn.Module, config: Config)`, which fills two shelves:

    weights: under a parameter's name, a module from the frozen tensor to the task's.
    features: under a layer's name, a module from (input, output) of the layer to the task's output.

    At the start every module must give back what it got, so that the task begins as the base.

    version: raised when old task files of this adapter can no longer be read.
    stored: the dtype of a learned task's file; `fp16` where its rounding does not show in images.
    lr: the learning rate that suits it, unless the user gives one.
    paper: where it comes from, as `Hu et al., 2022`. formula: of a task's weight Ŵ, or of what it changes, in one line.
    nulls: names of its tensors that need not learn, each with the reason; filled by `__init__`.
    rates: names of those that shall learn faster or slower than the rest, each with its share of the learning rate;
        filled by `__init__`.
    """

    Config: ClassVar[type[Any]]
    version: ClassVar[int] = 1
    stored: ClassVar[Literal["fp32", "fp16"]] = "fp32"
    lr: ClassVar[float] = 0.002
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.weights = ByName()
        self.features = ByName()
        self.nulls: dict[str, str] = {}
        self.rates: dict[str, float] = {}

    @classmethod
    def published_names(cls, network: NetworkConfig, config: Any) -> dict[str, str]:  # noqa: ARG003 - for those who override it
        """Its own name for each tensor that a task file of the public LFS-GAN code may hold on such a network.

        config: an instance of `Config`. Empty where such files have no place for it: for most adapters, always.
        """
        return {}

    @classmethod
    def settled(cls, config: Any, network: NetworkConfig) -> Any:  # noqa: ARG003 - those who override it need it
        """The config with every choice made that it leaves to the network, so that a task's file names it.

        config, and what is returned: instances of `Config`.
        """
        return config

    @property
    def mergeable(self) -> bool:
        """Whether the task can be written into a copy of the network: yes, if it changes weights only."""
        return not len(self.features)

    @property
    def size(self) -> int:
        """How many numbers the task adds."""
        return sum(parameter.numel() for parameter in self.parameters())

    def tensors(self) -> dict[str, Tensor]:
        """What is kept in the task's file, detached."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}

    def round_off(self) -> dict[str, Tensor]:
        """What is kept in a learned task's file, in the type that the adapter is stored in.

        The adapter itself is rounded to it, so that it works as the file will. Numbers beyond fp16 stay as they are.
        """
        kept = {name: self._rounded(tensor) for name, tensor in self.tensors().items()}
        self.load_state_dict(kept)
        return kept

    def _rounded(self, tensor: Tensor) -> Tensor:
        half = tensor.half() if self.stored == "fp16" and tensor.is_floating_point() else tensor
        return half if half.isfinite().all() else tensor


def read_config(cls: type[Adapter], values: Mapping[str, Any]) -> Any:
    """The config that a task's header holds; OptionError where that is none of this adapter."""
    return options.from_json(cls.Config, values)


def construct(cls: type[Adapter], network: nn.Module, config: Any) -> Adapter:
    """A new adapter of a class for a network; config: an instance of `cls.Config`."""
    new = cast("Callable[[nn.Module, Any], Adapter]", cls)  # the signature of subclasses, not of `Adapter` itself
    return new(network, config)
