"""How the command line reads: options in groups, examples, short usage errors; and `lfsgan help`."""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

# Groups of options, in the order in which a help page shows them.
INPUT: Final = "Input"
METRICS: Final = "Metrics"
TRAINING: Final = "Training"
SAMPLING: Final = "Sampling"
OUTPUT: Final = "Output"
MACHINE: Final = "Machine"
GENERAL: Final = "General"
# Groups of commands, in the order of `lfsgan --help`.
LEARN: Final = "Learn"
GENERATE: Final = "Generate"
MEASURE: Final = "Measure"
MANAGE: Final = "Manage"
_ORDER = (INPUT, METRICS, TRAINING, SAMPLING, OUTPUT, MACHINE, GENERAL, LEARN, GENERATE, MEASURE, MANAGE)

# What people type, because an older version or another program calls it so, and what it is called here.
OTHER_COMMANDS = {
    "bench": "profile",
    "merge": "tasks merge",
    "train": "learn-task",
    "learn": "learn-task",
    "sample": "generate",
    "list": "tasks list",
    "rename": "tasks rename",
    "remove": "tasks remove",
    "verify": "tasks verify",
}
OTHER_OPTIONS = {
    "--shots": "--images",
    "--memorisation": "--memorization",
    "--trunc": "--truncation",
    "--network": "--workspace",
    "--steps-per-save": "--save-every",
    "--learning-rate": "--lr",
    "--batch-size": "--batch",
    "--gpu": "--device",
    "--output": "--outdir",
    "--out": "--outdir",
}
OPTIONAL_DIR: Final = "[DIR]"  # the metavar of an option whose value may be left out
# Typer's names of types, and the usual ones.
_TYPES = {"int": "INTEGER", "float": "FLOAT", "str": "TEXT", "path": "PATH", "file": "FILE", "directory": "DIR"}


class Command(TyperCommand):
    """A command: a summary, a paragraph, options in groups, examples in `epilog`, a line each."""

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - the summary is short by itself
        """The summary: the first line of the help."""
        return _summary(self.help)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; an option that takes one value may be given once, and `~` is the home folder in every path."""
        args = with_values(self, args)
        if not ctx.resilient_parsing:
            _refuse_repeated(self, ctx, args)
        rest = super().parse_args(ctx, args)
        ctx.params = {name: _expanded(ctx, name, value) for name, value in ctx.params.items()}
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`NAME`, where Typer writes `{NAME}`."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by group."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as Typer calls it
        """Write the examples as they are: no line of a command may be wrapped."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


def with_values(command: Any, args: Sequence[str]) -> list[str]:
    """The words of a command line, with `auto` after every option whose value may be left out and is."""
    optional = {name for param in command.params if param.metavar == OPTIONAL_DIR for name in param.opts}
    options = args[: args.index("--")] if "--" in args else args
    words: list[str] = []
    for word, after in zip_longest(options, options[1:], fillvalue="-"):
        words += [word, "auto"] if word in optional and after.startswith("-") else [word]
    return [*words, *args[len(options) :]]


class Group(TyperGroup):
    """Commands of one kind, shown under headings; a name that is unknown is answered with the near one."""

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - as above
        """The summary: the first line of the help."""
        return _summary(self.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; a usage error with the near name otherwise."""
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            _refuse_command(self, ctx, args[0])
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as Typer calls it
        """Write the summary right below the usage: a line more for the commands."""
        formatter.write("".join(f"  {line}\n" for line in (self.help or "").strip().splitlines()))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, and after them the names of the options: all of it fits a small terminal."""
        self.format_commands(ctx, formatter)
        options = [min(param.opts, key=len) for param in self.get_params(ctx)]
        formatter.write(f"Options: {', '.join(options)}\n")

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings."""
        shown = [(name, command) for name in self.list_commands(ctx) if not (command := self.commands[name]).hidden]
        width = max(len(name) for name, _ in shown)
        for heading in sorted({_panel(command): None for _, command in shown}, key=_place):
            formatter.write_heading(heading or "Commands")
            for name, command in shown:
                if _panel(command) == heading and name != "help":  # what it does, --help does too; all fits 24 lines
                    formatter.write(f"  {name.ljust(width)}  {_summary(command.help)}\n")


def usage_error(error: Any) -> str:
    """A usage error of Typer's as one sentence: what was found, and where help is."""
    text = error.format_message()
    option = getattr(error, "option_name", None)
    if option and text.startswith("No such option"):
        text = f"no such option {option!r}{_meant(_other_option(error, option))}"
    text = re.sub(r"^Invalid value for '?(.+?)'?: ", r"\1: ", text.rstrip("."), flags=re.DOTALL)
    text = re.sub(r"Input should be (greater|less) than or equal to (\S+)", _bound, text)
    if text.endswith("?"):
        return f"{text[0].lower()}{text[1:]}"
    path = error.ctx.command_path if error.ctx else "lfsgan"
    return f"{text[0].lower()}{text[1:]}; see `{path} --help`"


def _bound(match: re.Match[str]) -> str:
    return f"expected {match[2]} or {'more' if match[1] == 'greater' else 'less'}"


def _other_option(error: Any, option: str) -> list[str]:
    known = {name for param in error.ctx.command.params for name in param.opts} if error.ctx else set()
    if OTHER_OPTIONS.get(option) in known:
        return [OTHER_OPTIONS[option]]
    return get_close_matches(option, known, n=1)


def _refuse_command(group: Group, ctx: Any, name: str) -> NoReturn:
    known = [each for each, command in group.commands.items() if not command.hidden]
    other = [OTHER_COMMANDS[name]] if name in OTHER_COMMANDS and ctx.parent is None else []
    raise ctx.fail(f"no such command {name!r}{_meant(other or get_close_matches(name, known, n=1))}")


def _meant(names: Sequence[str]) -> str:
    return f": did you mean {names[0]!r}?" if names else ""


def _refuse_repeated(command: Any, ctx: Any, args: list[str]) -> None:
    _, _, order = command.make_parser(ctx).parse_args(args=list(args))
    for param, times in Counter(order).items():
        if times > 1 and param.param_type_name == "option" and not (param.multiple or param.is_flag):
            ctx.fail(f"{param.opts[0]} is passed {times} times: pass it once")


def _expanded(ctx: Any, name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(ctx, name, each) for each in value]
    if not isinstance(value, Path):
        return value
    try:
        return value.expanduser()
    except RuntimeError:
        return ctx.fail(f"{name.replace('_', '-')} {str(value)!r} names a home folder that is not known: write it out")


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            groups.setdefault(_heading(param), []).append((_left(param, record[0]), _usual_notes(record[1])))
    for heading in sorted(groups, key=_place):
        with formatter.section(heading):
            formatter.write_dl(groups[heading])


def _heading(param: Any) -> str:
    return "Arguments" if param.param_type_name == "argument" else _panel(param) or GENERAL


def _panel(of: Any) -> str:
    panel = getattr(of, "rich_help_panel", None)
    return panel if isinstance(panel, str) else ""


def _place(heading: str) -> int:
    return _ORDER.index(heading) if heading in _ORDER else -1


def _summary(text: str | None) -> str:
    return next(iter((text or "").strip().splitlines()), "")


def _left(param: Any, text: str) -> str:
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper())
    return _usual_types(text)


def _usual_types(option: str) -> str:
    """`--seed <int range>` as `--seed INTEGER`, `--noise <seed|none>` as `--noise [seed|none]`."""

    def usual(match: re.Match[str]) -> str:
        name = match[1].removesuffix(" range")
        return _TYPES.get(name, f"[{name}]" if "|" in name else name.upper())

    return re.sub(r"<([^<>]+)>", usual, option).replace(" RANGE", "")


def _usual_notes(text: str) -> str:
    """Without the bounds that only say that a number is no nonsense: `x>=1`, and the largest seed."""
    text = re.sub(r"(\d[\d.]*)<=x<=(\d{1,5}(?:\.\d+)?)(?=\])", r"\1 to \2", text)
    text = re.sub(r"; (?:\d[\d.]*<=)?x?[<>]=?\S*\d(?=\])|; \d+<=x<=\d+(?=\])", "", text)
    return re.sub(r"\s*\[(?:\d[\d.]*<=)?x[<>=]+[\d.]+\]", "", text)


Words = Annotated[
    list[str] | None, typer.Argument(metavar="[COMMAND]...", help="A command, such as `generate` or `tasks list`.")
]


def help_(ctx: typer.Context, words: Words = None) -> None:
    """Show the help page of a command.

    The same page as COMMAND --help. Without a name it lists all commands.
    """
    found: Any = ctx.parent
    for word in words or []:
        commands = getattr(found.command, "commands", {})
        if word not in commands:
            if isinstance(found.command, Group):
                _refuse_command(found.command, found, word)
            found.fail(f"{found.command_path!r} has no commands: leave {word!r} out")
        found = found.command.context_class(
            commands[word], info_name=word, parent=found, help_option_names=["-h", "--help"]
        )
    typer.echo(found.get_help())
