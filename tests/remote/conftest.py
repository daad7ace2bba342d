"""An S3 server (moto) and a stand-in of the Hub, each a process of its own on loopback."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-west-1"}
ROOT = Path(__file__).parent.parent.parent
_NUMBERS = count()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def serving(*module: str, patience: float = PATIENCE, **environment: str) -> Iterator[tuple[str, int]]:
    """A program that serves on a free port, which is its last argument; its address and its process."""
    port = free_port()
    paths = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
    process = subprocess.Popen(
        [sys.executable, "-m", *module, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **environment, "PYTHONPATH": paths},
    )  # fmt: skip
    try:
        give_up = time.monotonic() + patience
        while True:
            assert process.poll() is None
            assert time.monotonic() < give_up
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own. url: that of a workspace in it."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        return f"s3://{self.name}/faces"

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [one["Key"].removeprefix("faces/") for one in listed]

    def read(self, path: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=f"faces/{path}")["Body"].read()
        return data

    def write(self, path: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"faces/{path}", Body=data)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with serving("tests.remote.s3") as (address, _):
        yield address


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, and the variables by which the program finds its server."""
    import boto3

    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    client, name = boto3.client("s3"), f"studio-{next(_NUMBERS)}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": KEYS["AWS_DEFAULT_REGION"]})
    yield Bucket(name, client)
    client.close()


@contextmanager
def cutting(server: str, after: int, answered: int = 1 << 40) -> Iterator[str]:
    """A proxy that closes each connection once so many bytes were sent through it to the server; its address.

    answered: or so many back.
    """
    host, port = server.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket, most: int) -> None:
        left = most
        try:
            while left > 0 and (data := source.recv(min(left, 4096))):
                target.sendall(data)
                left -= len(data)
        except OSError:
            pass
        for one in (source, target):
            with_shutdown(one)

    def accept() -> None:
        while True:
            try:
                inside, _ = listener.accept()
            except OSError:
                return
            outside = socket.create_connection((host, int(port)))
            threading.Thread(target=pump, args=(inside, outside, after), daemon=True).start()
            threading.Thread(target=pump, args=(outside, inside, answered), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def with_shutdown(one: socket.socket) -> None:
    """End a connection in both directions."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@pytest.fixture(scope="session")
def hub_server() -> Iterator[str]:
    with serving("tests.remote.hub") as (address, _):
        yield address


@pytest.fixture
def hub(hub_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a repository that is not there yet, and the variables by which the program finds its server."""
    monkeypatch.setenv("HF_ENDPOINT", hub_server)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    return f"hf://me/repository-{next(_NUMBERS)}"
