"""The command: the address on a line of its own, one-line errors, and a clean end."""

import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.studio.conftest import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

STUDIO = [sys.executable, "-m", "lfsgan_cli", "studio", "--no-browser"]


def test_the_address_is_alone_on_stdout_and_ctrl_c_ends_it_cleanly(learned: "Program") -> None:
    with subprocess.Popen(
        [*STUDIO, "--port", "0"], cwd=learned.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        address = run.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?secret=[\w-]{32}\n", address)
        port = int(address.split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as asked:
            asked.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            assert asked.recv(1000).startswith(b"HTTP/1.1 401")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=PATIENCE)
    assert (run.returncode, out) == (0, "")
    assert err.splitlines()[-1] == "Stopped."
    assert "Traceback" not in err
    assert not (learned.folder / "lfsgan_workspace" / "studio").exists()  # nothing is written by looking


def test_a_port_that_is_taken_is_one_line_with_the_way_out(tmp_path: "Path") -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run([*STUDIO, "--port", str(port)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port}: ")
    assert "pass another --port" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_without_the_extra_the_one_line_names_the_pip_command(tmp_path: "Path") -> None:
    program = (
        "import sys; sys.modules['starlette'] = None; from lfsgan_cli.app import app; app(['studio', '--no-browser'])"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "Error: the page needs starlette, which is not installed: pip install 'lfsgan[studio]'\n"


def test_a_workspace_that_is_a_file_is_refused(tmp_path: "Path") -> None:
    (tmp_path / "lfsgan_workspace").write_text("")
    run = subprocess.run([*STUDIO, "--port", "0"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "a workspace is a folder" in run.stderr
