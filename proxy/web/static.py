"""GET: the files of the page and of what else runs in a browser, as they lie in `static/`."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final, NamedTuple

from aiohttp import web

from proxy.web.query import refuse_unknown_query

_TYPES: Final = MappingProxyType({"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"})
_DOCUMENTS: Final = "html"
_PAGE_HEADERS: Final = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
            "trusted-types 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Vary": "Accept",
    }
)
"""Scripts and styles from our own files alone, nothing from elsewhere, no frame around it, no text as HTML."""


class Asset(NamedTuple):
    """A file as it is served."""

    body: bytes
    content_type: str
    etag: str


async def serve_asset(request: web.Request) -> web.StreamResponse:
    """GET /feedback/page/<name>: a script, a style or a picture of the page."""
    refuse_unknown_query(request)
    asset = _assets("page").get(request.match_info["name"])
    if asset is None or asset.content_type not in _TYPES.values():
        raise web.HTTPNotFound
    response = web.Response(content_type=asset.content_type, charset="utf-8")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.etag = asset.etag
    if is_kept(request, asset.etag):
        response.set_status(304)
    else:
        response.body = asset.body
    return response


def is_kept(request: web.Request, etag: str) -> bool:
    """Whether whoever asks has it already (RFC 9110 §13.1.2)."""
    return any(each.value in (etag, "*") for each in request.if_none_match or ())


def etag_of(body: bytes) -> str:
    """By that it is known again."""
    return hashlib.sha256(body).hexdigest()[:32]


def page(name: str, *, status: int = 200) -> web.Response:
    """A whole document of the page."""
    body = _assets("page")[f"{name}.{_DOCUMENTS}"].body
    return web.Response(
        body=body, status=status, content_type="text/html", charset="utf-8", headers=_PAGE_HEADERS
    )


def wants_page(request: web.Request) -> bool:
    """Whether a browser goes there, and shows what it gets: all others get JSON."""
    return request.method in ("GET", "HEAD") and prefers_html(request.headers.get("Accept", ""))


def prefers_html(accept: str) -> bool:
    """Whether `Accept` asks for HTML by name, and for nothing of ours more (RFC 9110 §12.5.1)."""
    said = dict(map(_weighed, accept.lower().split(",")))
    html = said.get("text/html", 0.0)
    return html > 0 and html >= said.get("application/json", 0.0)


def _weighed(media_range: str) -> tuple[str, float]:
    """A media range and its weight; one that is malformed weighs nothing."""
    name, *parameters = (part.strip() for part in media_range.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter.removeprefix("q="))
            except ValueError:
                return name, 0.0
    return name, 1.0


@cache
def _assets(folder: str) -> Mapping[str, Asset]:
    """The files of a folder by name, all read at once: an upgrade underneath must not mix two versions."""
    files = resources.files("proxy.web").joinpath("static", folder).iterdir()
    return MappingProxyType({file.name: _read(file) for file in files})


def _read(file: Traversable) -> Asset:
    body = file.read_bytes()
    content_type = _TYPES.get(file.name.rpartition(".")[2], "text/html")
    return Asset(body, content_type, etag_of(body))
