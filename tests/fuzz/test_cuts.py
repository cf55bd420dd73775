"""However an exchange is cut into reads, in both directions: both sides see the same messages."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.answers import differences as answers_differ
from fuzz.model import expect
from fuzz.requests import differences as requests_differ
from fuzz.wires import Arena, GatewayWire, Wire
from harness.loops import LoopThread
from harness.reference import Heard, Reading, Stop, read_answers, read_requests
from harness.wire import End, chunked, head

HOST = b"Host: localhost"
CHUNKED = b"Transfer-Encoding: chunked"
OK = b"HTTP/1.1 200 OK"


@dataclass(frozen=True)
class Exchange:
    """A request and its answer; `closes`: the gateway ends the connection behind it."""

    request: bytes
    answer: bytes
    closes: bool = False


def get(*lines: bytes) -> bytes:
    return head(b"GET /v1/models?x=%2f HTTP/1.1", HOST, *lines)


def post(*lines: bytes, body: bytes) -> bytes:
    return head(b"POST /v1/chat/completions HTTP/1.1", HOST, *lines) + body


WHOLE = head(OK, b"Content-Length: 5") + b"hello"
EVENTS = chunked(b"data: one\n\n", b"data: two\n\n", b"data: [DONE]\n\n")
ODD_CHUNKS = (
    b'004;a=1;b="\\";"\r\nbody\r\nA\r\n\r\n0\r\n\r\n0\r\n\r\n'
    b"0;x\r\nX-Sum: 1\r\nx-more:\tcaf\xe9\r\nCookie: a=b\r\n\r\n"
)
H2C = (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAM")
FRAMES = b"\x81\x05hello\r\n\r\nGET / HTTP/1.1\r\n\r\n"
KEPT = (
    Exchange(get(), WHOLE),
    Exchange(get(b"TE: trailers"), head(OK, b"Trailer: X-Sum", CHUNKED) + ODD_CHUNKS),
    Exchange(post(b"Content-Length: 13", body=b"0\r\n\r\nGET / \r\n"), head(OK, CHUNKED) + EVENTS),
    Exchange(post(b"X-Latin: \xe9", CHUNKED, body=ODD_CHUNKS), head(b"HTTP/1.1 299 ", b"Content-Length: 0")),
    Exchange(post(CHUNKED, *H2C, body=chunked(b"bo", b"dy")), WHOLE),
    Exchange(post(b"Content-Length: 4", *H2C, body=b"body"), WHOLE),
    Exchange(get(*H2C), head(b"HTTP/1.1 204 No Content", b"X: \t y \t")),
    Exchange(head(b"HEAD / HTTP/1.1", HOST), head(OK, b"Content-Length: 4096")),
    Exchange(get(), head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 4096")),
    Exchange(
        get(), head(b"HTTP/1.1 100 Go on") + head(b"HTTP/1.1 103 Hints", b"Link: x", b"Set-Cookie: y") + WHOLE
    ),
    Exchange(get(), head(b"HTTP/1.1 102 Processing") * 3 + head(OK, CHUNKED) + EVENTS),
    Exchange(get(), head(OK) + b"until the end\r\n", closes=True),
)
LAST = (
    None,
    Exchange(get(b"Connection: close"), WHOLE),
    Exchange(head(b"GET / HTTP/1.0", HOST), head(OK, CHUNKED) + EVENTS),
    Exchange(head(b"GET / HTTP/1.0", HOST), head(OK) + b"until the end", closes=True),
    Exchange(
        get(b"Upgrade: websocket", b"Connection: Upgrade") + FRAMES,
        head(b"HTTP/1.1 101 Go on", b"Upgrade: websocket", b"Connection: upgrade") + FRAMES * 2,
    ),
)


@dataclass
class Script:
    """Gives these answers in order, cut into reads; keeps what was asked."""

    answers: list[tuple[list[bytes], bool]] = field(default_factory=list)
    asked_for: list[Heard] = field(default_factory=list)
    tunnel: GatewayWire | None = None
    errors: list[str] = field(default_factory=list)

    def asked(self, wire: GatewayWire, request: Heard) -> None:
        self.asked_for.append(request)
        pieces, closes = self.answers[len(self.asked_for) - 1]
        if request.upgrades:
            wire.tunnelled = True
            self.tunnel = wire
        wire.perform(pieces, closes=closes, resets=False)

    def broke(self, wire: GatewayWire, rest: bytes) -> None:
        self.errors.append(f"half a request: {rest!r}")

    def nonsense(self, wire: GatewayWire, why: str) -> None:
        self.errors.append(why)


@dataclass
class Stage:
    """An arena and its script."""

    arena: Arena
    script: Script


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A sidecar on each of the loops, for all examples."""
    script = Script()
    factory = asyncio.new_event_loop if request.param == "asyncio" else None
    with LoopThread(factory) as loop, Arena(loop, script) as arena:
        yield Stage(arena, script)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """`raw` in pieces that end at these places."""
    ends = [0, *sorted({place % (len(raw) + 1) for place in places}), len(raw)]
    return [raw[a:b] for a, b in pairwise(ends) if a < b]


places = st.one_of(
    st.lists(st.integers(min_value=0, max_value=1 << 12), max_size=6),
    # Byte by byte from some place on.
    st.builds(lambda start: list(range(start, start + 60)), st.integers(min_value=0, max_value=200)),
)
EXAMPLES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@EXAMPLES
@given(
    kept=st.lists(st.sampled_from(KEPT), max_size=4),
    last=st.sampled_from(LAST),
    up=places,
    down=places,
    pipelined=st.booleans(),
)
def test_any_way_of_cutting_an_exchange_gives_the_same_messages(
    stage: Stage, kept: list[Exchange], last: Exchange | None, up: list[int], down: list[int], pipelined: bool
) -> None:
    exchanges = [*kept, *([] if last is None else [last])]
    script = stage.script
    script.answers[:] = [(cut(each.answer, down), each.closes) for each in exchanges]
    script.asked_for.clear()
    wire = stage.arena.loop.run(converse(stage, exchanges, up, pipelined=pipelined))

    raw = b"".join(each.request for each in exchanges)
    expected = expect(raw, stage.arena.authority)
    said = [heard for _, heard in expected.answered if heard is not None]
    assert len(said) == len(script.asked_for) == len(exchanges)
    for got, meant in zip(script.asked_for, said, strict=True):
        assert requests_differ(got, meant) == []
    check_answers(wire, exchanges, [method for method, _ in expected.answered])
    if expected.frames:
        assert script.tunnel is not None
        assert bytes(script.tunnel.received) == expected.frames
    assert script.errors == []
    stage.arena.wait_until_settled()
    assert stage.arena.errors.found == []


async def converse(stage: Stage, exchanges: list[Exchange], up: list[int], *, pipelined: bool) -> Wire:
    """Send the requests, all together or one after the other, until everything has been answered."""
    wire = await stage.arena.connect()
    methods: list[bytes] = []

    def reading() -> Reading:
        return read_answers(bytes(wire.received), methods, ended=wire.end is End.CLOSED)

    def all_are_answered() -> bool:
        now = reading()
        finals = [each for each in now.messages if each.status >= 200 or each.status == 101]
        frames = len(FRAMES) * 2 if now.stop is Stop.SWITCHED else 0
        return len(finals) == len(methods) and len(now.rest) >= frames

    async with asyncio.timeout(20):
        for sent in (
            [b"".join(each.request for each in exchanges)]
            if pipelined
            else [each.request for each in exchanges]
        ):
            methods += [request.method for request in read_requests(sent).messages]
            await wire.send(cut(sent, up))
            await wire.until(all_are_answered)
        if wire.end is None:
            wire.half_close()
            await wire.until(lambda: False)
    return wire


def check_answers(wire: Wire, exchanges: list[Exchange], methods: list[bytes]) -> None:
    """That the client has seen every answer as it was said, and nothing else."""
    assert wire.end is End.CLOSED
    seen = read_answers(bytes(wire.received), methods, ended=True)
    got = list(seen.messages)
    for exchange, method in zip(exchanges, methods, strict=True):
        http10 = b" HTTP/1.0" in exchange.request
        reading = read_answers(exchange.answer, [method], ended=exchange.closes)
        for meant in reading.messages:
            assert answers_differ(meant, got.pop(0), http10=http10) == []
    assert got == []
    assert seen.rest == (FRAMES * 2 if seen.stop is Stop.SWITCHED else b"")
