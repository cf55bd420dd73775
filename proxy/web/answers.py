"""JSON shapes, and errors as sentences."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.delivery.intake import Standing
from proxy.errors import SidecarError
from proxy.model import Call, RatingState

logger = logging.getLogger(__name__)

HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        # A browser that shows an answer asks for /favicon.ico next, and that would go to the gateway.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
)
"""What every answer of ours says."""


def answer(document: Mapping[str, Any], *, status: int = HTTPStatus.OK) -> web.Response:
    """`document` as JSON that a person at a terminal can read too."""
    # json's encoder is Python's own where it indents: a thousand ratings would stop every relayed call for 25 ms.
    body = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    return web.Response(
        body=body, status=status, content_type="application/json", charset="utf-8", headers=HEADERS
    )


def refusal(
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> web.Response:
    """An error, in the shape that the relay's own errors have too; `details` stand beside it."""
    document = {"error": {"message": message, "type": "sidecar_error", "code": code}}
    response = answer({**document, **(details or {})}, status=status)
    response.headers["Feedback-Error"] = code
    response.headers.update(headers or {})
    return response


def describe_call(call: Call, rating: Mapping[str, Any] | None) -> dict[str, Any]:
    """A call and its rating as JSON. Times are in milliseconds, but for its age."""
    tokens, preview = call.tokens, call.preview
    return {
        "id": call.request_id,
        "aliases": list(call.aliases),
        "route": call.route,
        "method": call.method,
        "path": call.path,
        "model": call.model,
        "status": call.status,
        "state": call.state,
        "started_at": moment(call.started_at),
        "age_seconds": round(call.age_seconds, 1),
        "first_byte_ms": _milliseconds(call.time_to_first_byte_seconds),
        "duration_ms": _milliseconds(call.duration_seconds),
        "bytes_up": call.bytes_up,
        "bytes_down": call.bytes_down,
        "user": call.user,
        "session": call.session,
        "properties": dict(call.properties),
        "client": call.client,
        "address": call.address,
        "user_agent": call.user_agent,
        "tokens": None if tokens is None else {"input": tokens.input, "output": tokens.output},
        **({} if preview is None else {"preview": {"prompt": preview.prompt, "answer": preview.answer}}),
        "rating": rating,
        **({} if call.unratable is None else {"unratable": call.unratable}),
    }


def describe_standing(standing: Standing) -> dict[str, Any]:
    """A rating as JSON: what was said, and its state."""
    rating = standing.entry.rating
    said = rating.as_document()
    # That is for Helicone, where it is written over.
    said.pop("overruled", None)
    return {
        "rating": rating.up,
        "thumb": rating.thumb,
        **said,
        "state": standing.state,
        **({} if standing.reason is None else {"reason": standing.reason}),
        "rated_at": moment(standing.entry.rated_at),
    }


def describe_progress(standing: Standing, now: float) -> dict[str, Any]:
    """A rating as JSON, with all that is known of its way. `now` is a Unix time."""
    state, progress = standing.state, standing.entry.progress
    due_at = standing.due_at
    verified_at = progress.settled_at if state is RatingState.VERIFIED else None
    return {
        **describe_standing(standing),
        "attempts": progress.posts,
        "failures": progress.failures,
        "next_attempt_at": moment(due_at),
        "next_attempt_in_seconds": None if due_at is None else round(max(0.0, due_at - now), 1),
        "accepted_at": moment(progress.accepted_at),
        "verified_at": moment(verified_at),
    }


def moment(unix_time: float | None) -> str | None:
    """A Unix time as it is written here: ISO 8601, in UTC; None if it has not come."""
    if unix_time is None:
        return None
    return datetime.fromtimestamp(unix_time, UTC).isoformat(timespec="milliseconds")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


@web.middleware
async def errors_as_sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong in a handler becomes JSON with a sentence in it."""
    try:
        return await handler(request)
    except SidecarError as error:
        wait = error.retry_after_seconds
        headers = {} if wait is None else {"Retry-After": str(wait)}
        return refusal(error.status, error.code, error.message, headers, error.details)
    except web.HTTPRequestEntityTooLarge:
        return refusal(
            413, "body_too_large", "A rating fits into 64 KiB, a batch into 4 MiB; this body does not."
        )
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return refusal(405, "method_not_allowed", f"This path takes {allowed}.", {"Allow": allowed})
    except web.RequestPayloadError:
        return refusal(400, "malformed_body", "The body is not what its headers say it is.")
    except ConnectionError:
        # Nobody is left to read this; it is how a handler ends whose client hung up within its body.
        return refusal(400, "client_left", "The connection was closed within the request.")
    except web.HTTPNotFound:
        return refusal(
            404,
            "no_such_route",
            "There is nothing at this path. Try /feedback, /feedback/last, /feedback/<id>, "
            "/feedback/<id>/session, /feedback/batch, /feedback/compare, /feedback/events, /feedback/outbox, "
            "/feedback/outbox/retry, /feedback/search, /feedback/webhooks/open-webui, /feedback/widget.js, "
            "/feedback/health, /feedback/metrics or /feedback/openapi.json.",
        )
    except Exception:
        # The last net under the local API: a bug here must be a sentence there, and a trace in the log.
        logger.exception("A local request failed: %s", request.method)
        return refusal(500, "internal_error", "The sidecar has a bug; its log has the details.")
