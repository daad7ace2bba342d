"""Who may use the page: one secret, our own Host and Origin, bounded bodies, and headers that forbid all else."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECRET = "secret"  # noqa: S105 - the parameter of the first address
READING = ("GET", "HEAD")
DRAIN = 1 << 30  # bytes of a refused body that are read and dropped, so that the client sees the answer

POLICY = "; ".join([
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'",
])  # fmt: skip
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may ask. hosts: values of the header Host that are ours, in lower case, with the port.

    The secret comes once as a parameter of the first address, then as a cookie; a script may send it as a bearer token.
    """

    hosts: frozenset[str]
    port: int
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @classmethod
    def to(cls, names: Iterable[str], port: int) -> Access:
        """For the host names that the server is reached by, at a port."""
        return cls(frozenset(f"{_bracketed(name).lower()}:{port}" for name in names), port)

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers keep one set of cookies for all ports of a host."""
        return f"lfsgan-studio-{self.port}"

    def is_secret(self, given: str) -> bool:
        """Whether it is the secret; takes as long whatever is wrong with it."""
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), self.secret.encode())

    def knows(self, headers: Headers) -> bool:
        """Whether a request carries the secret."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        cookies = [cookie_parser(line).get(self.cookie, "") for line in headers.getlist("cookie")]
        return any(map(self.is_secret, [*cookies, *([token] if scheme.lower() == "bearer" else [])]))


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


class Guard:
    """The outermost layer: nothing behind it sees a request that it refuses.

    421 for a foreign Host, 403 for a foreign Origin or another site, 401 without the secret, 413 for a body that is
    longer than `limit` allows at the path.
    """

    def __init__(self, app: ASGIApp, access: Access, limit: Callable[[str], int]) -> None:
        self.app, self.access, self.limit = app, access, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it. There are no websockets."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"], *((name.encode(), value.encode()) for name, value in HEADERS.items())
                ]  # fmt: skip
            await send(message)

        response = self._refusal(scope, headers) or self._first(scope, headers)
        length = headers.get("content-length", "0")
        if response is None and length.isdecimal() and int(length) > self.limit(path):
            response = PlainTextResponse(_too_long(self.limit(path)), 413)
        if response is None:
            await self.app(scope, _bounded(receive, self.limit(path)), guarded)
        else:
            await _drain(scope, receive)
            await response(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "").lower()
        if host not in self.access.hosts:
            return PlainTextResponse("This server has another name. Open the address that it printed.", 421)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return PlainTextResponse("Only the page itself may send this: it came from another origin.", 403)
        site, reading = headers.get("sec-fetch-site", "same-origin"), scope["method"] in READING
        if site == "same-origin" or (reading and site == "none"):
            return None
        if reading and headers.get("sec-fetch-mode") == "navigate" and self._has_secret(scope):
            return None  # the printed address, as a link in another page
        return PlainTextResponse("Only the page itself may send this: it came from another site.", 403)

    def _first(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to the first address, which turns the secret into a cookie; a refusal without any secret."""
        if self._has_secret(scope) and scope["method"] in READING:
            response = RedirectResponse(_without_secret(scope), 303)
            response.set_cookie(self.access.cookie, self.access.secret, path="/", httponly=True, samesite="strict")
            return response
        if self.access.knows(headers):
            return None
        text = "The secret is missing or of another run. Open the address that `lfsgan studio` printed."
        return PlainTextResponse(text, 401, {"www-authenticate": "Bearer"})

    def _has_secret(self, scope: Scope) -> bool:
        given = QueryParams(scope["query_string"]).getlist(SECRET)
        return len(given) == 1 and self.access.is_secret(given[0])


def _without_secret(scope: Scope) -> str:
    """The path of the first address, on this server in any case: `//elsewhere` would lead away."""
    rest = [(key, value) for key, value in QueryParams(scope["query_string"]).multi_items() if key != SECRET]
    path = "/" + urlsplit(scope["path"]).path.lstrip("/")
    return f"{path}?{QueryParams(rest)}" if rest else path


def _too_long(most: int) -> str:
    return f"That is more than {most / (1 << 20):,.0f} MB, which is the most here."


def _bounded(receive: Receive, most: int) -> Receive:
    """The body as it comes, but 413 as soon as it is longer than it may be, whatever its header says."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            while message.get("more_body", False) and seen < DRAIN:
                message = await receive()
                seen += len(message.get("body", b""))
            raise HTTPException(413, _too_long(most))
        return message

    return counted


async def _drain(scope: Scope, receive: Receive) -> None:
    """Read a body to nowhere: a client that still sends would see a broken connection instead of the answer."""
    if scope["method"] in READING:
        return
    seen, more = 0, True
    while more and seen < DRAIN:
        message = await receive()
        seen += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
