"""GET: the local API's description, for programs."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from aiohttp import web

import proxy
from proxy.web.answers import answer
from proxy.web.protection import reached_by
from proxy.web.query import refuse_unknown_query


async def show_openapi(request: web.Request) -> web.Response:
    """GET /feedback/openapi.json: OpenAPI 3.1, with the address by which the client came."""
    refuse_unknown_query(request)
    written = _written()
    return answer(
        {
            **written,
            "info": {**written["info"], "version": proxy.__version__},
            "servers": [{"url": f"http://{reached_by(request)}"}],
        }
    )


@cache
def _written() -> Mapping[str, Any]:
    """The description as it lies beside this module: most sidecars are never asked for it."""
    text = resources.files("proxy.web").joinpath("openapi.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
