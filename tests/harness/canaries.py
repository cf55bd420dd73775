"""Secrets that are known again wherever they come out: for every place that one can stand in."""

import base64
import gc
from collections.abc import Iterable, Iterator

from harness.benches import CHAT_PATH, JSON, chat_body, request
from harness.handshakes import HANDSHAKE_LINES
from harness.wire import head

OWN_KEY = "sk-helicone-canaryo-canaryo-canaryo-canaryo"
APPS_KEY = "sk-helicone-canarya-canarya-canarya-canarya"
PROVIDER_KEY = "canary.provider.0123456789"
TOKEN = "canary.token.0123456789"
ANNS_TOKEN = "canary.anns.0123456789"
SIGNING_SECRET = "canary.signing.0123456789.0123456789"
WEBHOOK_SECRET = "canary.webhook.0123456789"
OPEN_WEBUI = "/feedback/webhooks/open-webui"
WRONG_TOKEN = "canary.wrong.0123456789"
PASSWORD = "canary-password"
HEADER = "canary-of-a-gateway"
WORD = "canary"

SECRETS = {
    "helicone.api_key": OWN_KEY,
    "guard.token": TOKEN,
    "guard.tokens": {"ann": ANNS_TOKEN},
    "routes.default.provider_key": PROVIDER_KEY,
    "routes.default.headers": {"X-Gateway-Secret": HEADER},
    "hooks.token": True,
    "hooks.secret": SIGNING_SECRET,
    "webhooks.open_webui_secret": WEBHOOK_SECRET,
}
"""Settings with a canary wherever one may stand."""


def traces_of(text: str) -> list[str]:
    """Where a canary is in a text: the surroundings, also of one in `Basic` credentials or in hex."""
    lower = text.lower()
    found = [text[max(0, at - 60) : at + 60] for at in _all(lower, WORD)]
    # Three ways to stand in base64, by what is before it.
    for before in ("", "x", "xx"):
        code = base64.b64encode(f"{before}{WORD}".encode()).decode()[4 if before else 0 : -4]
        found += [text[max(0, at - 60) : at + 60] for at in _all(text, code)] if len(code) >= 4 else []
    found += [text[max(0, at - 60) : at + 60] for at in _all(lower, WORD.encode().hex())]
    return found


def _all(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def bearer(token: str) -> bytes:
    """The header in which a token, or a key, stands usually."""
    return b"Authorization: Bearer " + token.encode()


def requests_with_canaries(token: str = TOKEN) -> Iterator[bytes]:
    """Everything that can be sent with a secret in it: in the right place, in a wrong one, and cut off."""
    body = chat_body(messages=[{"role": "user", "content": "canary, I asked"}], user="sk-canary-user")
    own = b"Helicone-Auth: Bearer " + APPS_KEY.encode()
    asked = f"{CHAT_PATH}?key={WORD}&api-key={APPS_KEY}"
    more = (JSON, b"Cookie: session=canary", b"X-Api-Key-Of-Somebody: canary")
    for target, lines in (
        (asked, (bearer(token),)),
        (asked, (bearer(token), own)),
        (asked, (b"x-api-key: " + ANNS_TOKEN.encode(),)),
        (asked, (b"Feedback-Proxy-Token: " + token.encode(), bearer("sk-proj-canary"))),
        (asked, (bearer(WRONG_TOKEN),)),
        (asked, (b"Feedback-Proxy-Token: " + WRONG_TOKEN.encode(), own)),
        (asked, ()),
        (f"{CHAT_PATH}?token={token}", (bearer(token),)),
        (CHAT_PATH, (bearer(token), b"X-Copy: " + token.encode())),
        (f"/{APPS_KEY}{CHAT_PATH}", (bearer(token),)),
        (CHAT_PATH, (bearer(token), b"Helicone-User-Id: sk-canary", b"Helicone-Property-Key: pk-canary")),
        (CHAT_PATH, (bearer(token), b"Helicone-Target-URL: https://user:canary@attacker.test/canary")),
        (
            CHAT_PATH,
            (bearer(token), b"User-Agent: app (sk-canary)", b"Helicone-Session-Id: Bearer sk-canary"),
        ),
        ("/feedback/last?token=canary", (bearer(token),)),
        ("/feedback/last", (bearer(WRONG_TOKEN),)),
        (f"/feedback/{APPS_KEY}", (bearer(token),)),
        ("/feedback/outbox/retry", (bearer(token),)),
        (f"{OPEN_WEBUI}?secret={WEBHOOK_SECRET}", ()),
        (f"{OPEN_WEBUI}?secret=canary-wrong", ()),
        (OPEN_WEBUI, (bearer(WEBHOOK_SECRET),)),
        ("/feedback/some-call", (b"Feedback-Token: v1.1.canary." + SIGNING_SECRET.encode(),)),
    ):
        yield request("POST", target, body, *more, *lines)
    handshake = [line for line in HANDSHAKE_LINES if not line.startswith(b"sec-websocket-protocol")]
    for subprotocol in (b"openai-insecure-api-key." + APPS_KEY.encode(), token.encode()):
        protocol = b"Sec-WebSocket-Protocol: realtime, " + subprotocol
        for said in (token, WRONG_TOKEN):
            yield head(
                b"GET /v1/realtime?key=canary HTTP/1.1",
                b"Host: localhost",
                *handshake,
                protocol,
                bearer(said),
            )
    yield from malformed(token)


def malformed(token: str) -> Iterator[bytes]:
    """What no server takes, with a secret at each place that may be quoted."""
    line = bearer(token) + b"\r\n"
    yield b"GET /v1/models?canary HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"canary" * 20_000 + b"\r\n\r\n"
    yield b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + line * 300 + b"\r\n"
    yield b"GET /v1/canary" + b"canary" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for raw in (
        b"canary /v1/x HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /v1/x?canary\x01 HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /v1/../canary HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /v1/x HTTP/canary\r\nHost: localhost\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: canary/canary\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-canary : 1\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: canary\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: canary\r\n",
        b"POST /feedback/last HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: canary\r\n",
    ):
        yield raw + line + b"\r\n"


Living = dict[int, object]
"""Objects of the product, by their identity."""


def living() -> Living:
    """Every object of the product that lives in this process."""
    objects = gc.get_objects()
    # There are a million objects, of a few thousand types.
    kinds = {kind for kind in set(map(type, objects)) if _is_of_the_product(kind)}
    return {id(each): each for each in objects if type(each) in kinds}


def _is_of_the_product(kind: type) -> bool:
    module = getattr(kind, "__module__", None)
    return isinstance(module, str) and module.startswith("proxy.") and not module.startswith("proxy.demo")


def shown_everywhere(texts: Iterable[str], before: Living) -> list[str]:
    """All traces of canaries in these, and in how the objects show themselves that live now and did not before:
    other tests' objects have canaries of their own.
    """
    reprs = [f"{type(each).__qualname__}: {each!r}" for key, each in living().items() if key not in before]
    return [trace for text in (*texts, *reprs) for trace in traces_of(text)]
