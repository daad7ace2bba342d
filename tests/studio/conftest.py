"""The page over a copy of a tiny workspace, and a client that asks as the page itself does."""

import html
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lfsgan_cli.commands.options import to_repeat

for package in ("starlette", "uvicorn", "python_multipart", "httpx2"):
    pytest.importorskip(package, reason="the page needs the extra [studio], which [dev] installs")

from starlette.testclient import TestClient  # noqa: E402 - after the extra was found

from lfsgan_cli.studio.server import Server, open_server  # noqa: E402

if TYPE_CHECKING:
    from tests.conftest import Program

PATIENCE = 300  # seconds


@dataclass(frozen=True)
class Page:
    """A page on a workspace. client: has the secret; stranger: has not."""

    root: Path
    server: Server
    client: TestClient
    stranger: TestClient

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.access.port}"

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, headers={"accept": "text/html", **options.pop("headers", {})}, **options)

    def post(self, path: str, **options: Any) -> Any:
        """As a form of the page does."""
        headers = {"origin": self.origin, "sec-fetch-site": "same-origin", **options.pop("headers", {})}
        return self.client.post(path, headers=headers, follow_redirects=False, **options)

    def upload(self, *files: Path, draft: str = "") -> Any:
        where = f"/learn/{draft}/images" if draft else "/learn/images"
        return self.post(where, files=[("files", (path.name, path.read_bytes())) for path in files])

    def tree(self) -> dict[str, bytes]:
        """The workspace's files."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def wait(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < give_up
            time.sleep(0.05)


def commands(text: str) -> list[list[str]]:
    """The words of the commands that a page shows, without the program's own."""
    shown = [shlex.split(html.unescape(found)) for found in re.findall(r"<code[^>]*>(.+?)</code>", text)]
    return [words[3:] if words[:2] == ["python", "-m"] else words[1:] for words in shown]


@pytest.fixture
def page(learned: "Program") -> Iterator[Page]:
    """The page of a workspace with the task `cats`, with images beside it in `cats`, `dogs` and `data`."""
    root = learned.folder / "lfsgan_workspace"
    server = open_server(root, "127.0.0.1", 0, "cpu", partial(to_repeat, workspace=root), ["--workspace", str(root)])
    server.socket.close()  # the client asks the application itself
    base = f"http://127.0.0.1:{server.access.port}"
    with TestClient(server.app, base_url=base) as client:
        client.get("/status", params={"secret": server.access.secret})
        yield Page(root, server, client, TestClient(server.app, base_url=base))
    shutil.rmtree(root / "studio", ignore_errors=True)
