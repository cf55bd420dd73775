"""The vendor. Only this module spells a Helicone header, host, path or payload.

Facts come from Helicone's public source; each is named where it is used. What the relay and the memory of
calls need are plain functions on bytes and text; `HeliconeApi` is the one client of Helicone's own API.
"""

import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.errors import (
    HeliconeBusy,
    HeliconeError,
    HeliconeRejected,
    HeliconeTimeout,
    HeliconeUnauthorized,
    HeliconeUnreachable,
)
from proxy.relay.reasons import of_failure

# --- hosts (worker/wrangler.toml; docs/snippets/eu-api-warning.mdx) ---------------------------------------

DEFAULT_GATEWAY_URL = "https://oai.helicone.ai"
API_URL = "https://api.helicone.ai"
EU_API_URL = "https://eu.api.helicone.ai"
_HOST_SUFFIXES = (".helicone.ai", ".hconeai.com")


def api_url_for(key: str | None) -> str:
    """Where the API of that key's region is: a European key at the other API gets 401 (Helicone #2760)."""
    return EU_API_URL if key is not None and "helicone-eu" in key else API_URL


def is_gateway_host(host: str) -> bool:
    """Whether `host` (a name without port) is one of Helicone's own, so that the Helicone key may go there."""
    return f".{host.lower()}".endswith(_HOST_SUFFIXES)


# --- headers (worker/src/lib/models/HeliconeHeaders.ts) ---------------------------------------------------

AUTH = b"helicone-auth"
REQUEST_ID = b"helicone-request-id"
ANSWER_ID = b"helicone-id"


def auth_line(key: str) -> bytes:
    """The header line, with its end, that makes a call count under `key`."""
    return b"Helicone-Auth: Bearer %b\r\n" % key.encode("ascii")


def request_id_line(request_id: bytes) -> bytes:
    """The header line, with its end, that gives a call its id before it is answered."""
    return b"Helicone-Request-Id: %b\r\n" % request_id


# --- keys (worker/src/lib/util/apiKeyRegex.ts) ------------------------------------------------------------

_KEY = rb"[sp]k(?:-rl)?(?:-helicone)(?:-rl)?(?:-eu)?(?:-cp)?(?:-rl)?(?:-\w{7}){4}"
_KEY_SHAPE = re.compile(rb"(?:Bearer\s+)?(" + _KEY + rb")", re.IGNORECASE)
_BEARER = re.compile(rb"Bearer\s+(\S+)\s*", re.IGNORECASE)
_KEY_IN_PATH = re.compile(rb"/([sp]k-helicone[\w-]+)(?=/|$)")


def caller_key(fields: Mapping[bytes, bytes], path: bytes) -> str | None:
    """The Helicone key that the app itself sent with a call, or None.

    `Helicone-Auth` first; then `Authorization` and `x-api-key` when they hold a key of Helicone's shape (the
    AI gateway takes it there); then a path segment, which Helicone cuts out.
    """
    if AUTH in fields:
        match = _BEARER.fullmatch(fields[AUTH])
        return match[1].decode("latin-1") if match else None
    for value in (fields.get(b"authorization"), fields.get(b"x-api-key")):
        # `find`, here and below: `in` tries bytes as an integer first, and raises and catches inside.
        if value is not None and value.find(b"helicone") >= 0 and (match := _KEY_SHAPE.fullmatch(value)):
            return match[1].decode("ascii")
    if path.find(b"k-helicone") >= 0 and (match := _KEY_IN_PATH.search(path)):
        return match[1].decode("ascii")
    return None


def fingerprint(key: str) -> str:
    """What may be kept and shown in a key's place: enough to tell keys apart, useless to anyone else."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


# --- which calls (worker/src/routers/openaiProxyRouter.ts) ------------------------------------------------


def is_passed_raw(path: bytes) -> bool:
    """Whether Helicone hands this call to the provider unread: nothing is logged, and our key would leak.

    Those are paths that contain `audio`, and `/v1/files`. Reading a file is logged, but the key stays away
    from all of `/v1/files`: the worker's rule is theirs to change, the key is not theirs to leak.
    """
    return b"audio" in path or b"/v1/files" in path


# --- ids (worker getValidUUID.ts; valhalla/jawn RequestManager.isUUID) ------------------------------------

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def valid_request_id(text: str) -> str | None:
    """`text` as an id that Helicone accepts (a UUID of version 1 to 5), else None.

    In lower case: a rating posted under an upper-case id is answered 201 and lost.
    """
    lowered = text.lower()
    return lowered if _UUID.fullmatch(lowered) else None


# --- the API (valhalla/jawn requestController.ts, middleware/auth.ts, middleware/ratelimitter.ts) ---------

NOT_RECORDED = "The rating is not recorded: send it again."
NOT_KNOWN = "For all we know the rating is not recorded: send it again, which does no harm."
_HEADERS = MappingProxyType({"Accept": "application/json"})
_LONGEST_ANSWER_BYTES = 64 * 1024


class HeliconeApi:
    """Helicone's API, spoken to through one shared session.

    Nothing of the app's call travels along: no cookie, no `Origin` (which the API answers with 500).
    """

    def __init__(self, session: aiohttp.ClientSession, api_url: str, *, timeout_seconds: float) -> None:
        self._session = session
        self._base = URL(api_url.rstrip("/"), encoded=True)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    def __repr__(self) -> str:
        return f"<HeliconeApi {self._base}>"

    async def rate(self, request_id: str, *, up: bool, key: str) -> int:
        """Post one rating. Gives the status of Helicone's answer (201).

        That means accepted, not stored: a rating of a request which Helicone has not ingested yet gets the
        same answer and is dropped (ScoreStore.putScoresIntoClickhouse).

        Raises `HeliconeError` or one of its kinds; none of them holds the key.
        """
        return await self._post(f"/v1/request/{request_id}/feedback", {"rating": up}, key)

    async def _post(self, path: str, payload: Mapping[str, Any], key: str) -> int:
        url = URL(f"{self._base}{path}", encoded=True)
        headers = {**_HEADERS, "Authorization": f"Bearer {key}"}
        try:
            async with self._session.post(
                url, json=payload, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                said = await _beginning(answer)
                if answer.status != HTTPStatus.CREATED:
                    raise self._refusal(answer.status, said, answer.headers, key)
                return answer.status
        except TimeoutError:
            seconds = self._timeout.total
            raise HeliconeTimeout(
                f"Helicone's API at {self._base} did not answer within {seconds:g} s. {NOT_KNOWN}"
            ) from None
        except aiohttp.ClientConnectorCertificateError as error:
            why = of_failure(error.os_error)
            raise HeliconeUnreachable(
                f"Helicone's API at {self._base} cannot be reached: {why}. {NOT_RECORDED}"
            ) from None
        except aiohttp.ClientConnectorError:
            raise HeliconeUnreachable(
                f"Helicone's API at {self._base} cannot be reached. {NOT_RECORDED}"
            ) from None
        except aiohttp.ClientHttpProxyError as error:
            raise HeliconeUnreachable(
                f"Helicone's API at {self._base} cannot be reached: the proxy in HTTPS_PROXY answered "
                f"{error.status} to CONNECT. {NOT_RECORDED}"
            ) from None
        except aiohttp.ClientError as error:
            # The class and nothing more: the repr of an aiohttp exception holds the request's headers.
            raise HeliconeUnreachable(
                f"The connection to Helicone's API at {self._base} broke ({type(error).__name__}). {NOT_KNOWN}"
            ) from None

    def _refusal(self, status: int, said: str, headers: CIMultiDictProxy[str], key: str) -> HeliconeError:
        """Helicone's refusal as an error with a sentence: the table of requestController.ts and auth.ts."""
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or "Invalid token." in said:
            return HeliconeUnauthorized(self._about_the_key(status, key))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = _seconds(headers.get("Retry-After"))
            when = f"in {wait} s" if wait is not None else "in a few minutes"
            return HeliconeBusy(
                f"Helicone's limit on API calls is reached; the whole organisation shares it. "
                f"The rating is not recorded: send it again {when}.",
                wait,
            )
        if status == HTTPStatus.UNPROCESSABLE_ENTITY or "valid UUID" in said:
            return HeliconeRejected(
                f"Helicone refused the form of the rating with {status}. That is a bug of "
                "helicone-feedback-proxy, not of your request; please report it."
            )
        if 200 <= status < 400:
            what = "a redirect" if status >= 300 else "a success"
            return HeliconeError(
                f"{self._base} answered with {what} of a kind ({status}) that Helicone's API never sends; "
                f"is [helicone] api_url right? {NOT_RECORDED}"
            )
        return HeliconeError(f"Helicone's API answered {status}. {NOT_RECORDED}")

    def _about_the_key(self, status: int, key: str) -> str:
        region = "a European key" if "helicone-eu" in key else "a key that is not European"
        return (
            f"Helicone refused the key with {status}: it is unknown or deleted, it may not write, or it belongs "
            f"to the other region ({region} was sent to {self._base}). Check HELICONE_API_KEY, "
            f"its write permission, and [helicone] api_url. {NOT_RECORDED}"
        )


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """What an answer says, or as much of it as is enough for any of Helicone's refusals."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) >= _LONGEST_ANSWER_BYTES:
            break
    return body.decode("utf-8", "replace")


def _seconds(retry_after: str | None) -> int | None:
    """`Retry-After` in seconds; the form with a date is not one that Helicone uses."""
    return (
        int(retry_after)
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit()
        else None
    )
