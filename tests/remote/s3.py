"""An S3 server (moto) that checks the condition of a write and writes in one step, as S3 does and moto alone does not.

`python -m tests.remote.s3 WORKSPACE ENTRY.json COUNT,COUNT PORT` fills buckets `tasks-COUNT` with so many tasks first.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

_WRITING = threading.Lock()


def serve(port: int) -> None:
    """Answer until the process is ended."""
    inner = DomainDispatcherApplication(create_backend_app)

    def app(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] != "PUT":
            read: Iterable[bytes] = inner(environment, start)
            return read
        with _WRITING:
            answer: Iterable[bytes] = list(inner(environment, start))
            return answer

    run_simple("127.0.0.1", port, app, threaded=True)


def fill(workspace: Path, entry: dict[str, Any], count: int) -> None:
    """Make a bucket with the base and `cats` of a workspace, and many more names, without a request for each.

    The entries of all are whole. The other tasks' files are small, since nobody reads them.
    """
    from moto.s3.models import s3_backends

    backend, bucket = s3_backends["123456789012"]["aws"], f"tasks-{count}"
    backend.create_bucket(bucket, "eu-west-1")
    for path in ("base.safetensors", "tasks/cats.safetensors"):
        backend.put_object(bucket, path, (workspace / path).read_bytes())
    for number in range(count):
        name = f"task-{number:06}"
        etag = backend.put_object(bucket, f"tasks/{name}.safetensors", b"small").etag
        backend.put_object(bucket, f"index/{name}.json", json.dumps({**entry, "name": name, "etags": [etag]}).encode())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        known = json.loads(Path(sys.argv[2]).read_text())
        for number in map(int, sys.argv[3].split(",")):
            fill(Path(sys.argv[1]), known, number)
    serve(int(sys.argv[-1]))
