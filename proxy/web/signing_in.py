"""A browser says its token once, in the address bar, and from then on its session, in a cookie.

Nobody can type a header into a browser. The cookie is not the token: it opens local routes alone, and nothing once
this process has ended. Cookies ignore ports, so its name has the one by which the browser came.
"""

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from proxy.guard.decisions import is_browser
from proxy.guard.hosts import parse_authority
from proxy.guard.tokens import Tokens
from proxy.relay.headers import Fields
from proxy.web.answers import answer
from proxy.web.query import query_of, secrets_said, target_of

_NAME: Final = "token"
_COOKIE: Final = "helicone-proxy-"
_SESSIONS: Final = re.compile(
    rb"(?:^|[;,])[ \t]*%b([0-9]+)=([0-9a-f]{64})(?=[ \t]*(?:[;,]|$))" % _COOKIE.encode()
)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def token_in_query(request: web.Request) -> bytes | None:
    """The token that the address says; None if it says none, or not with GET, the method of an address bar."""
    if request.method != "GET":
        return None
    said = secrets_said(request, _NAME)
    if not said:
        return None
    # Said in two ways it is none.
    return said[0] if len(set(said)) == 1 else b""


def session_of(request: web.Request, fields: Fields) -> str:
    """The session that a browser's cookie says, where it counts; "" if there is none.

    It does not count for a change that shows no sign of a browser. Those that send no such sign may be too old for
    `SameSite`, too, and would send the cookie along with another page's form; the guard could not tell.
    """
    if request.method not in _SAFE_METHODS and not is_browser(fields):
        return ""
    # Not by `request.cookies`: those of every app on this host come along, and to read them all takes long.
    port = b"%d" % _port(fields)
    found = [value for each, value in _SESSIONS.findall(fields.get(b"cookie", b"")) if each == port]
    return found[-1].decode("ascii") if found else ""


def signed_in(request: web.Request, fields: Fields, tokens: Tokens | None, token: bytes) -> web.Response:
    """The answer to one who has said `token` in the address: the same address without it, and a cookie if that is
    a token."""
    left = "&".join([part for part in query_of(request).split("&") if not _is_token(part)])
    # The path as it came: the guard has seen to it that it is one of ours, so no other site is meant by it.
    location = target_of(request).path.decode("latin-1") + (f"?{left}" if left else "")
    response = answer({"message": "Signed in; go on without the token."}, status=HTTPStatus.SEE_OTHER)
    response.headers["Location"] = location
    response.headers["Referrer-Policy"] = "no-referrer"
    session = None if tokens is None else tokens.session_of(token)
    if session is not None:
        name = f"{_COOKIE}{_port(fields)}"
        response.set_cookie(name, session, path="/feedback", httponly=True, samesite="Strict")
    return response


def _port(fields: Fields) -> int:
    authority = parse_authority(fields.get(b"host", b""))
    return 80 if authority is None else authority[1]


def _is_token(part: str) -> bool:
    return unquote(part.partition("=")[0]) == _NAME
