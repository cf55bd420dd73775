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
    rb"accept(-language|-encoding)?|authorization|api-key|x-api-key|x-goog-api-(key|client)"
    rb"|content-(type|language|encoding)|idempotency-key|user-agent|x-client-request-id|feedback(-proxy)?-token"
    rb"|(openai|anthropic|x-stainless)-[a-z0-9-]+|" + re.escape(helicone.PREFIX) + rb"[a-z0-9_-]+"
)
"""What the SDKs of OpenAI, Anthropic and Google send from a browser, and what we and Helicone understand.
`User-Agent`: SDKs set it, and Firefox and Safari ask for it then."""
_EXPOSED: Final = b", ".join(
    (
        *helicone.ANSWER_NAMES,
        b"feedback-id",
        b"feedback-url",
        b"feedback-token",
        b"feedback-error",
        b"idempotent-replayed",
        b"link",
        b"x-request-id",
        b"request-id",
        b"openai-organization",
        b"openai-poll-after-ms",
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
        b"anthropic-organization-id",
        b"anthropic-ratelimit-requests-limit",
        b"anthropic-ratelimit-requests-remaining",
        b"anthropic-ratelimit-requests-reset",
        b"anthropic-ratelimit-tokens-limit",
        b"anthropic-ratelimit-tokens-remaining",
        b"anthropic-ratelimit-tokens-reset",
        b"anthropic-ratelimit-input-tokens-limit",
        b"anthropic-ratelimit-input-tokens-remaining",
        b"anthropic-ratelimit-input-tokens-reset",
        b"anthropic-ratelimit-output-tokens-limit",
        b"anthropic-ratelimit-output-tokens-remaining",
        b"anthropic-ratelimit-output-tokens-reset",
    )
)

Field = tuple[bytes, bytes]

_VARY: Final[Field] = (b"Vary", b"Origin")


def answer_fields(origin: bytes) -> list[Field]:
    """The header fields by which a page of `origin` may read an answer; b"": nobody's page.

    `Vary` is there for nobody as well: a cache must not give a page what it kept of an answer to somebody else.
    """
    if not origin:
        return [_VARY]
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Expose-Headers", _EXPOSED),
        _VARY,
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
