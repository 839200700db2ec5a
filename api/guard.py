"""What stands before every route: host, origin, token, size, headers, counting; a line for operations and failures."""

from __future__ import annotations

import asyncio
import http.cookies
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, lacking, problem_of
from api.settings import Settings, is_address
from api.tokens import Token, TokenStore
from labkit.errors import LabError

OPEN = frozenset({"/health", "/health/ready", "/login"})
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_AUDIT = logging.getLogger("labkit.audit")
_REQUEST = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # what may go into a log as the client's name of a request
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"),
]
_ANEW, _KEPT = (b"cache-control", b"no-store"), (b"cache-control", b"private, max-age=31536000, immutable")
_LOGIN = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>labkit</title>
<body style="font-family:sans-serif;max-width:30em;margin:4em auto"><h1>labkit</h1>
<form action="login"><p><label>Token / Ficha: <input name="token" type="password" autocomplete="off" autofocus></label>
<button>OK</button></p></form>
<p>It is in the address that <code>labkit lab</code> or <code>labkit serve</code> printed; <code>labkit token new</code>
makes another.</p><p lang="es">Est&aacute; en la direcci&oacute;n que imprimi&oacute; <code>labkit lab</code> o
<code>labkit serve</code>; <code>labkit token new</code> crea otra.</p>"""

_WRONG = b"""<p role="alert"><strong>This token is not known, expired or revoked.</strong></p>
<p role="alert" lang="es"><strong>Esta ficha no se conoce, ha caducado o fue revocada.</strong></p>"""


class Guard:
    """ASGI middleware; what it lets pass has `scope["state"]["token"]`.

    Parameters
    ----------
    app : ASGI application
        What it guards.
    settings : Settings
    tokens : TokenStore
    needs : callable
        Returns the scope that a method and a path need.
    cookie : str
        The cookie's name; each port has its own, since browsers share cookies between ports.
    count : callable
        Told method, path template, status and seconds of each answer.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, tokens: TokenStore, needs: Callable[[str, str], str],
        cookie: str, count: Callable[[Scope, int, float], None],
    ) -> None:  # fmt: skip
        self._app, self._settings, self._tokens, self._needs, self._count = app, settings, tokens, needs, count
        self._cookie, self._running = cookie, 0
        self._hosts = {"localhost", *settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let pass."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        token: Token | None = None
        named = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request = named if _REQUEST.fullmatch(named) else secrets.token_hex(8).encode()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                kept = scope["path"].startswith("/assets/") and status == 200
                own = (b"x-request-id", request)
                message["headers"] = [*message.get("headers", ()), *_HEADERS, own, _KEPT if kept else _ANEW]
            await send(message)

        self._running += 1
        try:
            token = await self._pass(scope, receive, sending)
        finally:
            self._running -= 1
            self._count(scope, status, time.perf_counter() - begun)
            if status >= 500 or (scope["method"] in _UNSAFE and scope["path"] != "/predict"):
                who, asked = token.id if token else "-", _plain(scope["path"])
                _AUDIT.info("%s %s %s by %s request %s", scope["method"], asked, status, who, request.decode())

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> Token | None:
        """Answer what may not pass, else let the application answer; return the token."""
        token = None
        try:
            headers = dict(scope["headers"])
            self._check_host(headers)
            if self._running > self._settings.running:
                raise Problem(503, "too-busy", "Too many requests are being worked on: come again shortly.")
            if scope["method"] == "GET" and b"token=" in scope["query_string"]:
                await self._sign_in(scope, send)
                return None
            if scope["path"] == "/login":
                told = _LOGIN + _WRONG if scope["query_string"] == b"refused" else _LOGIN
                await _send(send, 200, told, [(b"content-type", b"text/html; charset=utf-8")])
                return None
            if scope["path"] not in OPEN and not self._is_preflight(scope, headers):
                token = await self._authenticate(scope, headers)
                scope.setdefault("state", {})["token"] = token
            receive = self._limited(headers, receive)
        except (Problem, LabError) as fault:
            a_person = b"text/html" in dict(scope["headers"]).get(b"accept", b"")
            if a_person and scope["path"] in ("/", "/docs") and isinstance(fault, Problem) and fault.status == 401:
                place = b"login?refused" if b"token=" in scope["query_string"] else b"login"
                await _send(send, 303, b"", [(b"location", place)])
                return None
            if a_person and scope["path"] == "/login":
                await _send(send, 401, _LOGIN + _WRONG, [(b"content-type", b"text/html; charset=utf-8")])
                return None
            await problem_of(fault).response()(scope, receive, send)
            return token
        await self._app(scope, receive, send)
        return token

    def _is_preflight(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a browser asks for one of the origins that may ask, which it does without a token."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        return scope["method"] == "OPTIONS" and origin in self._settings.origins

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        """Refuse names that a page of another site may have pointed at this machine (DNS rebinding).

        An IP address is no name, so that nobody can have pointed it anywhere.
        """
        try:
            name = urlsplit("//" + headers.get(b"host", b"").decode("latin-1")).hostname or ""
            known = name in self._hosts or is_address(name)
        except ValueError:
            known = False
        if not known:
            raise Problem(421, "unknown-host", "This server is asked by another name than it knows (LABKIT_HOSTS).")

    async def _authenticate(self, scope: Scope, headers: dict[bytes, bytes]) -> Token:
        """Return the token of a request, if it is good for what is asked."""
        bearer, by_cookie = headers.get(b"authorization", b""), False
        if bearer[:7].lower() == b"bearer ":
            given = bearer[7:].strip()
        else:
            given, by_cookie = self._cookie_of(headers), True
        token = await self._known(given.decode("latin-1")) if given else None
        if token is None:
            detail = "This token is not known, expired or revoked" if given else "A token is needed"
            raise Problem(
                401, "no-token", f"{detail}: open the address that the server printed, or send Authorization: Bearer.",
                headers={"WWW-Authenticate": 'Bearer realm="labkit"'},
            )  # fmt: skip
        if by_cookie and scope["method"] in _UNSAFE:
            self._check_origin(headers)
        needed = self._needs(scope["method"], scope["path"])
        if needed not in token.scopes:
            raise lacking(needed, token.scopes)
        return token

    async def _known(self, given: str) -> Token | None:
        """Return what a token is; a database that lets wait holds up nobody else."""
        return self._tokens.recall(given) or await asyncio.to_thread(self._tokens.check, given)

    def _check_origin(self, headers: dict[bytes, bytes]) -> None:
        """Refuse a page of another site that uses its reader's cookie."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        own = urlsplit(origin).netloc.encode("latin-1") == headers.get(b"host")
        if not (origin and (own or origin in self._settings.origins)):
            raise Problem(403, "wrong-origin", "A cookie is taken only from this server's own pages.")

    def _cookie_of(self, headers: dict[bytes, bytes]) -> bytes:
        jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
        try:
            jar.load(headers.get(b"cookie", b"").decode("latin-1"))
        except http.cookies.CookieError:
            return b""
        found = jar.get(self._cookie)
        return found.value.encode("latin-1", "replace") if found else b""

    async def _sign_in(self, scope: Scope, send: Send) -> None:
        """Change a token in an address for a cookie, and leave the address without it."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), "")
        if await self._known(given) is None:
            raise Problem(401, "no-token", "This token is not known, expired or revoked.")
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        last = "" if scope["path"] == "/login" else scope["path"].rpartition("/")[2]
        # Relative, so that it holds behind a proxy's path too; "./" keeps "x:y" from being another scheme.
        place = f"./{quote(last)}" + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={given}; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000"
        if scope.get("scheme") == "https":
            cookie += "; Secure"
        headers = [(b"location", place.encode("latin-1", "replace")), (b"set-cookie", cookie.encode("latin-1"))]
        await _send(send, 303, b"", headers)

    def _limited(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """Return a `receive` that ends a body beyond the limit, whether or not it said its length."""
        most, seen = self._settings.body_bytes, 0
        told = headers.get(b"content-length", b"0")
        if not told.isdigit() or int(told) > most:
            raise _too_large(most)
        if b"transfer-encoding" not in headers:
            return receive

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise _too_large(most)
            return message

        return limited


def _too_large(most: int) -> Problem:
    return Problem(413, "too-large", f"A request may have {most:,} bytes at most.")


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def _plain(text: Any) -> str:
    """Return a text that cannot break a line of a log."""
    return str(text).encode("unicode_escape").decode("ascii")[:200]
