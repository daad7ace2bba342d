"""Nobody but the page itself gets anything, and nothing that is refused leaves a trace."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from starlette.routing import Route
from starlette.websockets import WebSocketDisconnect

from lfsgan_cli.studio import choose, explore, learn, project, take, tasks
from lfsgan_cli.studio.drafts import MAX_IMAGE_BYTES
from tests.studio.conftest import Page

ROUTES: list[Route] = [
    *tasks.ROUTES, *learn.ROUTES, *explore.ROUTES, *choose.ROUTES, *take.ROUTES, *project.ROUTES,
]  # fmt: skip
PATHS = sorted({(route.path, method) for route in ROUTES for method in (route.methods or ()) if method != "HEAD"})
UP = ("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "..\\..\\x", "%2e%2e%2fcats", "/etc/passwd", "..", "a%00b", "")
PARAMETERS = ("name", "draft", "key", "step", "nth", "what", "id", "file")
QUERY = (
    "task", "seed", "n", "truncation", "strength", "coarse", "middle", "fine", "noise", "pin", "unpin", "mix", "mode",
    "page", "one", "weight:cats",
)  # fmt: skip


def address(path: str, value: str) -> str:
    for name in PARAMETERS:
        path = path.replace(f"{{{name}}}", value)
    return path


def png(side: int = 8) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((side, side), 60).convert("RGB").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("path", "method"), PATHS)
def test_nothing_is_answered_without_the_secret(page: Page, path: str, method: str) -> None:
    before = page.tree()
    for headers in ({}, {"cookie": "lfsgan-studio-1=x"}, {"authorization": "Bearer x"}, {"authorization": "x"}):
        answer = page.stranger.request(method, address(path, "cats"), headers=headers)
        assert answer.status_code == 401
        assert "cats" not in answer.text
    assert page.stranger.get("/static/studio.css").status_code == 401
    assert page.stranger.get("/?secret=x").status_code == 401
    assert page.tree() == before


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil"])
def test_a_foreign_host_is_refused_even_with_the_secret(page: Page, host: str) -> None:
    for address_ in ("/", f"/?secret={page.server.access.secret}", "/static/studio.css"):
        answer = page.client.get(address_, headers={"host": host}, follow_redirects=False)
        assert answer.status_code == 421
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_another_origin_or_site_changes_nothing(page: Page, headers: dict[str, str]) -> None:
    before = page.tree()
    for path, method in PATHS:
        if method == "POST":
            assert page.client.post(address(path, "cats"), headers=headers).status_code == 403
    if headers != {"sec-fetch-site": "none"}:  # a typed address or a bookmark
        assert page.client.get("/", headers=headers).status_code == 403
    assert page.tree() == before


def test_the_first_address_becomes_a_cookie_that_no_script_and_no_other_site_can_use(page: Page) -> None:
    secret = page.server.access.secret
    answer = page.stranger.get("/explore", params={"secret": secret, "task": "cats"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/explore?task=cats"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert page.server.url.endswith(f"/?secret={secret}")
    assert len(secret) >= 32


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_first_address_leads_nowhere_else(page: Page, path: str) -> None:
    url = page.origin + path
    answer = page.stranger.get(url, params={"secret": page.server.access.secret}, follow_redirects=False)
    location = answer.headers.get("location", "/")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_a_link_in_another_page_may_be_the_first_address_and_nothing_else(page: Page) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    with_secret = page.stranger.get(f"/?secret={page.server.access.secret}", headers=headers, follow_redirects=False)
    assert with_secret.status_code == 303
    assert page.client.get("/", headers=headers).status_code == 403


def test_a_script_may_send_the_secret_as_a_bearer_token(page: Page) -> None:
    answer = page.stranger.get("/status", headers={"authorization": f"Bearer {page.server.access.secret}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/explore", "/learn", "/static/studio.js", "/nowhere", "/tasks/nobody"])
def test_every_answer_forbids_all_but_our_own_scripts_styles_and_images(page: Page, path: str) -> None:
    for answer in (page.get(path), page.stranger.get(path)):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    for text in (page.get("/").text, page.get("/explore?task=cats").text, page.get("/learn").text):
        assert "<script>" not in text
        assert " style=" not in text
        assert " onclick" not in text


def test_there_are_no_websockets(page: Page) -> None:
    with pytest.raises(WebSocketDisconnect), page.client.websocket_connect("/"):
        pass


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method in PATHS if "{" in path])
def test_a_path_in_an_address_reaches_no_file(page: Page, path: str, method: str) -> None:
    before = page.tree()
    for value in UP:
        headers = {"origin": page.origin, "accept": "text/html"}
        answer = page.client.request(method, address(path, value), headers=headers, follow_redirects=False)
        # With nothing or `..` it is another address: that of the list, say.
        assert 400 <= answer.status_code < 500 or value in {"", ".."}, answer.text
        assert answer.status_code < 500
        assert "root:" not in answer.text
    assert page.tree() == before


@pytest.mark.parametrize("name", QUERY)
def test_a_path_in_a_parameter_reaches_no_file(page: Page, name: str) -> None:
    before = page.tree()
    for path in ("/", "/explore", "/explore/images", "/take/images", "/take/image", "/take/walk.webp", "/take/mix.png"):
        values = ("../../etc/passwd", "cats/../../x", "base=../x") if name == "task" else ("../../etc/passwd",)
        for value in values:
            answer = page.get(path, params={"n": 1, "task": "cats"} | {name: value})
            assert answer.status_code < 500
            assert "root:" not in answer.text
            if name == "task" and path != "/":
                assert answer.status_code in {400, 404}
    assert page.tree() == before


def test_a_path_in_a_form_reaches_no_file(page: Page) -> None:
    before = page.tree()
    for value in ("../../x", "/tmp/x", "a/b", "..", "CON", "cats=1", ""):  # noqa: S108
        assert page.post("/tasks/cats/rename", data={"name": value}).status_code in {400, 409}
        assert page.post("/learn/start", data={"name": value, "draft": value}).status_code in {400, 404}
        assert page.post("/tasks/cats/pick", data={"step": value}).status_code in {400, 422}
        file = ("x.safetensors", b"no task")
        assert page.post("/import", data={"name": value or "x"}, files={"file": file}).status_code in {400, 422}
    assert page.tree() == before


def test_a_name_that_leads_out_is_only_shown(page: Page) -> None:
    names = ["../../x.png", "..\\y.png", "/etc/z.png"]
    answer = page.post("/learn/images", files=[("files", (name, png())) for name in names])
    assert answer.status_code in {200, 303}
    stored = [path for path in page.root.joinpath("studio").rglob("*") if path.is_file()]
    assert {path.suffix for path in stored} == {".png", ".json"}
    assert all(path.resolve().is_relative_to(page.root.resolve()) for path in stored)


def bomb() -> bytes:
    """A zip of 10 MB that says it holds 10 GB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(40):
            archive.writestr(f"{index}.png", bytes(1 << 20))
    data = bytearray(file.getvalue())
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:  # in the list of entries, the size when unpacked
        data[at + 24 : at + 28] = (250 << 20).to_bytes(4, "little")
        at += 4
    return bytes(data)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("big.png", b"\x89PNG\r\n\x1a\n" + bytes(100 << 20), 413),
        ("bomb.zip", bomb(), 422),
        ("x.svg", SVG, 415),
        ("x.png", SVG, 415),
        ("cut.png", png()[:40], 422),
        ("x.zip", b"PK\x03\x04 no zip", 422),
        ("empty.png", b"", 415),
        ("page.html", b"<html>", 415),
        ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(1000), 422),
    ],
    ids=["100 MB", "zip bomb", "svg", "svg as png", "cut off", "no zip", "empty", "html", "no pixels"],
)
def test_what_is_no_image_is_refused_and_leaves_nothing(page: Page, name: str, data: bytes, status: int) -> None:
    before = page.tree()
    answer = page.post("/learn/images", files={"files": (name, data)}, headers={"hx-request": "true"})
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert page.tree() == before


def test_a_body_is_bounded_whatever_its_header_says(page: Page) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    before = page.tree()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert page.post("/tasks/cats/rename", content=endless(), headers=headers).status_code == 413
    assert page.post("/tasks/cats/rename", data={"name": "x" * (2 << 20)}).status_code == 413
    assert page.tree() == before


def test_a_large_image_is_refused_by_itself(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside others, which are taken."""
    large = png() + bytes(MAX_IMAGE_BYTES)
    answer = page.post(
        "/learn/images",
        files=[("files", ("a.png", png())), ("files", ("b.png", large))],
        headers={"hx-request": "true"},
    )
    assert answer.status_code == 200
    assert "b.png: 64 MB" in answer.text
    assert "a.png as training will see it" in answer.text


def test_names_and_errors_are_text_and_never_markup(page: Page) -> None:
    evil = "<img src=x onerror=alert(1)>.png"
    answer: Any = page.post("/learn/images", files={"files": (evil, png())}, headers={"hx-request": "true"})
    assert "<img src=x" not in answer.text
    assert "<b>" not in page.get("/tasks/<b>x").text
    assert "<b>" not in page.get("/?q=<b>").text
