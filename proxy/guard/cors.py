"""CORS: what a page of an allowed origin may send and read (Fetch standard, "CORS protocol"). Pure.

There are no credentials: a page says its key or its token itself, and no cookie of ours goes with a relayed call.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from proxy import helicone

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAX_AGE_SECONDS: Final = b"600"
_ALLOWED_NAMES: Final = re.compile(
    rb"accept(-language|-encoding)?|authorization|api-key|x-api-key|x-goog-api-key|content-type|content-language"
    rb"|idempotency-key|openai-[a-z-]+|anthropic-[a-z-]+|helicone-[a-z0-9_-]+|x-stainless-[a-z-]+"
    rb"|x-client-request-id|feedback-proxy-token"
)
"""What the browser SDKs of OpenAI and Anthropic send, and what we and Helicone understand."""
_EXPOSED: Final = b", ".join(
    (
        helicone.ANSWER_ID,
        b"feedback-id",
        b"feedback-url",
        b"feedback-error",
        b"idempotent-replayed",
        b"x-request-id",
        b"request-id",
        b"openai-organization",
        b"openai-processing-ms",
        b"openai-version",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
        b"x-ratelimit-limit-requests",
        b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-requests",
        b"x-ratelimit-reset-tokens",
        b"anthropic-ratelimit-requests-limit",
        b"anthropic-ratelimit-requests-remaining",
        b"anthropic-ratelimit-requests-reset",
        b"anthropic-ratelimit-tokens-limit",
        b"anthropic-ratelimit-tokens-remaining",
        b"anthropic-ratelimit-tokens-reset",
    )
)

Field = tuple[bytes, bytes]


def answer_fields(origin: bytes) -> list[Field]:
    """The header fields by which a page of `origin` may read an answer."""
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Expose-Headers", _EXPOSED),
        (b"Vary", b"Origin"),
    ]


def preflight_fields(origin: bytes, fields: Mapping[bytes, bytes], others: Iterable[bytes]) -> list[Field]:
    """The header fields that answer a preflight. `others`: names that are allowed besides, in lower case."""
    allowed = frozenset(others)
    asked = fields.get(b"access-control-request-headers", b"").lower()
    names = [
        name
        for each in asked.split(b",")
        if (name := each.strip()) in allowed or _ALLOWED_NAMES.fullmatch(name)
    ]
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Methods", _METHODS),
        *([(b"Access-Control-Allow-Headers", b", ".join(names))] if names else []),
        (b"Access-Control-Max-Age", _MAX_AGE_SECONDS),
        (b"Vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
