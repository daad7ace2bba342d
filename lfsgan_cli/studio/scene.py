"""What the view of images shows, as its address says it: tasks, seeds, sliders and pins; and the command for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from starlette.datastructures import QueryParams

from lfsgan_cli.io.files import check_name
from lfsgan_cli.options import LARGEST
from lfsgan_cli.studio.pages import ParameterError, number, whole
from lfsgan_cli.workspace import blend
from lfsgan_cli.workspace.blend import MAX_STRENGTH, LayerStrength, parse_blend

if TYPE_CHECKING:
    from lfsgan_cli.generation.sampling import NoiseMode, SamplingOptions

BASE = "base"  # as a task's name it stands for the base
COUNTS = (8, 16, 32, 64)  # images of a task
MAX_TASKS, MAX_PINS = 8, 32
GROUPS = tuple(blend.GROUPS)
NOISE = ("seed", "const", "none")
LAYERS = (*GROUPS, "coarse+middle", "middle+fine")
Mode = Literal["side", "blend"]


@dataclass(frozen=True)
class Scene:
    """tasks: names, or `base`. weights: of the tasks in a blend. layers: of `groups`, each a share of the strength.

    mix: layers that a style mix takes from its columns. groups: those of `GROUPS` that the base has.
    """

    tasks: tuple[str, ...]
    mode: Mode = "side"
    weights: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    count: int = 16
    truncation: float = 1.0
    strength: float = 1.0
    layers: tuple[float, ...] = (1.0, 1.0, 1.0)
    noise: NoiseMode = "seed"
    pins: tuple[int, ...] = ()
    mix: str = "coarse"
    groups: tuple[str, ...] = GROUPS

    @property
    def seeds(self) -> range:
        """Of the images."""
        return range(self.seed, min(self.seed + self.count, LARGEST + 1))

    @property
    def blends(self) -> bool:
        """Whether the tasks are one blend, and not side by side."""
        return self.mode == "blend" and sum(task != BASE for task in self.tasks) > 1

    @property
    def variants(self) -> list[tuple[str, str | None]]:
        """What is shown, each with its title and the task or blend; None is the base."""
        if not self.blends:
            return [(task, None if task == BASE else task) for task in self.tasks]
        weights = [f"{task}={self.weight(task):g}" for task in self.tasks if task != BASE]
        text = parse_blend(",".join(weights)).title
        return [(text, text)]

    def weight(self, task: str) -> float:
        """Of a task in a blend; all are equal unless the address says otherwise."""
        return self.weights.get(task, round(1 / max(1, sum(each != BASE for each in self.tasks)), 2))

    @property
    def strength_text(self) -> str:
        """As `--strength` takes it."""
        if set(self.layers) == {1.0}:
            return f"{self.strength:g}"
        shares = [min(MAX_STRENGTH, self.strength * share) for share in self.layers]
        given = [f"{group}={share:.4g}" for group, share in zip(self.groups, shares, strict=True)]
        return ",".join([*given, f"mapping={self.strength:g}"])

    def options(self, task: str | None) -> SamplingOptions:
        """How a task's images are sampled, or the base's; LayersError."""
        from lfsgan_cli.generation.sampling import SamplingOptions
        from lfsgan_cli.workspace.blend import parse_strength

        strength: float | LayerStrength = parse_strength(self.strength_text)
        options = SamplingOptions(self.truncation, self.noise, strength)
        return options.of_base if task is None else options

    @property
    def sampling_words(self) -> list[str]:
        """The options of `generate` that are not the default."""
        words = [] if self.truncation == 1 else ["--truncation", f"{self.truncation:g}"]
        if self.strength_text != "1" and self.tasks != (BASE,):
            words += ["--strength", self.strength_text]
        return words + ([] if self.noise == "seed" else ["--noise", self.noise])

    def generate_words(self, seeds: Sequence[int] | None = None) -> list[str]:
        """The command that makes these images, or those of other seeds."""
        named = [word for _, task in self.variants if task for word in ("--task", task)]
        base = ["--with-base"] if any(task is None for _, task in self.variants) else []
        wanted = [f"{self.seeds[0]}-{self.seeds[-1]}"] if seeds is None else [",".join(map(str, seeds))]
        return ["generate", *named, *base, "--seeds", *wanted, *self.sampling_words]

    def mix_words(self) -> list[str]:
        """The command that mixes the first pinned seed with the others."""
        rows, columns = str(self.pins[0]), ",".join(map(str, self.pins[1:]))
        strength = self.sampling_words
        return ["style-mix", "--rows", rows, "--cols", columns, "--layers", self.mix, *self.one_task, *strength]

    def walk_words(self) -> list[str]:
        """The command that walks from pin to pin."""
        seeds, noise = ",".join(map(str, self.pins)), ["--noise", self.noise]
        rest = self.sampling_words if self.noise != "seed" else [*self.sampling_words, *noise]
        return ["interpolate", "--seeds", seeds, *self.one_task, *rest, "--out", "walk.webp"]

    @property
    def one_task(self) -> list[str]:
        """The task of a mix or a walk, which have one: the first."""
        return ["--task", self.variants[0][1] or BASE]

    def query(self, **changes: object) -> str:
        """As the address has it, what is the default left out; changes: parameters that replace its own."""
        pairs: list[tuple[str, str]] = [("task", task) for task in self.tasks]
        default = Scene(())
        plain: dict[str, object] = {
            "mode": self.mode, "seed": self.seed, "n": self.count, "truncation": self.truncation,
            "strength": self.strength, **dict(zip(self.groups, self.layers, strict=True)), "noise": self.noise,
            "mix": self.mix,
        }  # fmt: skip
        usual: dict[str, object] = {
            "mode": default.mode, "seed": 0, "n": default.count, "noise": default.noise, "mix": default.mix,
        }  # fmt: skip
        pairs += [(key, _spelled(value)) for key, value in plain.items() if value != usual.get(key, 1.0)]
        pairs += [(f"weight:{task}", f"{weight:g}") for task, weight in self.weights.items() if task in self.tasks]
        pairs += [("pin", str(pin)) for pin in self.pins]
        pairs = [(key, value) for key, value in pairs if key not in changes]
        return str(QueryParams([*pairs, *((key, _spelled(value)) for key, value in changes.items())]))


def _spelled(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def groups_of(sides: Sequence[int]) -> tuple[str, ...]:
    """The groups of layers that a base with feature maps of these sides has."""
    return tuple(name for name, (low, high) in blend.GROUPS.items() if any(low <= side <= high for side in sides))


def parse(query: QueryParams, known: Sequence[str], groups: tuple[str, ...] = GROUPS) -> Scene:
    """The scene of an address. known: tasks that are there; the first is shown where none is named.

    ParameterError, TaskNameError, BlendError.
    """
    named = [task if task == BASE else check_name(task) for task in query.getlist("task")]
    tasks = tuple(dict.fromkeys(named))[:MAX_TASKS] or tuple(known[:1]) or (BASE,)
    layers = [number(query.get(group), group, 1.0, 0, MAX_STRENGTH) for group in groups]
    weights = {task: number(query.get(f"weight:{task}"), "weight", -1000, -2, 2) for task in tasks}
    lost = set(query.getlist("unpin"))
    pins = [whole(text, "pin", 0, 0, LARGEST) for text in query.getlist("pin") if text not in lost]
    return Scene(
        tasks=tasks,
        mode=_one_of(query.get("mode", "side"), "mode", get_args(Mode)),  # type: ignore[arg-type]
        weights={task: weight for task, weight in weights.items() if weight != -1000},
        seed=whole(query.get("seed"), "seed", 0, 0, LARGEST - max(COUNTS)),
        count=whole(query.get("n"), "n", 16, 1, max(COUNTS)),
        truncation=number(query.get("truncation"), "truncation", 1.0, 0, 2),
        strength=number(query.get("strength"), "strength", 1.0, 0, MAX_STRENGTH),
        layers=tuple(layers),
        noise=_one_of(query.get("noise", "seed"), "noise", NOISE),  # type: ignore[arg-type]
        pins=tuple(dict.fromkeys(pins))[:MAX_PINS],
        mix=_one_of(query.get("mix", "coarse"), "mix", LAYERS),
        groups=groups,
    )


def _one_of(text: str, name: str, known: Sequence[str]) -> str:
    if text not in known:
        raise ParameterError(name, text, " or ".join(known))
    return text
