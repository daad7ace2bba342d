"""`lfsgan studio`: a local page to learn tasks, look at images and choose."""

import contextlib
import os
from functools import partial
from typing import Annotated

import typer

from lfsgan_cli.commands.console import print_text, say, warn
from lfsgan_cli.commands.help import GENERAL, MACHINE
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, WorkspaceDir, to_repeat
from lfsgan_cli.errors import LfsganError

Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, rich_help_panel=MACHINE, help="Port to listen on; 0 is any that is free."),
]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", rich_help_panel=MACHINE,
        help="Address to listen on. Any but the default lets other machines try the secret.",
    ),
]  # fmt: skip
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", rich_help_panel=GENERAL, help="Only print the address, and open no browser.")
]


class NoStudioError(LfsganError):
    """The extra is not installed."""

    def __init__(self, missing: str) -> None:
        super().__init__(f"the page needs {missing}, which is not installed: pip install 'lfsgan[studio]'")


def studio(
    port: Port = 8420,
    host: Host = "127.0.0.1",
    no_browser: NoBrowser = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
) -> None:
    """Open a local page to learn tasks and explore images.

    Prints the page's address, with a secret that is valid until the command ends. Ctrl-C ends it. A run that the page
    started goes on; start the command again to see it.
    """
    try:
        from lfsgan_cli.studio.server import is_loopback, open_server
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in {"starlette", "uvicorn", "multipart", "python_multipart"}:
            raise NoStudioError(error.name.partition(".")[0]) from error
        raise
    # Threads that wait for each other sleep: sampling beside a run that trains takes a tenth of the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command = partial(to_repeat, workspace=workspace, device=device)
    place = ["--workspace", str(workspace.absolute()), *([] if device == "auto" else ["--device", device])]
    server = open_server(workspace, host, port, device, command, place)
    if not is_loopback(host):
        warn("the page is reachable from other machines, and the secret travels unencrypted: use a trusted network")

    def started() -> None:
        print_text(server.url)
        say("Open this address in a browser. Ctrl-C ends the server.")
        if not no_browser:
            import webbrowser

            webbrowser.open(server.url)

    with contextlib.suppress(KeyboardInterrupt):
        server.run(started)
    running = server.running()
    say(f"Stopped. Learning {running[0]!r} goes on." if running else "Stopped.")
