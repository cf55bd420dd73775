"""How a rating is to be taken: what it waits for, how long it is held, and whether it may count only once."""

import hashlib
import re
from dataclasses import dataclass

from aiohttp import web

from proxy.delivery.intake import Until
from proxy.errors import CallerError
from proxy.stores.contract import OnceOnly
from proxy.web.context import CONTEXT
from proxy.web.query import seconds, word

NAMES = ("wait", "timeout", "hold")
"""What a query may say of it."""

_LONGEST_WAIT_SECONDS = 60
_LONGEST_HOLD_SECONDS = 3600
_WAITING = ("wait=", "timeout=")
_KEY = re.compile("[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody who rates wants."""

    until: Until
    timeout_seconds: float
    hold_seconds: float


def wishes(request: web.Request, default: Until | None = None) -> Wishes:
    """What the query says, else the settings; `default` goes before their `wait`. Raises CallerError."""
    settings = request.app[CONTEXT].feedback
    until = word(request, "wait", default or Until(settings.wait), tuple(Until))
    # Who asks for that has time: storing takes Helicone far longer than accepting.
    asks_for_verified = until is Until.VERIFIED and "wait" in request.query
    usual = _LONGEST_WAIT_SECONDS if asks_for_verified else settings.timeout_seconds
    return Wishes(
        until,
        timeout_seconds=seconds(request, "timeout", usual, most=_LONGEST_WAIT_SECONDS),
        hold_seconds=seconds(request, "hold", settings.hold_seconds, most=_LONGEST_HOLD_SECONDS),
    )


def once_only(request: web.Request, body: bytes) -> OnceOnly | None:
    """What the `Idempotency-Key` of a request makes of it, if there is one. Raises CallerError."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise CallerError("Idempotency-Key has to be one text of up to 200 visible ASCII characters.")
    # How long somebody waits is no part of what they say: one who asks again may wait for more.
    path, *query = re.split("[?&]", request.raw_path)
    target = "&".join([path, *[part for part in query if not part.startswith(_WAITING)]])
    # Neither method nor target holds a line's end, so no two requests read the same.
    said = f"{request.method}\n{target}\n".encode("utf-8", "surrogateescape")
    return OnceOnly(keys[0], hashlib.sha256(said + body).hexdigest())
