"""Whether a finished step of a benchmark is one of the suite as it stands now, whatever came to it since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from lfsgan_cli import options, registry
from lfsgan_cli.jobs.suite import Method, Suite
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.training.config import CHOSEN, recorded
from lfsgan_cli.training.fitting import fitted

Difference: TypeAlias = tuple[str, object, object]  # what, as it was, as it is now

BY_TASK = ("shots", "reals")  # of which a step knows only the tasks that the suite had


def differences(
    line: Mapping[str, Any], conditions: Mapping[str, Any], suite: Suite, network: NetworkConfig
) -> Iterator[Difference]:
    """What keeps a line of `runs.jsonl` from standing in one table with further ones; nothing if they go together.

    A suite may grow: more methods, seeds, and tasks after the others. What a line is of must be as it was.
    """
    yield from _conditions(line.get("conditions", {}), conditions)
    names = [task.name for task in suite.tasks][: line["step"]]
    if line["step"] <= len(names) and names[-1] != line["task"]:
        yield f"task as number {line['step']}", line["task"], names[-1]
    for method in suite.methods:
        if method.name == line["method"]:
            yield from _method(line, method, network)


def _conditions(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name, value in now.items():
        theirs = was.get(name)
        if name in BY_TASK and isinstance(theirs, dict):
            common = theirs.keys() & value.keys()
            yield from (
                (f"{name} of {task}", theirs[task], value[task]) for task in common if theirs[task] != value[task]
            )
        elif theirs != value:
            yield name, theirs, value


def _method(line: Mapping[str, Any], method: Method, network: NetworkConfig) -> Iterator[Difference]:
    about = {"adapter": method.way.adapter, "sequential": method.sequential}
    yield from ((f"{key} of method {method.name}", line[key], now) for key, now in about.items() if line[key] != now)
    training = fitted(method.way.seeded(line["seed"]).training, network)
    settings = {key: value for key, value in training.to_json().items() if value != CHOSEN}
    cls = registry.load(method.way.adapter)
    given = options.to_json(options.parse(cls.Config, method.way.pairs))
    chosen = {key: value for key, value in given.items() if value is not None}  # None is settled by the network
    for was, now in ((recorded(line["training"]), settings), ({**cls.earlier, **line["options"]}, chosen)):
        yield from (
            (f"{key} of method {method.name}", was[key], value)
            for key, value in now.items()
            if key in was and was[key] != value
        )
