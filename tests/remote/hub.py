"""A Hub of one process for tests: what `huggingface_hub` asks for to create, list, read and commit. Every file is
"regular"; the real Hub takes safetensors through LFS or Xet.
"""

import base64
import hashlib
import json
import sys
import threading
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN = "hf_test"  # noqa: S105 - of this server alone
REPOSITORIES: dict[str, dict[str, bytes]] = {}  # from owner/name to files
CHANGING = threading.Lock()


def _name(request: Request) -> str:
    return "{owner}/{name}".format(**request.path_params)


def _head(files: dict[str, bytes]) -> str:
    return hashlib.sha1(repr(sorted((path, _oid(data)) for path, data in files.items())).encode()).hexdigest()  # noqa: S324


def _oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - as Git has it


def _missing(code: str, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, 404, headers={"X-Error-Code": code, "X-Error-Message": text})


def _refused(request: Request) -> bool:
    return request.headers.get("authorization") != f"Bearer {TOKEN}"


async def create(request: Request) -> Response:
    if _refused(request):
        return JSONResponse({"error": "Invalid username or password."}, 401)
    asked = await request.json()
    name = f"{asked.get('organization') or 'me'}/{asked['name']}"
    if name in REPOSITORIES:
        return JSONResponse({"error": "exists", "url": f"{request.base_url}{name}"}, 409)
    REPOSITORIES[name] = {".gitattributes": b""}
    return JSONResponse({"url": f"{request.base_url}{name}"})


async def preupload(request: Request) -> Response:
    files = (await request.json())["files"]
    return JSONResponse(
        {"files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for one in files]}
    )


async def commit(request: Request) -> Response:
    if _refused(request):
        return JSONResponse({"error": "Invalid username or password."}, 401)
    lines = [json.loads(line) for line in (await request.body()).splitlines()]
    files = REPOSITORIES[_name(request)]
    parents = [line["value"].get("parentCommit") for line in lines if line["key"] == "header"]
    with CHANGING:
        if parents != [None] and parents != [_head(files)]:
            return JSONResponse({"error": "A commit has happened since. Please refresh and try again."}, 412)
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
    return JSONResponse({"commitUrl": f"{request.base_url}{_name(request)}/commit/x", "commitOid": _head(files)})


async def resolve(request: Request) -> Response:
    files, path = REPOSITORIES.get(_name(request)), request.path_params["path"]
    if files is None:
        return _missing("RepoNotFound", "Repository not found")
    if path not in files:
        return _missing("EntryNotFound", "Entry not found")
    data = files[path]
    headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": _head(files), "Accept-Ranges": "bytes"}
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(data))})
    if asked := request.headers.get("range"):
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return Response(data[int(first) : int(last) + 1 if last else None], 206, headers=headers)
    return Response(data, headers=headers)


async def info(request: Request) -> Response:
    files = REPOSITORIES.get(_name(request))
    if files is None:
        return _missing("RepoNotFound", "Repository not found")
    listed = [{"rfilename": path} for path in files]
    known: dict[str, Any] = {"id": _name(request), "modelId": _name(request), "sha": _head(files), "siblings": listed}
    return JSONResponse({**known, "private": False, "tags": [], "downloads": 0, "likes": 0})


async def tree(request: Request) -> Response:
    files, folder = REPOSITORIES.get(_name(request)), request.path_params.get("path", "").strip("/")
    if files is None:
        return _missing("RepoNotFound", "Repository not found")
    found = [path for path in files if path.rpartition("/")[0] == folder]
    if not found:
        return _missing("EntryNotFound", "Entry not found")
    return JSONResponse([_entry(path, files[path]) for path in found])


async def paths_info(request: Request) -> Response:
    files = REPOSITORIES.get(_name(request))
    if files is None:
        return _missing("RepoNotFound", "Repository not found")
    is_form = "form" in request.headers.get("content-type", "")
    wanted = (await request.form()).getlist("paths") if is_form else (await request.json())["paths"]
    return JSONResponse([_entry(path, files[path]) for path in wanted if path in files])


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}


async def who(_request: Request) -> Response:
    return JSONResponse({"name": "me", "type": "user", "orgs": []})


async def valid(_request: Request) -> Response:
    return JSONResponse({"errors": [], "warnings": []})


MODEL = "/api/models/{owner}/{name}"
app = Starlette(
    routes=[
        Route("/api/repos/create", create, methods=["POST"]),
        Route("/api/whoami-v2", who),
        Route("/api/validate-yaml", valid, methods=["POST"]),
        Route(f"{MODEL}/preupload/{{rev}}", preupload, methods=["POST"]),
        Route(f"{MODEL}/commit/{{rev}}", commit, methods=["POST"]),
        Route(f"{MODEL}/paths-info/{{rev}}", paths_info, methods=["POST"]),
        Route(f"{MODEL}/tree/{{rev}}", tree),
        Route(f"{MODEL}/tree/{{rev}}/{{path:path}}", tree),
        Route(f"{MODEL}/revision/{{rev}}", info),
        Route(MODEL, info),
        Route("/{owner}/{name}/resolve/{rev}/{path:path}", resolve, methods=["GET", "HEAD"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
