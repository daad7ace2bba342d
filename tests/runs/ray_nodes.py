"""`python -m tests.runs.ray_nodes HOME ARGUMENT...`: `lfsgan ARGUMENT...` on two Ray nodes, one of which is killed.

To be run in a network namespace of its own, since Ray listens on all addresses. Prints what listens, and where.
"""

import importlib
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 1200  # seconds
FINISHED = 3  # tasks, after which a node is killed
STORE = 80_000_000  # bytes of a node's object store, about the least


def main(home: Path, arguments: list[str]) -> int:
    """The exit code of the command."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    cluster_utils: Any = importlib.import_module("ray.cluster_utils")  # which reads the token
    cluster = cluster_utils.Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE},
    )
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]
        command = [sys.executable, "-m", "lfsgan_cli", *arguments, "--ray", cluster.address]
        worker = subprocess.Popen(command, cwd=home)
        give_up, killed = time.monotonic() + PATIENCE, False
        while worker.poll() is None:
            if time.monotonic() > give_up:
                worker.kill()
            if not killed and len(list(home.glob("lfsgan_workspace/tasks/*.safetensors"))) >= FINISHED:
                cluster.remove_node(nodes[1], allow_graceful=False)  # SIGKILL
                killed = True
                print("killed a node", flush=True)  # noqa: T201
            time.sleep(0.2)
        return worker.returncode if killed else 99
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
