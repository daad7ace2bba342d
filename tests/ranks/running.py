"""Starts programs by torchrun on loopback: in a network namespace of their own, where the system allows one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PATIENCE = 300  # seconds
ROOT = Path(__file__).parent.parent.parent


@cache
def isolated() -> Sequence[str]:
    """The words before a command that has nothing but loopback; none where a user may not make a namespace."""
    words = ["unshare", "--net", *(["--map-root-user"] if os.geteuid() else []), "--"]
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        return []
    allowed = subprocess.run([*words, *inside, "true"], capture_output=True, check=False).returncode == 0
    return [*words, *inside] if allowed else []


def command(count: int, module: str, *arguments: object) -> list[str]:
    """The command line of `count` processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count)]
    local = ["--master-addr", "127.0.0.1", "--master-port", "29500"] if isolated() else ["--standalone"]
    return [*isolated(), *launcher, *local, "-m", module, *map(str, arguments)]


def environment() -> dict[str, str]:
    """That of a user with one thread a process."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "adapters"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "LFSGAN_OFFLINE": "1"}


def start(count: int, module: str, *arguments: object, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start it; what it says is in its pipes."""
    return subprocess.Popen(
        command(count, module, *arguments), cwd=folder, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def torchrun(
    count: int, module: str, *arguments: object, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    process = start(count, module, *arguments, folder=folder)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
