"""GET: how the sidecar is."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

import proxy
from proxy.errors import OutboxFailed
from proxy.web.answers import answer, moment
from proxy.web.context import CONTEXT


async def show_health(request: web.Request) -> web.Response:
    """GET /feedback/health."""
    context = request.app[CONTEXT]
    delivery: dict[str, Any]
    try:
        delivery = _with_moments(await context.delivery.report())
        status = "ok" if delivery["not_taking"] is None else "degraded"
    except OutboxFailed as error:
        # Calls go on all the same.
        delivery = {"error": {"code": error.code, "message": error.message}}
        status = "degraded"
    return answer(
        {
            "status": status,
            "version": proxy.__version__,
            "uptime_seconds": round(context.clock() - context.started, 1),
            "upstream": context.routes[0].url,
            "routes": [
                {
                    "name": route.name,
                    "path": route.shown_path,
                    "url": route.url,
                    "helicone_api": route.api_url or context.api_url,
                }
                for route in context.routes
            ],
            "helicone_api": context.routes[0].api_url or context.api_url,
            "helicone_key": "configured" if context.keys.own_fingerprint is not None else "not configured",
            "calls": {
                "open": context.open_calls(),
                "remembered": len(context.store),
                "capacity": context.store.capacity,
            },
            "delivery": delivery,
            **({} if context.judge is None else {"rules": context.judge.report()}),
        }
    )


def _with_moments(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its times as all others are written here."""
    paused = [{**each, "since": moment(each["since"])} for each in report["paused_keys"]]
    return {**report, "last_success_at": moment(report["last_success_at"]), "paused_keys": paused}
