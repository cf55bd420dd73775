"""The vendor as the gateway: its headers, hosts, and what it takes for a key and an id. Pure.

Only this module and `helicone_api.py` spell a Helicone header, host, path or payload. Facts come from Helicone's
public source; each is named where it is used.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from proxy.relay.headers import PROVIDER_KEY_NAMES

# --- hosts (worker/wrangler.toml; docs/snippets/eu-api-warning.mdx) ---------------------------------------

DEFAULT_GATEWAY_URL = "https://oai.helicone.ai"
API_URL = "https://api.helicone.ai"
EU_API_URL = "https://eu.api.helicone.ai"
API_URLS = (API_URL, EU_API_URL)
_HOST_SUFFIXES = (".helicone.ai", ".hconeai.com")


def api_url_for(key: str | None) -> str:
    """Where the API of that key's region is: a European key at the other API gets 401 (Helicone #2760)."""
    return EU_API_URL if key is not None and is_european(key) else API_URL


def is_european(key: str) -> bool:
    """Whether a key belongs to the European region."""
    return "helicone-eu" in key


def is_gateway_host(host: str) -> bool:
    """Whether `host` (a name without port) is one of Helicone's own, so that the Helicone key may go there."""
    return f".{host.lower()}".endswith(_HOST_SUFFIXES)


def hands_authorization_on(host: str) -> bool:
    """Whether a host of Helicone's takes what stands in `Authorization` as the provider's, and hands it on."""
    return is_gateway_host(host) and not host.lower().startswith("ai-gateway.")


# --- headers (worker/src/lib/models/HeliconeHeaders.ts) ---------------------------------------------------

PREFIX: Final[bytes] = b"helicone-"
AUTH: Final[bytes] = b"helicone-auth"
REQUEST_ID = b"helicone-request-id"
ANSWER_ID = b"helicone-id"
USER_ID = b"helicone-user-id"
SESSION_ID = b"helicone-session-id"
PROPERTY_PREFIX = b"helicone-property-"
AUTHORIZATION: Final[bytes] = b"authorization"
"""Where the AI gateway has the Helicone key; everywhere else it is the provider's."""
KEY_PLACES = (AUTH.decode(), AUTHORIZATION.decode(), "none")
"""Where a route may have it, as a configuration says it."""
PROVIDER_KEY_PLACES = tuple([name.decode() for name in PROVIDER_KEY_NAMES])
"""Where a route may have the provider's key, likewise."""
ANSWER_NAMES: Final[tuple[bytes, ...]] = (
    ANSWER_ID,
    b"helicone-cache",
    b"helicone-ratelimit-limit",
    b"helicone-ratelimit-policy",
    b"helicone-ratelimit-remaining",
    b"helicone-ratelimit-reset",
)
"""What it says of a call in the headers of its answer that an app may want to read."""
KEY_HEADERS = frozenset(
    {
        AUTH,
        AUTHORIZATION,
        REQUEST_ID,
        b"api-key",
        b"helicone-authorization",
        b"helicone-jwt",
        b"helicone-manual-access-key",
        b"x-api-key",
        b"x-goog-api-key",
    }
)
"""What says whose a call is, or which one: for apps, and not for a configuration, to set."""
SECRET_HEADERS = (KEY_HEADERS - {REQUEST_ID}) | {b"cookie", b"proxy-authorization"}
"""What nobody is shown."""


def auth_line(key: str, name: bytes = AUTH) -> bytes:
    """The header line, with its end, that makes a call count under `key`; `name` as above."""
    return b"%b: Bearer %b\r\n" % (name.title(), key.encode("ascii"))


def request_id_line(request_id: bytes) -> bytes:
    """The header line, with its end, that gives a call its id before it is answered."""
    return b"Helicone-Request-Id: %b\r\n" % request_id


# --- where else a call may be sent (worker/src/routers/gatewayRouter.ts, lib/models/HeliconeHeaders.ts and
# HeliconeProxyRequest.ts; valhalla/jawn/src/lib/proxy/WebSocketProxyForwarder.ts; QStash's own callbacks) ----

_TARGETS: Final = (
    b"helicone-target-url",
    b"helicone-openai-api-base",
    b"upstash-callback",
    b"upstash-failure-callback",
)
_FALLBACKS: Final = b"helicone-fallbacks"
TARGET_NAMES: Final = frozenset({*_TARGETS, _FALLBACKS})
"""Headers that have Helicone take a call, with the provider's key in it, to a place of the caller's choice.

Other headers name hosts, too (Helicone-Posthog-Host, Helicone-Lytix-Host): what goes there has no key in it.
"""
_AZURE_RESOURCE: Final = b"resource"


def targets_of(fields: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Every place that a request names so: the header's name, and the URL; b"" where none can be read."""
    for name in _TARGETS:
        if name in fields:
            yield name, fields[name]
    if _FALLBACKS in fields:
        try:
            named = [url for each in json.loads(fields[_FALLBACKS]) for url in _targets_of_fallback(each)]
        # Whatever is not as Helicone has it may be read otherwise there.
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            named = []
        yield from ((_FALLBACKS, url) for url in named or (b"",))


def _targets_of_fallback(fallback: dict[str, Any]) -> Iterator[bytes]:
    """Where one fallback leads: its own URL, and what the headers say that it puts over the call's."""
    yield fallback["target-url"].encode()
    for name, value in fallback.get("headers", {}).items():
        if name.strip().lower().encode() in TARGET_NAMES:
            yield value.encode()


def targets_in_query(query: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every place that a realtime session's query names: the parameter, and the URL.

    `resource` becomes part of Azure's host name there, unread, and may bring a whole host of its own.
    """
    for part in query.split(b"&"):
        name, _, value = [unquote_to_bytes(each) for each in part.replace(b"+", b" ").partition(b"=")]
        if name == _AZURE_RESOURCE:
            yield name, b"https://%b.openai.azure.com" % value


# --- keys (worker/src/lib/util/apiKeyRegex.ts) ------------------------------------------------------------

_KEY = rb"[sp]k(?:-rl)?(?:-helicone)(?:-rl)?(?:-eu)?(?:-cp)?(?:-rl)?(?:-\w{7}){4}"
_KEY_SHAPE = re.compile(rb"(?:Bearer\s+)?(" + _KEY + rb")", re.IGNORECASE)
_LIKE_A_KEY = re.compile(rb"(?:Bearer\s+)?([sp]k(?:-rl)?-helicone[!-~]*)\s*", re.IGNORECASE)
_BEARER = re.compile(rb"Bearer\s+(\S+)\s*", re.IGNORECASE)
_KEY_IN_PATH = re.compile(rb"/([sp]k-helicone[\w-]+)(?=/|$)")


def caller_key(fields: Mapping[bytes, bytes], path: bytes) -> str | None:
    """The Helicone key that the app itself sent with a call, or None.

    `Helicone-Auth` first; then `Authorization`, `x-api-key` and `api-key` when they hold a key of Helicone's shape
    (the AI gateway takes it there); then a path segment, which Helicone cuts out.
    """
    if AUTH in fields:
        match = _BEARER.fullmatch(fields[AUTH])
        return match[1].decode("latin-1") if match else None
    for value in (fields.get(AUTHORIZATION), fields.get(b"x-api-key"), fields.get(b"api-key")):
        # `find`, here and below: `in` tries bytes as an integer first, and raises and catches inside.
        if value is not None and value.find(b"helicone") >= 0 and (match := _KEY_SHAPE.fullmatch(value)):
            return match[1].decode("ascii")
    if path.find(b"k-helicone") >= 0 and (match := _KEY_IN_PATH.search(path)):
        return match[1].decode("ascii")
    return None


def key_like(value: bytes) -> str | None:
    """What is in a header's value, if it begins as a key of Helicone's does, whatever its shape; else None."""
    match = _LIKE_A_KEY.fullmatch(value)
    return match[1].decode("ascii") if match else None


def why_unlikely(key: str) -> str | None:
    """Why a configured key is most likely not one, as what follows "the key"; None where it may be one."""
    if key.endswith(("...", "…")):
        return "ends in dots, as the one in the instructions does; put your own in its place"
    if not re.match("[sp]k(-rl)?-helicone-", key, re.IGNORECASE):
        return (
            "does not begin with sk-helicone- or pk-helicone-, as Helicone's keys do; it may be a provider's"
        )
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
