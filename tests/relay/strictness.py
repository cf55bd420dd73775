"""What is let through and what is not, as data: raw bytes in, and what the other side may see of them.

`source` names the rule: a section of RFC 9110 or 9112, another RFC, or `ours` where the product is stricter or
has a choice. test_strictness.py drives every row over real sockets.
"""

from dataclasses import dataclass
from enum import Enum, auto

from harness.wire import chunked, head

ID = b"Helicone-Request-Id: 6b1d9f3e-8f0e-4c56-9d5c-0f6a4f2a7b11"
HOST = b"Host: localhost"
GATEWAY = b"gateway.test"
"""Stands in the expected bytes for the name of the gateway."""
_FOR_GATEWAY = b"Host: " + GATEWAY

_GET = b"GET / HTTP/1.1"
_POST = b"POST / HTTP/1.1"
_CHUNKED = b"Transfer-Encoding: chunked"


# -- requests that are refused, and of which the gateway sees nothing


@dataclass(frozen=True)
class Refused:
    """A request that is refused: nothing goes up, the connection ends."""

    name: str
    source: str
    sent: bytes
    status: int = 400
    code: str = "malformed_request"


def _ambiguous(name: str, *lines: bytes, source: str = "9112 §6.3", start: bytes = _POST) -> Refused:
    return Refused(f"{name} is ambiguous", source, head(start, HOST, *lines) + b"0\r\n\r\n")


def _bad_field(name: str, *lines: bytes, source: str = "9112 §5.1") -> Refused:
    return Refused(name, source, head(_GET, HOST, *lines))


def _bad_host(name: str, *lines: bytes, status: int = 400, code: str = "malformed_request") -> Refused:
    return Refused(name, "9112 §3.2", head(_GET, *lines), status, code)


def _bad_target(name: str, target: bytes, source: str = "9112 §3.2") -> Refused:
    return Refused(f"the target: {name}", source, head(b"GET " + target + b" HTTP/1.1", HOST))


def _bad_start(
    name: str, start: bytes, status: int = 400, code: str = "malformed_request", *, source: str = "9112 §3"
) -> Refused:
    return Refused(f"the request line: {name}", source, head(start, HOST), status, code)


_FRAMING = (
    _ambiguous("both lengths", b"Content-Length: 4", _CHUNKED),
    _ambiguous("both lengths, the other order,", _CHUNKED, b"Content-Length: 4"),
    _ambiguous("both lengths, one of them zero,", b"Content-Length: 0", _CHUNKED),
    _ambiguous("two different lengths", b"Content-Length: 4", b"Content-Length: 5"),
    _ambiguous("a length that is repeated", b"Content-Length: 0", b"Content-Length: 0"),
    _ambiguous("a length that is repeated in another case", b"Content-Length: 0", b"content-length: 0"),
    _ambiguous("a list of lengths", b"Content-Length: 4, 4"),
    _ambiguous("a length with a sign", b"Content-Length: +4", source="9110 §8.6"),
    _ambiguous("a length below zero", b"Content-Length: -4", source="9110 §8.6"),
    _ambiguous("a length in hex", b"Content-Length: 0x4", source="9110 §8.6"),
    _ambiguous("a length with letters", b"Content-Length: 4a", source="9110 §8.6"),
    _ambiguous("a length with an underscore", b"Content-Length: 1_0", source="9110 §8.6"),
    _ambiguous("a length with a point", b"Content-Length: 4.0", source="9110 §8.6"),
    _ambiguous("a length with a blank within", b"Content-Length: 1 0", source="9110 §8.6"),
    _ambiguous("a length in other digits", b"Content-Length: \xb2", source="9110 §8.6"),
    _ambiguous("a length beyond 64 bits", b"Content-Length: 18446744073709551616", source="9110 §8.6"),
    _ambiguous("a length far beyond 64 bits", b"Content-Length: " + b"9" * 400, source="9110 §8.6"),
    _ambiguous("an empty length", b"Content-Length: ", source="9110 §8.6"),
    _ambiguous("a length behind a vertical tab", b"Content-Length: \x0b4", source="9110 §5.5"),
    _ambiguous("gzip, chunked", b"Transfer-Encoding: gzip, chunked", source="ours"),
    _ambiguous("gzip and chunked in two lines", b"Transfer-Encoding: gzip", _CHUNKED, source="ours"),
    _ambiguous("chunked, gzip", b"Transfer-Encoding: chunked, gzip"),
    _ambiguous("chunked twice", b"Transfer-Encoding: chunked, chunked", source="9112 §6.1"),
    _ambiguous("chunked in two lines", _CHUNKED, _CHUNKED, source="9112 §6.1"),
    _ambiguous("chunked and identity", _CHUNKED, b"Transfer-Encoding: identity"),
    _ambiguous("identity", b"Transfer-Encoding: identity"),
    _ambiguous("xchunked", b"Transfer-Encoding: xchunked"),
    _ambiguous("chunked with a parameter", b"Transfer-Encoding: chunked;q=1"),
    _ambiguous("chunked in quotes", b'Transfer-Encoding: "chunked"'),
    _ambiguous("chunked behind a vertical tab", b"Transfer-Encoding: \x0bchunked", source="9110 §5.5"),
    _ambiguous("chunked before a byte beyond ASCII", b"Transfer-Encoding: chunked\x85"),
    _ambiguous("chunked behind a comma", b"Transfer-Encoding: ,chunked", source="ours"),
    _ambiguous("an empty coding", b"Transfer-Encoding: "),
    _ambiguous("chunked in HTTP/1.0", _CHUNKED, start=b"POST / HTTP/1.0", source="9112 §6.1"),
    _ambiguous(
        "a body of h2c with both lengths",
        b"Upgrade: h2c",
        b"Connection: Upgrade",
        _CHUNKED,
        b"Content-Length: 4",
    ),
    _ambiguous(
        "a body of h2c, chunked twice",
        b"Upgrade: h2c",
        b"Connection: Upgrade",
        b"Transfer-Encoding: chunked, chunked",
    ),
)

_FIELDS = (
    _bad_field("space before the colon", b"Content-Length : 4"),
    _bad_field("tab before the colon", b"X\t: 4"),
    _bad_field("obs-fold", b"X: a", b" folded", source="9112 §5.2"),
    _bad_field("obs-fold with a tab", b"X: a", b"\tfolded", source="9112 §5.2"),
    _bad_field("obs-fold of nothing", b"X: a", b" ", source="9112 §5.2"),
    Refused("space before the first field", "9112 §2.2", head(_GET, b" X: a", HOST)),
    _bad_field("bare CR in a value", b"X: a\rY: b", source="9112 §2.2"),
    _bad_field("bare LF in a value", b"X: a\nY: b", source="9112 §2.2"),
    Refused("bare LF behind the request line", "9112 §2.2", b"GET / HTTP/1.1\nHost: localhost\r\n\r\n"),
    Refused("bare CR behind the request line", "9112 §2.2", b"GET / HTTP/1.1\rHost: localhost\r\n\r\n"),
    Refused("bare LF at the end of the head", "9112 §2.2", b"GET / HTTP/1.1\r\nHost: localhost\n\n"),
    Refused("bare LF as the empty line", "9112 §2.2", b"GET / HTTP/1.1\r\nHost: localhost\r\n\n"),
    Refused("CR CR LF", "9112 §2.2", b"GET / HTTP/1.1\r\nHost: localhost\r\r\n\r\n"),
    _bad_field("NUL in a value", b"X: a\0b", source="9110 §5.5"),
    _bad_field("NUL in a name", b"X\0Y: a"),
    _bad_field("a control character in a value", b"X: a\x01b", source="9110 §5.5"),
    _bad_field("DEL in a value", b"X: a\x7fb", source="9110 §5.5"),
    _bad_field("no colon", b"Xa"),
    _bad_field("an empty name", b": a"),
    _bad_field("a name beyond ASCII", b"X\xe9: a"),
    _bad_field("a name with a brace", b"X{}: a"),
    _bad_field("a name with a blank", b"X Y: a"),
    _bad_field("a name with a slash", b"X/Y: a"),
    _bad_field("a name in parentheses", b"(X): a"),
    _bad_field("a name with an at sign", b"X@Y: a"),
    _bad_field("a name in quotes", b'"X": a'),
)

_HOSTS = (
    _bad_host("no Host", b"X: a"),
    Refused("no Host in HTTP/1.0", "ours", head(b"GET / HTTP/1.0", b"X: a")),
    _bad_host("two Hosts", HOST, HOST),
    _bad_host("two Hosts, one foreign", HOST, b"hOST: attacker.test"),
    _bad_host("an empty Host", b"Host: "),
    _bad_host("a Host with a path", b"Host: localhost/x"),
    _bad_host("a Host with a user", b"Host: attacker.test@localhost"),
    _bad_host("a Host with a comma", b"Host: localhost, localhost"),
    _bad_host("a Host with a blank", b"Host: localhost x"),
    _bad_host("a Host with a port that is none", b"Host: localhost:99999"),
    # RFC 9112 §3.2: Host is demanded, once, also where the target replaces it.
    Refused(
        "no Host beside an absolute target", "9112 §3.2", head(b"GET http://localhost/ HTTP/1.1", b"X: a")
    ),
    Refused(
        "two Hosts beside an absolute target",
        "9112 §3.2",
        head(b"GET http://localhost/ HTTP/1.1", HOST, b"Host: b"),
    ),
)

_TARGETS = (
    _bad_target("a fragment", b"/v1/x#y"),
    _bad_target("a fragment in the query", b"/v1/x?a#b"),
    _bad_target("an empty fragment", b"/v1/x#"),
    *[
        _bad_target(f"dot segment {target.decode()}", target, "ours")
        for target in (
            b"/v1/../admin",
            b"/v1/..",
            b"/v1/./x",
            b"/v1/.",
            b"/..",
            b"/.",
            b"/v1/%2e%2e/admin",
            b"/v1/%2E%2e/admin",
            b"/v1/.%2e/admin",
            b"/v1/%2e./x",
            b"/v1/%2e/x",
            b"/v1%2f..%2fadmin",
            b"/v1%2F%2e%2E%2Fadmin",
            b"/v1/..%2fx",
            b"/v1/..%5cadmin",
            b"/v1/a%5Cb",
            b"/v1/a\\b",
            b"/v1/..\\admin",
            b"\\v1",
            b"/%5c",
            b"/feedback/../v1/x",
            b"/v1/../feedback",
            b"http://localhost/v1/../x",
            b"http://localhost/..",
            b"/../?x",
            b"//..//",
        )
    ],
    _bad_target("no slash", b"v1/x"),
    _bad_target("another scheme", b"ftp://localhost/x"),
    _bad_target("a host and a port", b"localhost:80"),
    _bad_target("an asterisk", b"*"),
    _bad_target("an asterisk with more", b"*x"),
    _bad_target("bytes beyond ASCII", b"/v1/caf\xc3\xa9"),
    _bad_target("a byte beyond ASCII in the query", b"/v1/?x=\x80"),
    _bad_target("a space", b"/v1/a b"),
    _bad_target("a tab", b"/v1/a\tb"),
    _bad_target("NUL", b"/v1/a\0b"),
    _bad_target("DEL", b"/v1/a\x7fb"),
    _bad_target("a bare CR", b"/v1/a\rb"),
    _bad_target("nobody in an absolute target", b"http:///v1/x"),
    _bad_target("a user in an absolute target", b"http://user@localhost/v1/x"),
    _bad_target("a port that is none in an absolute target", b"http://localhost:99999/"),
)

_VERSION = (505, "version_not_supported")
_METHOD = (405, "method_not_allowed")
_UNKNOWN = (501, "method_unknown")
_LARGE = (431, "head_too_large")
_STARTS = (
    _bad_start("HTTP/2.0", b"GET / HTTP/2.0", *_VERSION, source="9110 §15.6.6"),
    _bad_start("HTTP/0.9", b"GET / HTTP/0.9", *_VERSION),
    _bad_start("no version", b"GET /", *_VERSION),
    _bad_start("HTTP/1.2", b"GET / HTTP/1.2"),
    _bad_start("HTTP/1.10", b"GET / HTTP/1.10"),
    _bad_start("HTTP/01.1", b"GET / HTTP/01.1"),
    _bad_start("http/1.1", b"GET / http/1.1"),
    _bad_start("HTTP/1,1", b"GET / HTTP/1,1"),
    _bad_start("HTTP/9.9", b"GET / HTTP/9.9"),
    _bad_start("a space behind the version", b"GET / HTTP/1.1 "),
    _bad_start("a tab between the words", b"GET\t/ HTTP/1.1", *_UNKNOWN),
    _bad_start("no method", b"/ HTTP/1.1", *_UNKNOWN),
    _bad_start("CONNECT", b"CONNECT localhost:443 HTTP/1.1", *_METHOD, source="ours"),
    _bad_start("CONNECT with a path", b"CONNECT /x HTTP/1.1", *_METHOD, source="9112 §3.2.3"),
    _bad_start("TRACE", b"TRACE / HTTP/1.1", *_METHOD, source="ours"),
    _bad_start("a method that nobody knows", b"BREW / HTTP/1.1", *_UNKNOWN, source="9110 §9.1"),
    _bad_start("a method in small letters", b"get / HTTP/1.1", *_UNKNOWN, source="9110 §9.1"),
    _bad_start("half a method", b"GE / HTTP/1.1", *_UNKNOWN, source="9110 §9.1"),
    _bad_start("the preface of HTTP/2", b"PRI * HTTP/2.0"),
    Refused(
        "HTTP/2.0 behind Proxy-Connection",
        "9110 §15.6.6",
        head(b"GET / HTTP/2.0", HOST, b"Proxy-Connection: keep-alive"),
        *_VERSION,
    ),
    Refused(
        "TRACE with Max-Forwards",
        "9110 §7.6.2",
        head(b"TRACE / HTTP/1.1", HOST, b"Max-Forwards: 0"),
        *_METHOD,
    ),
)

_NOT_ADMITTED = (
    _bad_host("a foreign Host", b"Host: attacker.test", status=403, code="host_not_allowed"),
    _bad_host(
        "a Host that only begins well", b"Host: localhost.attacker.test", status=403, code="host_not_allowed"
    ),
    _bad_host("the unspecified address", b"Host: 0.0.0.0", status=403, code="host_not_allowed"),
    Refused(
        "a foreign host in an absolute target",
        "9112 §3.2.2",
        head(b"GET http://attacker.test/ HTTP/1.1", HOST),
        403,
        "host_not_allowed",
    ),
    Refused(
        "a foreign Host that waits for 100",
        "9110 §10.1.1",
        head(_POST, b"Host: attacker.test", b"Content-Length: 1000000", b"Expect: 100-continue"),
        403,
        "host_not_allowed",
    ),
    Refused(
        "OPTIONS * for a foreign Host",
        "ours",
        head(b"OPTIONS * HTTP/1.1", b"Host: a.test"),
        403,
        "host_not_allowed",
    ),
    Refused("a page without an origin", "ours", head(_GET, HOST, b"Origin: null"), 403, "origin_not_allowed"),
    Refused(
        "a page on another port",
        "ours",
        head(_GET, HOST, b"Origin: http://localhost:1"),
        403,
        "origin_not_allowed",
    ),
    Refused(
        "two Origins", "ours", head(_GET, HOST, b"Origin: null", b"Origin: x"), 403, "origin_not_allowed"
    ),
    Refused(
        "a page of another site", "ours", head(_GET, HOST, b"Sec-Fetch-Site: same-site"), 403, "cross_site"
    ),
)

_SIZES = (
    Refused("a value above 64 KiB", "6585 §5", head(_GET, HOST, b"X: " + b"x" * 70_000), *_LARGE),
    Refused("a name above 64 KiB", "6585 §5", head(_GET, HOST, b"X" * 70_000 + b": x"), *_LARGE),
    Refused("a target above 64 KiB", "6585 §5", head(b"GET /" + b"x" * 70_000 + b" HTTP/1.1", HOST), *_LARGE),
    Refused("257 fields", "6585 §5", head(_GET, HOST, *[b"X: %d" % i for i in range(256)]), *_LARGE),
    Refused("fields without end", "6585 §5", head(_GET, HOST)[:-2] + b"X: y\r\n" * 100_000, *_LARGE),
    Refused("a target without end", "6585 §5", b"GET /" + b"x" * 300_000, *_LARGE),
    Refused("empty lines without end", "6585 §5", b"\r\n" * 100_000, *_LARGE),
)

REFUSED = (*_FRAMING, *_FIELDS, *_HOSTS, *_TARGETS, *_STARTS, *_NOT_ADMITTED, *_SIZES)


# -- bodies that break: the gateway may see how the request begins, and never how it ends

BROKEN_CHUNKS = {
    "no digits": b"zz\r\n",
    "nothing": b"\r\n",
    "hex with a prefix": b"0x4\r\nbody\r\n",
    "a plus": b"+4\r\nbody\r\n",
    "a minus": b"-4\r\nbody\r\n",
    "a blank before": b" 4\r\nbody\r\n",
    "a blank behind": b"4 \r\nbody\r\n",
    "a tab behind": b"4\t\r\nbody\r\n",
    "a comma": b"4,4\r\nbody\r\n",
    "an underscore": b"4_0\r\nbody\r\n",
    "other digits": b"\xb2\r\nok\r\n",
    "bare LF behind the size": b"4\nbody\n",
    "bare CR behind the size": b"4\rbody\r\n",
    "CR CR LF": b"4\r\r\nbody\r\n",
    "too little in it": b"6\r\nbody\r\n0\r\n\r\n",
    "too much in it": b"4\r\nbodyXX",
    "bare LF behind the data": b"4\r\nbody\n",
    "bare CR behind the data": b"4\r\nbody\rX",
    "beyond 64 bits": b"10000000000000000\r\nbody\r\n",
    "far beyond 64 bits": b"f" * 100 + b"\r\nbody\r\n",
    "bare LF in an extension": b"4;a\nb\r\nbody\r\n",
    "bare CR in an extension": b"4;a\rb\r\nbody\r\n",
    "NUL in an extension": b"4;a\0b\r\nbody\r\n",
    "a blank before an extension": b"4 ;a\r\nbody\r\n",
    "bare LF behind the last chunk": b"0\n\n",
    "bare LF behind the trailers": b"0\r\nX: y\n\r\n",
    "space before the colon of a trailer": b"0\r\nX : y\r\n\r\n",
    "an obs-fold in a trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "NUL in a trailer": b"0\r\nX: a\0b\r\n\r\n",
    "a length in the trailers": b"0\r\nContent-Length: 5\r\n\r\n",
    "junk instead of trailers": b"0\r\njunk\r\n\r\n",
}
"""RFC 9112 §7.1: what no chunk may look like."""

ENDLESS_CHUNKS = {
    "an extension": (b"4;", b"x" * 1000),
    "zeros before the size": (b"", b"0" * 1000),
    "trailers": (b"0\r\n", b"X: y\r\n" * 200),
}
"""What never yields anything, and goes on for ever: how it begins, and how it goes on."""


# -- requests that pass


@dataclass(frozen=True)
class Passing:
    """A request that goes up. `up`: how the gateway has to read it, with GATEWAY in its Host."""

    name: str
    source: str
    sent: bytes
    up: bytes


def _unchanged(
    name: str, *lines: bytes, body: bytes = b"", start: bytes = _GET, source: str = "9110 §7.6"
) -> Passing:
    return Passing(
        name, source, head(start, HOST, ID, *lines) + body, head(start, _FOR_GATEWAY, ID, *lines) + body
    )


def _stripped(name: str, *lines: bytes, left: tuple[bytes, ...] = (), source: str = "9110 §7.6.1") -> Passing:
    return Passing(name, source, head(_GET, HOST, ID, *lines), head(_GET, _FOR_GATEWAY, ID, *left))


def _dropped_upgrade(name: str, framing: tuple[bytes, ...], sent: bytes, got: bytes) -> Passing:
    upgrade = (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAM")
    return Passing(
        f"h2c with {name} is ignored",
        "9110 §7.8",
        head(_POST, HOST, ID, *upgrade, *framing) + sent,
        head(_POST, _FOR_GATEWAY, ID, *framing) + got,
    )


PASSING = (
    _unchanged(
        "a length with leading zeros is one",
        b"Content-Length: 004",
        body=b"body",
        start=_POST,
        source="9110 §8.6",
    ),
    _unchanged("a length of zero stays", b"Content-Length: 0", start=_POST, source="9112 §6"),
    _unchanged("no length stays none", start=_POST, source="9112 §6.3"),
    _unchanged("a GET may have a body", b"Content-Length: 4", body=b"body", source="9110 §9.3.1"),
    _unchanged("chunked stays chunked", _CHUNKED, body=chunked(b"body"), start=_POST, source="9112 §7.1"),
    Passing(
        "chunked in capitals is chunked",
        "9112 §7",
        head(_POST, HOST, ID, b"Transfer-Encoding: CHUNKED") + chunked(b"body"),
        head(_POST, _FOR_GATEWAY, ID, _CHUNKED) + chunked(b"body"),
    ),
    Passing(
        "chunk extensions stop here",
        "9112 §7.1.1",
        head(_POST, HOST, ID, _CHUNKED) + b'04;a=1;b;c="\\";"\r\nbody\r\n000;x\r\n\r\n',
        head(_POST, _FOR_GATEWAY, ID, _CHUNKED) + chunked(b"body"),
    ),
    Passing(
        "a body that looks like a request is a body",
        "9112 §6",
        head(_POST, HOST, ID, _CHUNKED)
        + chunked(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        head(_POST, _FOR_GATEWAY, ID, _CHUNKED)
        + chunked(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ),
    Passing(
        "trailers pass but for those that frame, route or speak of the connection",
        "9110 §6.5.1",
        head(_POST, HOST, ID, b"Trailer: X-Sum", _CHUNKED)
        + chunked(
            b"body", trailers=(b"X-Sum: 1", b"Host: attacker.test", b"Cookie: a=b", b"TE: gzip", b"x-sum: 2")
        ),
        head(_POST, _FOR_GATEWAY, ID, b"Trailer: X-Sum", _CHUNKED)
        + chunked(b"body", trailers=(b"X-Sum: 1", b"x-sum: 2")),
    ),
    _unchanged(
        "names keep their case, order and repetitions",
        b"x-A: 1",
        b"X-a: 2",
        b"B: 3",
        b"x-A: 1",
        source="9110 §5.3",
    ),
    _unchanged("odd names are names", b"!#$%&'*+-.^_`|~0: 1", source="9110 §5.1"),
    _unchanged("values may have bytes beyond ASCII", b"X: caf\xe9\xff\x80", source="9110 §5.5"),
    _unchanged(
        "an underscore is no hyphen", b"Content_Length: 5", b"Transfer_Encoding: chunked", source="9110 §5.1"
    ),
    _unchanged(
        "what we do not know passes",
        b"Sec-CH-UA: x",
        b"Forwarded: for=x",
        b"Expect: 200-ok",
        source="9110 §5.1",
    ),
    _unchanged(
        "an expectation passes",
        b"Content-Length: 4",
        b"Expect: 100-continue",
        body=b"body",
        start=_POST,
        source="9110 §10.1.1",
    ),
    *[
        _unchanged(
            f"the target {target[:20].decode()} passes as it is",
            start=b"GET " + target + b" HTTP/1.1",
            source="9110 §7.7",
        )
        for target in (
            b"//",
            b"/%2F/%2f",
            b"/%zz/%",
            b"/?",
            b"/x?/../..\\y",
            b"/%252e%252e/",
            b"/...",
            b"/a..b/..c/.d",
            b"/;p=1,2/~@:!$&'()*+=",
            b'/{}|^`"<>',
            b"/" + b"x" * 30_000,
        )
    ],
    Passing(
        "the host of an absolute target counts",
        "9112 §3.2.2",
        head(b"GET HTTP://LOCALHOST:99/%2f?x HTTP/1.1", b"Host: whatever.test", ID),
        head(b"GET /%2f?x HTTP/1.1", _FOR_GATEWAY, ID),
    ),
    Passing(
        "an absolute target without a path asks for /",
        "9110 §4.2.3",
        head(b"GET http://localhost?x HTTP/1.1", HOST, ID),
        head(b"GET /?x HTTP/1.1", _FOR_GATEWAY, ID),
    ),
    _stripped(
        "what Connection names stops here",
        b"Connection: x-a, X-B",
        b"X-A: 1",
        b"x-b: 2",
        b"x-a: 3",
        b"C: 4",
        left=(b"C: 4",),
    ),
    _stripped(
        "several Connections are one", b"Connection: x-a", b"X-A: 1", b"connection: , x-b ,", b"x-b: 2"
    ),
    _stripped(
        "hop-by-hop fields stop here",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authorization: Basic x",
        b"Proxy-Authenticate: x",
        b"TE: gzip",
        b"Upgrade: h3",
    ),
    _stripped(
        "TE: trailers goes on alone",
        b"TE: gzip;q=0.5, Trailers",
        b"Connection: TE",
        left=(b"TE: trailers", b"Connection: TE"),
    ),
    _stripped(
        "cookies, origins and referers stop here",
        b"Cookie: a=b",
        b"Referer: http://x",
        b"Sec-Fetch-Mode: cors",
        source="ours",
    ),
    Passing(
        "a length cannot be named away",
        "9110 §7.6.1",
        head(_POST, HOST, ID, b"Connection: content-length, host", b"Content-Length: 4") + b"body",
        head(_POST, _FOR_GATEWAY, ID, b"Content-Length: 4") + b"body",
    ),
    Passing(
        "a coding cannot be named away",
        "9110 §7.6.1",
        head(_POST, HOST, ID, b"Connection: transfer-encoding", _CHUNKED) + chunked(b"body"),
        head(_POST, _FOR_GATEWAY, ID, _CHUNKED) + chunked(b"body"),
    ),
    _dropped_upgrade("a length", (b"Content-Length: 4",), b"body", b"body"),
    _dropped_upgrade("chunks", (_CHUNKED,), chunked(b"bo", b"dy"), chunked(b"bo", b"dy")),
    _dropped_upgrade("nothing", (), b"", b""),
    Passing(
        "Max-Forwards of OPTIONS loses one",
        "9110 §7.6.2",
        head(b"OPTIONS /x HTTP/1.1", HOST, ID, b"max-FORWARDS: 10"),
        head(b"OPTIONS /x HTTP/1.1", _FOR_GATEWAY, ID, b"max-FORWARDS: 9"),
    ),
    _unchanged("Max-Forwards of another method is left alone", b"Max-Forwards: 0", source="9110 §7.6.2"),
    _unchanged(
        "a Max-Forwards that is no number is left alone",
        b"Max-Forwards: x",
        start=b"OPTIONS / HTTP/1.1",
        source="9110 §7.6.2",
    ),
    Passing(
        "HTTP/1.0 goes up as HTTP/1.1",
        "9110 §6.2",
        head(b"GET / HTTP/1.0", HOST, ID),
        head(_GET, _FOR_GATEWAY, ID),
    ),
    Passing(
        "Host is rewritten where it stands",
        "9110 §7.2",
        head(_GET, b"A: 1", b"hOST: localhost:1", b"B: 2", ID),
        head(_GET, b"A: 1", b"hOST: " + GATEWAY, b"B: 2", ID),
    ),
    Passing(
        "empty lines before a request are passed over",
        "9112 §2.2",
        b"\r\n\r\n" + head(_GET, HOST, ID),
        head(_GET, _FOR_GATEWAY, ID),
    ),
    _unchanged("256 fields pass", *[b"X: %d" % i for i in range(254)], source="ours"),
    _unchanged("a head of 60 KiB passes", b"X: " + b"x" * 60_000, source="ours"),
    _unchanged(
        "QUERY is a method", b"Content-Length: 4", body=b"body", start=b"QUERY / HTTP/1.1", source="9110 §9.1"
    ),
)


# -- answers


class Seen(Enum):
    """What the client sees of an answer that it does not get."""

    REFUSED = auto()
    """Our 502, and nothing of the answer."""
    CUT = auto()
    """The head, perhaps some of the body, and a break."""


@dataclass(frozen=True)
class Answer:
    """An answer. `down`: how the client has to read it. `kept`: whether another call may meet the connection.

    `closes`: the gateway ends the connection behind it; otherwise it waits for the sidecar to do so, or not to.
    """

    name: str
    source: str
    said: bytes
    down: bytes | Seen
    kept: bool = False
    closes: bool = False
    method: bytes = b"GET"
    http10: bool = False


_OK = b"HTTP/1.1 200 OK"
_LENGTH = b"Content-Length: 2"
WHOLE = head(_OK, _LENGTH) + b"ok"
_EVIL = head(_OK, b"Content-Length: 4") + b"evil"


def _malformed(name: str, *lines: bytes, source: str = "9112 §5", start: bytes = _OK) -> Answer:
    return Answer(f"{name} is a 502", source, head(start, *lines), Seen.REFUSED)


def _same(name: str, said: bytes, source: str, *, kept: bool = True, method: bytes = b"GET") -> Answer:
    return Answer(name, source, said, said, kept=kept, method=method)


def _surplus(
    name: str, said: bytes, surplus: bytes, *, method: bytes = b"GET", source: str = "9112 §9.2"
) -> Answer:
    return Answer(f"{name} behind an answer reaches nobody", source, said + surplus, said, method=method)


def _cut(
    name: str, said: bytes, *, source: str = "9112 §8", closes: bool = False, http10: bool = False
) -> Answer:
    return Answer(f"{name} is a cut", source, said, Seen.CUT, closes=closes, http10=http10)


_MALFORMED = (
    _malformed("no HTTP", start=b"SSH-2.0-OpenSSH", source="9112 §4"),
    _malformed("junk before the status line", _LENGTH, start=b"junk\r\nHTTP/1.1 200 OK", source="9112 §4"),
    _malformed("a blank before the status line", _LENGTH, start=b" HTTP/1.1 200 OK", source="9112 §4"),
    _malformed("a page without a head", start=b"<html>", source="9112 §4"),
    _malformed("HTTP/2.0", _LENGTH, start=b"HTTP/2.0 200 OK", source="9112 §2.3"),
    _malformed("HTTP/2", _LENGTH, start=b"HTTP/2 200 OK", source="9112 §2.3"),
    _malformed("HTTP/0.9", _LENGTH, start=b"HTTP/0.9 200 OK", source="9112 §2.3"),
    _malformed("HTTP/1.2", _LENGTH, start=b"HTTP/1.2 200 OK", source="9112 §2.3"),
    _malformed(
        "HTTP/2.0 behind Proxy-Connection", _LENGTH, b"Proxy-Connection: keep-alive", start=b"HTTP/2.0 200 OK"
    ),
    _malformed("a status of two digits", start=b"HTTP/1.1 20 OK", source="9112 §4"),
    _malformed("a status of four digits", start=b"HTTP/1.1 2000 OK", source="9112 §4"),
    _malformed("a status of none", start=b"HTTP/1.1 OK", source="9112 §4"),
    _malformed("a status below zero", start=b"HTTP/1.1 -20 OK", source="9112 §4"),
    _malformed("status 000", _LENGTH, start=b"HTTP/1.1 000 OK", source="9110 §15"),
    _malformed("status 099", _LENGTH, start=b"HTTP/1.1 099 OK", source="9110 §15"),
    _malformed("NUL in the reason", _LENGTH, start=b"HTTP/1.1 200 O\0K", source="9112 §4"),
    _malformed("a control character in the reason", _LENGTH, start=b"HTTP/1.1 200 O\x0bK", source="9112 §4"),
    _malformed(
        "bare LF behind the status line", start=b"HTTP/1.1 200 OK\nContent-Length: 2", source="9112 §2.2"
    ),
    _malformed(
        "bare CR behind the status line", start=b"HTTP/1.1 200 OK\rContent-Length: 2", source="9112 §2.2"
    ),
    Answer(
        "bare LFs everywhere are a 502",
        "9112 §2.2",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        Seen.REFUSED,
    ),
    _malformed("two lengths", b"Content-Length: 1", b"Content-Length: 2", source="9112 §6.3"),
    _malformed("a length that is repeated", _LENGTH, _LENGTH, source="9112 §6.3"),
    _malformed("both lengths", _LENGTH, _CHUNKED, source="9112 §6.3"),
    _malformed("gzip, chunked", b"Transfer-Encoding: gzip, chunked", source="ours"),
    _malformed("gzip alone", b"Transfer-Encoding: gzip", source="ours"),
    _malformed("chunked twice", b"Transfer-Encoding: chunked, chunked", source="9112 §6.1"),
    _malformed("chunked in two lines", _CHUNKED, _CHUNKED, source="9112 §6.1"),
    _malformed("chunked in HTTP/1.0", _CHUNKED, start=b"HTTP/1.0 200 OK", source="9112 §6.1"),
    _malformed("a length below zero", b"Content-Length: -1", source="9110 §8.6"),
    _malformed("a length with a sign", b"Content-Length: +1", source="9110 §8.6"),
    _malformed("a length in hex", b"Content-Length: 0x1", source="9110 §8.6"),
    _malformed("an empty length", b"Content-Length:", source="9110 §8.6"),
    _malformed("a list of lengths", b"Content-Length: 2, 2", source="9112 §6.3"),
    _malformed("a length beyond 64 bits", b"Content-Length: " + b"9" * 30, source="9110 §8.6"),
    _malformed("space before the colon", b"A : b"),
    _malformed("obs-fold", b"A: b", b" folded", source="9112 §5.2"),
    _malformed("bare CR in a value", b"A: b\rc", source="9112 §2.2"),
    _malformed("bare LF in a value", b"A: b\nC: d", source="9112 §2.2"),
    _malformed("NUL in a value", b"A: b\0c", source="9110 §5.5"),
    _malformed("a control character in a value", b"A: b\x01c", source="9110 §5.5"),
    _malformed("no colon", b"no colon"),
    _malformed("an empty name", b": x"),
    _malformed("a name beyond ASCII", b"X\xe9: x"),
    _malformed("a name with a brace", b"X{}: x"),
    _malformed("a head above 64 KiB", _LENGTH, b"X: " + b"x" * 70_000, source="ours"),
    _malformed("a reason above 64 KiB", _LENGTH, start=b"HTTP/1.1 200 " + b"x" * 70_000, source="ours"),
    _malformed("257 fields", *[b"X: %d" % i for i in range(257)], source="ours"),
    _malformed("300 fields", *[b"X: %d" % i for i in range(300)], source="ours"),
    Answer("a head without end is a 502", "ours", _OK + b"\r\n" + b"X: y\r\n" * 50_000, Seen.REFUSED),
    _malformed(
        "101 that nobody asked for",
        b"Upgrade: websocket",
        b"Connection: upgrade",
        start=b"HTTP/1.1 101 X",
        source="9110 §7.8",
    ),
    _malformed("101 that nobody asked for, bare,", start=b"HTTP/1.1 101 X", source="9110 §15.2.2"),
    _malformed(
        "a length in 1xx with a body", b"Content-Length: 5", start=b"HTTP/1.1 199 X", source="9110 §8.6"
    ),
    Answer(
        "half a head is a 502",
        "9112 §8",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        Seen.REFUSED,
        closes=True,
    ),
    Answer("half a status line is a 502", "9112 §8", b"HTTP/1.1 2", Seen.REFUSED, closes=True),
    Answer("nothing is a 502", "9112 §8", b"", Seen.REFUSED, closes=True, method=b"POST"),
    Answer("nothing but empty lines is a 502", "9112 §8", b"\r\n\r\n", Seen.REFUSED, closes=True),
)

_WHOLE = (
    _same("an answer passes", WHOLE, "9110 §7.6"),
    _same("a reason may be anything", head(b"HTTP/1.1 299 Caf\xe9,\t thanks", _LENGTH) + b"ok", "9112 §4"),
    _same("a reason may be empty", head(b"HTTP/1.1 299 ", _LENGTH) + b"ok", "9112 §4"),
    Answer(
        "a status line may end early",
        "ours",
        head(b"HTTP/1.1 200", _LENGTH) + b"ok",
        head(b"HTTP/1.1 200 ", _LENGTH) + b"ok",
        kept=True,
    ),
    _same("a status that nobody knows passes", head(b"HTTP/1.1 799 Hm", _LENGTH) + b"ok", "9110 §15"),
    _same("chunked stays chunked", head(_OK, _CHUNKED) + chunked(b"ok"), "9112 §7.1"),
    Answer(
        "chunk extensions stop here, trailers pass",
        "9112 §7.1.2",
        head(_OK, b"Trailer: X-Sum", _CHUNKED)
        + b"2;a=b\r\nok\r\n"
        + head(b"0;c", b"X-Sum: 1", b"Set-Cookie: a=b", b"Connection: x"),
        head(_OK, b"Trailer: X-Sum", _CHUNKED) + chunked(b"ok", trailers=(b"X-Sum: 1",)),
        kept=True,
    ),
    _same("a head of 60 KiB passes", head(_OK, b"X: " + b"x" * 60_000, _LENGTH) + b"ok", "ours"),
    _same("256 fields pass", head(_OK, *[b"X: %d" % i for i in range(255)], _LENGTH) + b"ok", "ours"),
    Answer(
        "hop-by-hop fields stop here",
        "9110 §7.6.1",
        head(
            _OK,
            b"Connection: x-a, keep-alive",
            b"X-A: 1",
            b"Keep-Alive: timeout=5",
            b"Proxy-Authenticate: x",
            b"Upgrade: h2c",
            _LENGTH,
        )
        + b"ok",
        WHOLE,
        kept=True,
    ),
    Answer(
        "what would act on every app on localhost stops here",
        "ours",
        head(
            _OK,
            b"Set-Cookie: a=b",
            b"Alt-Svc: x",
            b"Access-Control-Allow-Origin: *",
            b"Strict-Transport-Security: x",
            _LENGTH,
        )
        + b"ok",
        WHOLE,
        kept=True,
    ),
    Answer(
        "a length cannot be named away",
        "9110 §7.6.1",
        head(_OK, b"Connection: content-length", _LENGTH) + b"ok",
        WHOLE,
        kept=True,
    ),
    _same("204 has no body", head(b"HTTP/1.1 204 No Content", b"X: 1"), "9110 §15.3.5"),
    _same(
        "304 keeps its length and has no body",
        head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 4096"),
        "9110 §15.4.5",
    ),
    _same("304 may say chunked and has no body", head(b"HTTP/1.1 304 Not Modified", _CHUNKED), "9112 §6.1"),
    _same(
        "HEAD keeps the length and has no body",
        head(_OK, b"Content-Length: 4096"),
        "9110 §9.3.2",
        method=b"HEAD",
    ),
    _same("HEAD without a length has none", head(_OK, b"X: 1"), "9110 §9.3.2", method=b"HEAD", kept=False),
    _same("205 with a body passes", head(b"HTTP/1.1 205 Reset", _LENGTH) + b"ok", "9112 §6.3"),
    Answer(
        "a close-delimited answer becomes chunked",
        "9112 §7",
        head(_OK) + b"ok",
        head(_OK, _CHUNKED) + chunked(b"ok"),
        closes=True,
    ),
    Answer(
        "an empty close-delimited answer too",
        "9112 §7",
        head(_OK),
        head(_OK, _CHUNKED) + chunked(),
        closes=True,
    ),
    Answer(
        "a close-delimited answer stays one for HTTP/1.0",
        "9112 §6.3",
        head(_OK) + b"ok",
        head(_OK) + b"ok",
        closes=True,
        http10=True,
    ),
    Answer(
        "chunks become close-delimited for HTTP/1.0",
        "9112 §6.1",
        head(_OK, _CHUNKED) + chunked(b"o", b"k", trailers=(b"X: y",)),
        head(_OK) + b"ok",
        kept=True,
        http10=True,
    ),
    Answer("a length stays for HTTP/1.0", "9112 §6.3", WHOLE, WHOLE, kept=True, http10=True),
    Answer(
        "an answer that says close is the last",
        "9112 §9.6",
        head(_OK, b"Connection: close", _LENGTH) + b"ok",
        WHOLE,
    ),
    Answer(
        "an answer in HTTP/1.0 is the last", "9112 §9.3", head(b"HTTP/1.0 200 OK", _LENGTH) + b"ok", WHOLE
    ),
    Answer(
        "an answer in HTTP/1.0 may keep alive",
        "9112 §9.3",
        head(b"HTTP/1.0 200 OK", b"Connection: keep-alive", _LENGTH) + b"ok",
        WHOLE,
        kept=True,
    ),
    Answer(
        "close counts more than keep-alive in HTTP/1.0",
        "9112 §9.3",
        head(b"HTTP/1.0 200 OK", b"Connection: keep-alive, close", _LENGTH) + b"ok",
        WHOLE,
    ),
    Answer(
        "a length that is long enough for a part is a part",
        "9112 §6.3",
        head(_OK, b"Content-Length: 1") + b"ok",
        head(_OK, b"Content-Length: 1") + b"o",
    ),
    _same(
        "1xx pass",
        head(b"HTTP/1.1 100 Continue") + head(b"HTTP/1.1 103 Hints", b"Link: x") + WHOLE,
        "9110 §15.2",
    ),
    _same(
        "1xx that nobody knows pass",
        head(b"HTTP/1.1 104 Hm") + head(b"HTTP/1.1 199 Hm") + WHOLE,
        "9110 §15.2",
    ),
    _same(
        "a flood of 1xx passes",
        head(b"HTTP/1.1 102 Processing", b"X: " + b"x" * 100) * 500 + WHOLE,
        "9110 §15.2",
    ),
    Answer(
        "1xx stop before HTTP/1.0",
        "9110 §15.2",
        head(b"HTTP/1.1 103 Hints") + WHOLE,
        WHOLE,
        kept=True,
        http10=True,
    ),
)

_SURPLUS = (
    _surplus("another answer", WHOLE, _EVIL),
    _surplus("a byte", WHOLE, b"x"),
    _surplus("1xx", WHOLE, head(b"HTTP/1.1 100 Continue")),
    _surplus("a byte behind empty lines", WHOLE, b"\r\n\r\nx"),
    _surplus("another answer behind chunks", head(_OK, _CHUNKED) + chunked(b"ok"), _EVIL),
    _surplus("a body of 204", head(b"HTTP/1.1 204 No Content"), b"ok", source="9110 §15.3.5"),
    _surplus("a body of 304", head(b"HTTP/1.1 304 Not Modified", _LENGTH), b"ok", source="9110 §15.4.5"),
    _surplus("a body of HEAD", head(_OK, _LENGTH), b"ok", method=b"HEAD", source="9110 §9.3.2"),
    _surplus("half a body of HEAD", head(_OK, _LENGTH), b"o", method=b"HEAD", source="9110 §9.3.2"),
    _surplus(
        "a chunked body of HEAD", head(_OK, _CHUNKED), chunked(b"ok"), method=b"HEAD", source="9110 §9.3.2"
    ),
    _surplus(
        "an empty chunked body of HEAD",
        head(_OK, _CHUNKED),
        b"0\r\n\r\n",
        method=b"HEAD",
        source="9110 §9.3.2",
    ),
    _surplus("half a chunk of HEAD", head(_OK, _CHUNKED), b"5\r\n", method=b"HEAD", source="9110 §9.3.2"),
    Answer(
        "a body of 1xx reaches nobody",
        "9110 §15.2",
        head(b"HTTP/1.1 199 X", b"Content-Length: 5") + b"hello" + WHOLE,
        Seen.REFUSED,
    ),
    Answer(
        "a body of 100 reaches nobody",
        "9110 §15.2",
        head(b"HTTP/1.1 100 X", b"Content-Length: 5") + b"hello" + WHOLE,
        Seen.REFUSED,
    ),
    Answer(
        "a chunked body of 1xx reaches nobody",
        "9110 §15.2",
        head(b"HTTP/1.1 150 X", _CHUNKED) + chunked(b"hello") + WHOLE,
        Seen.REFUSED,
    ),
)

_HALF = head(_OK, _CHUNKED) + b"5\r\nwhole\r\n"
_CUTS = (
    _cut("a body that is too short", head(_OK, b"Content-Length: 100") + b"part", closes=True),
    _cut("a body that never begins", head(_OK, b"Content-Length: 100"), closes=True),
    _cut("an end between chunks", _HALF, closes=True),
    _cut("an end within a chunk", _HALF + b"50\r\npart", closes=True),
    _cut("an end within a chunk's size", _HALF + b"5", closes=True),
    _cut("an end within the last chunk", _HALF + b"0\r\n", closes=True),
    _cut("an end within the trailers", _HALF + b"0\r\nX: y\r\n", closes=True),
    _cut("an end between chunks, for HTTP/1.0,", _HALF, closes=True, http10=True),
    _cut(
        "a body that is too short, for HTTP/1.0,",
        head(_OK, b"Content-Length: 100") + b"part",
        closes=True,
        http10=True,
    ),
    *[
        _cut(f"a chunk ({name})", _HALF + chunk, source="9112 §7.1", closes=name == "too little in it")
        for name, chunk in BROKEN_CHUNKS.items()
        if name != "a length in the trailers"
    ],
    _cut("a broken chunk for HTTP/1.0", _HALF + b"zz\r\n", source="9112 §7.1", http10=True),
)

ANSWERS = (*_MALFORMED, *_WHOLE, *_SURPLUS, *_CUTS)
