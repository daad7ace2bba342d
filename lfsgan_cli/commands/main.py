"""The one place where a command's failure becomes a line on stderr and an exit code."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer

from lfsgan_cli.commands.console import DEBUG, Verbosity, set_verbosity
from lfsgan_cli.commands.help import Group, usage_error
from lfsgan_cli.errors import LfsganError, is_out_of_memory, one_line, printable
from lfsgan_cli.system.device import launched, prepare

FAILED = 1
INTERRUPTED = 128 + signal.SIGINT  # as shells have it


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end what they meet as Ctrl-C does: with nothing half done left behind."""


class Cli(Group):
    """The group of all commands.

    What they raise ends here: 1 with one line, 2 for usage, 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Begin afresh: in tests and notebooks, one process runs many commands."""
        set_verbosity(Verbosity.NORMAL)
        _replace_what_cannot_be_encoded()
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:
            if _is_usage(error):
                _end_usage(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for, and end as the class says. Exits are Typer's own."""
        prepare()
        if launched() is not None:
            ctx.call_on_close(_leave)
        try:
            with _heeding_sigterm(), _silent_unless_first():
                return super().invoke(ctx)
        except BrokenPipeError:  # `| head` has seen enough; Typer ends quietly
            raise
        except _TerminatedError as error:
            _end(ctx, "Terminated.", error.args[0], error)
        except KeyboardInterrupt as error:
            _end(ctx, "Interrupted.", INTERRUPTED, error)
        except Exception as error:
            if _is_usage(error):
                _end_usage(error)
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # Typer's own endings
                raise
            _end(ctx, _worded(error), error.status if isinstance(error, LfsganError) else FAILED, error)


def _replace_what_cannot_be_encoded() -> None:
    """A terminal's encoding may lack characters of our help or of the user's names: `?` stands for them."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None and getattr(sys.stdout, "errors", "") == "strict":
        reconfigure(errors="replace")


def _is_usage(error: Exception) -> bool:
    """Whether Typer refuses the words of a command line. Its page for an empty one is no error."""
    return hasattr(error, "format_message") and type(error).__name__ != "NoArgsIsHelpError"


def _end_usage(error: Any) -> NoReturn:
    if _ends_first():
        typer.echo(one_line(f"{LfsganError.label}{usage_error(error)}"), err=True)
    raise typer.Exit(error.exit_code)


def _leave() -> None:
    """End one of several processes at once when its work is done: unloading torch, gloo's threads may abort it."""
    code = getattr(sys.exception(), "exit_code", None) if sys.exception() else 0
    if code is not None:
        _exit_at_once(code)


def _exit_at_once(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def _silent_unless_first() -> Iterator[None]:
    """Of the processes that torchrun started, only the first prints; each may say why it ends, see `_ends_first`."""
    launch = launched()
    if launch is None or launch.rank == 0:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _ends_first() -> bool:
    """Whether this process says why it ends: if torchrun started several, only the first of them to end."""
    if launched() is None:
        return True
    from lfsgan_cli.system.distributed import ends_first

    return ends_first()


@contextmanager
def _heeding_sigterm() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there may a program say what signals do
        yield
        return
    heeded = [signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as under nohup
        heeded.append(hangup)
    before = [signal.signal(number, _terminate) for number in heeded]
    try:
        yield
    finally:
        for number, earlier in zip(heeded, before, strict=True):
            signal.signal(number, earlier)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError(128 + number)


def _worded(error: Exception) -> str:
    return f"{error.label}{error}" if isinstance(error, LfsganError) else f"{LfsganError.label}{_surprise(error)}"


def _surprise(error: Exception) -> str:
    match error:
        case _ if is_out_of_memory(error):
            return "there is not enough memory; try a smaller --batch, or --device cpu"
        case OSError(filename=None):
            return error.strerror or str(error)
        case OSError():
            return f"{str(error.filename)!r}: {error.strerror}"
        case _:
            return f"{type(error).__name__}: {error} (this is a bug in lfsgan; run again with --debug and report it)"


def _end(ctx: typer.Context, line: str, code: int, error: BaseException) -> NoReturn:
    if ctx.meta.get(DEBUG):
        import traceback

        for text in "".join(traceback.format_exception(error)).splitlines():
            typer.echo(printable(text), err=True)
    if _ends_first():
        typer.echo(one_line(line), err=True)
    if launched() is not None:  # one of several processes: no part of its end may wait for those that are gone
        _exit_at_once(code)
    raise typer.Exit(code)
