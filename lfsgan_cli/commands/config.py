"""Configuration files: `--config run.toml` stands for options, `--save-config` writes them, and runs keep their own.

A file becomes words of the command line before Typer reads them, so that its values are checked as options are. Keys
are the long names of options, and the names of arguments; `-t` and `-o` are the tables `[training]` and `[options]`.
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lfsgan_cli.commands.console import warn
from lfsgan_cli.commands.help import INPUT, OTHER_OPTIONS, OUTPUT, Command, usage_error, with_values
from lfsgan_cli.errors import LfsganError, one_line, quoted
from lfsgan_cli.io.files import CONFIG, CONFIG_MARK

MOST_BYTES: Final = 1 << 20  # of a file
LONGEST: Final = 100  # characters of a key that is compared with the known ones
LONGEST_MESSAGE: Final = 200  # characters of the messages of Python's reader
TABLES: Final = {"-t": "training", "-o": "options"}  # as in the suites of `lfsgan benchmark`
# Parameters that say how a command runs, and not what it makes: a written file leaves them out.
LEFT_OUT: Final = {
    "config", "save_config", "dry_run", "preview", "as_json", "quiet", "verbose", "debug", "resume", "overwrite",
    "skip",
}  # fmt: skip
# Parameters of which a command takes one: that of the command line replaces that of the file.
INSTEAD: Final = ({"count", "seeds", "latents"}, {"tasks", "task", "all_tasks"}, {"resume", "overwrite"})
_SAVED: Final = "lfsgan.config.saved"  # where a context notes that `--save-config` is done

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE.toml", rich_help_panel=INPUT,
        help="Read options from a TOML file; those of the command line win.",
    ),
]  # fmt: skip
SaveConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--save-config", metavar="FILE.toml", rich_help_panel=OUTPUT,
        help="Write the options of this run to a file for --config.",
    ),
]  # fmt: skip
OPTIONS: Final = {"config": ConfigOption, "save_config": SaveConfigOption}


class ConfigError(LfsganError):
    """A configuration file that cannot be read, or that names what the command does not take."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{str(path)!r}: {reason}")


class ConfiguredCommand(Command):
    """A command with `--config` and `--save-config`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the file and of the command line as one command line; ConfigError."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        args = with_values(self, args)
        given, _, order = self.make_parser(ctx).parse_args(args=list(args))
        if given.get("save_config") and not given.get("help"):
            _check_new(Path(given["save_config"]).expanduser())
        if not given.get("config") or given.get("help") or sum(param.name == "config" for param in order) > 1:
            return super().parse_args(ctx, args)
        file = _File(self, ctx, str(given["config"]))
        # What is not given is None, an empty tuple or a word of the library's own, as its version has it.
        typed = {
            name: value for name, value in given.items() if isinstance(value, str | bool | list | tuple) and value != ()
        }
        options, arguments = file.words(typed)
        end = [] if "--" in args or not arguments else ["--"]
        try:
            return super().parse_args(ctx, [*options, *args, *end, *arguments])
        except Exception as error:
            if getattr(getattr(error, "param", None), "name", None) in file.used:
                raise ConfigError(file.path, usage_error(error)) from error
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; `--save-config` is written once it succeeded, if the run has not done so when it began."""
        result = super().invoke(ctx)
        _save(ctx)
        return result


class _File:
    """A configuration file for a command. used: the parameters that it sets."""

    def __init__(self, command: Command, ctx: Any, path: str) -> None:
        self.path, self._ctx, self.used = path, ctx, set[str]()
        self._params: dict[str, Any] = {_key(param): param for param in command.params if param.name not in OPTIONS}
        self._values = _read(Path(path).expanduser())
        for key in self._values:
            if key not in self._params:
                raise ConfigError(path, f"unknown key {quoted(key)}{self._near(key)}")

    def _near(self, key: str) -> str:
        other = OTHER_OPTIONS.get(f"--{key}", "").removeprefix("--")
        near = [other] if other in self._params else get_close_matches(key[:LONGEST], self._params, n=1)
        page = f"the keys are the long names of the options in `{self._ctx.command_path} --help`"
        return f": did you mean {near[0]!r}?" if near else f"; {page}"

    def words(self, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """The options and the arguments that the file adds to those on the command line, `given`."""
        replaced = {name for group in INSTEAD if group & given.keys() for name in group}
        options: list[str] = []
        arguments: list[str] = []
        for key, value in self._values.items():
            param = self._params[key]
            if param.opts[0] in TABLES:
                known = {pair.partition("=")[0].strip() for pair in given.get(param.name, ())}
                pairs = [pair for pair in self._pairs(key, value) if pair.partition("=")[0] not in known]
                options += [word for pair in pairs for word in (param.opts[0], pair)]
            elif param.name in given or param.name in replaced:
                continue
            elif param.param_type_name == "argument":
                arguments += self._texts(key, value, several=param.nargs != 1)
            elif param.is_flag:
                options += self._flag(param, key, value)
            else:
                name = max(param.opts, key=len)
                options += [word for text in self._texts(key, value, several=param.multiple) for word in (name, text)]
            self.used.add(param.name)
        return options, arguments

    def _pairs(self, key: str, value: Any) -> Iterator[str]:
        from lfsgan_cli.options import flat, spell

        if not isinstance(value, dict):
            raise self._wrong(key, value, f"a table [{key}]")
        for name, each in flat(value).items():
            if not isinstance(each, str | int | float):
                raise self._wrong(f"{key}.{name}", each, "text, a number, true or false")
            yield f"{name}={spell(each)}"

    def _flag(self, param: Any, key: str, value: Any) -> list[str]:
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return [max(param.opts, key=len)] if value else list(param.secondary_opts[:1])

    def _texts(self, key: str, value: Any, *, several: bool) -> list[str]:
        values = value if several and isinstance(value, list) else [value]
        if not all(isinstance(each, str | int | float) and not isinstance(each, bool) for each in values):
            raise self._wrong(key, value, "text, a number, or a list of these" if several else "text or a number")
        return [str(each) for each in values]

    def _wrong(self, key: str, value: object, expected: str) -> ConfigError:
        return ConfigError(self.path, f"{key} is {quoted(value)}: expected {expected}")


def _key(param: Any) -> str:
    """What a parameter is called in a file."""
    if param.param_type_name == "argument":
        return str(param.name)
    return TABLES.get(param.opts[0], str(max(param.opts, key=len)).lstrip("-"))


def _read(path: Path) -> dict[str, Any]:
    from lfsgan_cli.io.files import read_plain
    from lfsgan_cli.io.json import loads_toml

    try:
        return loads_toml(read_plain(path, MOST_BYTES))
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}; expected a file from --save-config"
        raise ConfigError(path, reason) from error
    except ValueError as error:
        reason = f"expected TOML, and it is none: {one_line(str(error))[:LONGEST_MESSAGE]}"
        raise ConfigError(path, reason) from error


# Writing.


def keep_config(ctx: typer.Context, folder: Path, *, resumed: bool = False) -> None:
    """Write the options of a run that has begun as `config.toml` into its folder, and to `--save-config`.

    A resumed run adds its options to those that it began with. A file of that name that lfsgan did not write stays.
    """
    path = folder / CONFIG
    try:
        before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if before is not None and not before.startswith(CONFIG_MARK):
            warn(f"the options of this run are not kept: {str(path)!r} is not a file that lfsgan wrote")
        elif before is not None or not resumed:
            _write(path, ctx, _read(path) if resumed else {})
    except (LfsganError, OSError) as error:  # the run is worth more than its options
        warn(f"the options of this run are not kept: {error}")
    _save(ctx)


def _save(ctx: Any) -> None:
    path = ctx.params.get("save_config")
    if path is not None and not ctx.meta.get(_SAVED):
        _write(path, ctx, {})
        ctx.meta[_SAVED] = True


def _check_new(path: Path) -> None:
    if path.exists():
        raise ConfigError(path, "is there already; pass another name to --save-config, or remove it")
    if not path.parent.is_dir():
        raise ConfigError(path, f"there is no folder {str(path.parent)!r}; make it, or pass another --save-config")


def _write(path: Path, ctx: Any, before: Mapping[str, Any]) -> None:
    from lfsgan_cli.io.files import write_atomic
    from lfsgan_cli.options import flat

    lines = {key: value for key, value in before.items() if not isinstance(value, dict)}
    tables: dict[str, dict[str, str]] = {
        table: {key: _toml(each) for key, each in flat(before.get(table, {})).items()} for table in TABLES.values()
    }
    for param in ctx.command.params:
        source, value = ctx.get_parameter_source(param.name), ctx.params.get(param.name)
        if (
            param.name in LEFT_OUT
            or value is None
            or source is None
            or source.name not in {"COMMANDLINE", "ENVIRONMENT"}
        ):
            continue
        if param.opts[0] in TABLES:
            pairs = (pair.partition("=") for pair in value)
            tables[_key(param)] |= {key.strip(): _scalar(text) for key, _, text in pairs}
        else:
            lines[_key(param)] = value
    text = [f"{CONFIG_MARK}{ctx.command.name}. Run it again with --config; paths start at the folder where it runs."]
    text += [f"{key} = {_toml(value)}" for key, value in lines.items()]
    for table, content in tables.items():
        if content:
            text += ["", f"[{table}]", *(f"{_bare(key)} = {value}" for key, value in content.items())]
    try:
        write_atomic(path, "\n".join([*text, ""]).encode())
    except UnicodeEncodeError as error:
        raise ConfigError(path, "an option is not valid Unicode, which TOML cannot hold; rename that file") from error


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:  # JSON's escapes are TOML's, but for one character
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _scalar(text: str) -> str:
    """The value of a pair as a number or a truth value where that is spelled the same again, else as text."""
    for kind in (int, float):
        try:
            if str(kind(text)) == text:
                return text
        except ValueError:
            pass
    return text if text in {"true", "false"} else _toml(text)


def _bare(key: str) -> str:
    """A dotted key as it is; anything else in quotes."""
    return key if all(part.isascii() and part.isidentifier() for part in key.split(".")) else _toml(key)
