"""Valid requests and answers, drawn by chance. They are what mutations begin with."""

from random import Random

from harness.wire import chunked, head

ID = b"Helicone-Request-Id: 6b1d9f3e-8f0e-4c56-9d5c-0f6a4f2a7b11"

_TARGETS = (
    b"/v1/chat/completions",
    b"/v1/models?a=1&b=%2e%2e",
    b"/",
    b"//x/%2F/%zz?",
    b"/v1/...//a..b/;p=1,2/~u/@me/:x/!$&'()*+=|\"<>{}^`",
    b"http://LOCALHOST:99/v1/%41?x",
    b"http://127.0.0.1?x",
)
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"PROPFIND", b"M-SEARCH")
_LINES = (
    b"Authorization: Bearer sk-whatever",
    b"Content-Type: application/json",
    b"Accept: */*",
    b"X-Latin: caf\xe9 \xff\x80",
    b"X-Empty:",
    b"X-Twice: 1",
    b"x-twice: 2, 3",
    b"Connection: keep-alive",
    b"Connection: x-twice, keep-alive",
    b"Keep-Alive: timeout=5",
    b"TE: trailers, gzip;q=0.5",
    b"Cookie: a=b",
    b"Expect: 100-continue",
    b"Max-Forwards: 3",
    b"Via: 1.1 somebody",
    b"User-Agent:\t tester \t",
    ID,
)
_BODIES = (
    b"{}",
    b'{"model": "gpt-4o-mini"}',
    b"",
    b"\r\n",
    b"0\r\n\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\0\r\n\xff\n\r\x80 :",
)
_EXTENSIONS = (b"", b"", b";a", b";a=1;b", b';a="q\\"; x"')
_TRAILERS = ((), (), (b"X-Sum: 1",), (b"X-Sum: caf\xe9", b"x-more:"), (b"Cookie: a=b", b"X-Sum: 2"))
_H2C = (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAM")
_HANDSHAKE = (
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def chunks(random: Random) -> bytes:
    """A chunked body, in one of its spellings."""
    pieces = []
    for piece in random.choices(_BODIES, k=random.randrange(4)):
        if piece:
            size = b"%x" % len(piece)
            size = random.choice((size, size.upper(), b"0" * random.randrange(1, 20) + size))
            pieces.append(size + random.choice(_EXTENSIONS) + b"\r\n" + piece + b"\r\n")
    last = b"0" * random.choice((1, 1, 1, 5)) + random.choice(_EXTENSIONS)
    return b"".join(pieces) + head(last, *random.choice(_TRAILERS))


def request(random: Random) -> bytes:
    """One request."""
    kind = random.random()
    lines = [b"Host: localhost", *random.sample(_LINES, random.randrange(4))]
    random.shuffle(lines)
    method, target = random.choice(_METHODS), random.choice(_TARGETS)
    version = b"HTTP/1.1"
    body = random.choice(_BODIES)
    if kind < 0.04:
        return head(b"OPTIONS * HTTP/1.1", *lines)
    if kind < 0.08:
        return head(b"GET /v1/realtime HTTP/1.1", *lines, *_HANDSHAKE) + random.choice(
            (b"", b"\x81\x05hello")
        )
    if kind < 0.10:
        return head(b"GET /feedback/health HTTP/1.1", *lines)
    if kind < 0.18:
        lines += _H2C
    elif kind < 0.24:
        version = b"HTTP/1.0"
    if random.random() < 0.4:
        if version == b"HTTP/1.1":
            lines.insert(random.randrange(len(lines) + 1), b"Transfer-Encoding: chunked")
            return head(b"%b %b %b" % (method, target, version), *lines) + chunks(random)
    elif random.random() < 0.6:
        lines.insert(random.randrange(len(lines) + 1), b"Content-Length: %d" % len(body))
        return head(b"%b %b %b" % (method, target, version), *lines) + body
    return head(b"%b %b %b" % (method, target, version), *lines)


def pipeline(random: Random) -> bytes:
    """A few requests behind one another."""
    return b"".join(request(random) for _ in range(random.choice((1, 1, 1, 2, 3))))


_ANSWER_LINES = (
    b"Content-Type: text/event-stream",
    b"Server: cloudflare",
    b"X-Latin: caf\xe9 \xff\x80",
    b"X-Empty:",
    b"Set-Cookie: a=b",
    b"Access-Control-Allow-Origin: *",
    b"Connection: keep-alive",
    b"Connection: x-twice",
    b"Connection: close",
    b"X-Twice: 1",
    b"x-twice: 2",
    b"Trailer: X-Sum",
    b"Upgrade: h2c",
)
_STATUSES = (
    b"200 OK",
    b"200 All  Right",
    b"201 ",
    b"401 Who Are You",
    b"500 caf\xe9",
    b"299 x",
    b"404 Not Found",
)
_INTERIMS = (
    head(b"HTTP/1.1 100 Continue"),
    head(b"HTTP/1.1 103 Early Hints", b"Link: </a>; rel=preload", b"Set-Cookie: x=y"),
    head(b"HTTP/1.1 102 Processing"),
)
EVENTS = (b"data: one\n\n", b'data: {"x": "\xc3\xa9"}\n\n', b"data: [DONE]\n\n")


def answer(random: Random, method: bytes) -> bytes:
    """One answer to a request with this method, perhaps with interim ones before it."""
    start = random.choice((b"HTTP/1.1 ",) * 9 + (b"HTTP/1.0 ",)) + random.choice(_STATUSES)
    lines = random.sample(_ANSWER_LINES, random.randrange(4))
    body = random.choice((*_BODIES, *EVENTS))
    kind = random.random()
    interims = b"".join(random.choices(_INTERIMS, k=random.choice((0, 0, 0, 1, 2))))
    if kind < 0.06:
        return interims + head(b"HTTP/1.1 204 No Content", *lines)
    if kind < 0.12:
        return interims + head(b"HTTP/1.1 304 Not Modified", *lines, b"Content-Length: 4096")
    at = random.randrange(len(lines) + 1)
    if kind < 0.5 and start.startswith(b"HTTP/1.1"):
        lines.insert(at, b"Transfer-Encoding: chunked")
        tail = chunks(random) if random.random() < 0.7 else chunked(*EVENTS)
    elif kind < 0.9:
        lines.insert(at, b"Content-Length: %d" % len(body))
        tail = body
    else:
        tail = body
    return interims + head(start, *lines) + (b"" if method == b"HEAD" else tail)
