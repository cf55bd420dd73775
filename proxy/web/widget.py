"""GET: the widget's script, for every page."""

import gzip
import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, NamedTuple

from aiohttp import web

from proxy.web.answers import HEADERS
from proxy.web.query import refuse_unknown_query
from proxy.web.static import etag_of, is_kept

_HEADERS: Final = MappingProxyType(
    {
        **HEADERS,
        "Cache-Control": "no-cache",
        # A page that demands this of all that it loads (Cross-Origin-Embedder-Policy) can have it, too.
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Accept-Encoding",
    }
)

_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)


class _Script(NamedTuple):
    plain: bytes
    compressed: bytes
    etag: str


async def show_widget(request: web.Request) -> web.Response:
    """GET /feedback/widget.js: two thumbs for any page, or 304 for who has them."""
    refuse_unknown_query(request)
    script = _written()
    is_compressed = _GZIP.search(request.headers.get("Accept-Encoding", "")) is not None
    # Weak: it is the same script, however it is packed.
    headers = {**_HEADERS, "ETag": f'W/"{script.etag}"'}
    if is_kept(request, script.etag):
        return web.Response(status=304, headers=headers)
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(
        body=script.compressed if is_compressed else script.plain,
        content_type="text/javascript",
        charset="utf-8",
        headers=headers,
    )


@cache
def _written() -> _Script:
    """The script as it lies beside this module: most sidecars are never asked for it."""
    plain = resources.files("proxy.web").joinpath("static", "widget.js").read_bytes()
    return _Script(plain, gzip.compress(plain, mtime=0), etag_of(plain))
