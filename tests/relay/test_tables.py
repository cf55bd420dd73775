"""The pure rules, as tables: framing, headers, targets, refusals, writes, the pool."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.relay import framing, headers, refusals, targets
from proxy.relay.destination import Upstream
from proxy.relay.dialing import Dialer
from proxy.relay.framing import BadFraming, Framing
from proxy.relay.names import NameCache, system_resolve
from proxy.relay.pool import Pool
from proxy.relay.refusals import Refusal
from proxy.relay.targets import BadTarget, Target
from proxy.relay.upstream import UpstreamConnection
from proxy.relay.writes import HOLD_LIMIT_BYTES, Gatherer, Sender

# -- framing

LENGTH = {b"content-length": b"4"}
CHUNKED = {b"transfer-encoding": b"chunked"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Framing.NONE),
        (LENGTH, Framing.LENGTH),
        (CHUNKED, Framing.CHUNKED),
        ({b"transfer-encoding": b"Chunked"}, Framing.CHUNKED),
    ],
)
def test_how_a_request_ends(fields: dict[bytes, bytes], expected: Framing) -> None:
    assert framing.of_request(fields) is expected


AMBIGUOUS = [
    LENGTH | CHUNKED,
    {b"transfer-encoding": b"gzip, chunked"},
    {b"transfer-encoding": b"chunked, chunked"},
    {b"transfer-encoding": b"identity"},
    {b"transfer-encoding": b""},
]


@pytest.mark.parametrize("fields", AMBIGUOUS)
def test_an_ambiguous_end_is_none(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(BadFraming):
        framing.of_request(fields)
    for method, status in ((b"GET", 200), (b"HEAD", 200), (b"GET", 304)):
        with pytest.raises(BadFraming):
            framing.of_answer(method, status, fields)


@pytest.mark.parametrize(
    ("method", "status", "fields", "expected"),
    [
        (b"GET", 200, LENGTH, Framing.LENGTH),
        (b"GET", 200, CHUNKED, Framing.CHUNKED),
        (b"GET", 200, {}, Framing.UNTIL_CLOSE),
        (b"GET", 500, {}, Framing.UNTIL_CLOSE),
        (b"HEAD", 200, LENGTH, Framing.NONE),
        (b"HEAD", 200, CHUNKED, Framing.NONE),
        (b"HEAD", 200, {}, Framing.NONE),
        (b"GET", 204, {}, Framing.NONE),
        (b"GET", 304, LENGTH, Framing.NONE),
        (b"GET", 100, {}, Framing.NONE),
        (b"GET", 101, {}, Framing.NONE),
        (b"GET", 205, LENGTH, Framing.LENGTH),
    ],
)
def test_how_an_answer_ends(
    method: bytes, status: int, fields: dict[bytes, bytes], expected: Framing
) -> None:
    assert framing.of_answer(method, status, fields) is expected


@pytest.mark.parametrize(
    ("upstream", "http10", "client"),
    [
        (Framing.NONE, False, Framing.NONE),
        (Framing.LENGTH, False, Framing.LENGTH),
        (Framing.CHUNKED, False, Framing.CHUNKED),
        (Framing.UNTIL_CLOSE, False, Framing.CHUNKED),
        (Framing.NONE, True, Framing.NONE),
        (Framing.LENGTH, True, Framing.LENGTH),
        (Framing.CHUNKED, True, Framing.UNTIL_CLOSE),
        (Framing.UNTIL_CLOSE, True, Framing.UNTIL_CLOSE),
    ],
)
def test_a_body_keeps_its_framing_where_the_client_knows_it(
    upstream: Framing, http10: bool, client: Framing
) -> None:
    assert framing.towards_client(upstream, http10=http10) is client


def test_chunks_are_written_as_the_rfc_has_them() -> None:
    assert framing.chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert framing.last_chunk([]) == b"0\r\n\r\n"
    assert framing.last_chunk([(b"A", b"1"), (b"b", b"")]) == b"0\r\nA: 1\r\nb: \r\n\r\n"


# -- headers


def test_repeated_lines_are_joined_where_they_are_looked_up() -> None:
    fields, kept = headers.read([(b"A", b"1"), (b"B", b"x"), (b"a", b"2"), (b"A", b"3")], headers.UP)
    assert fields == {b"a": b"1, 2, 3", b"b": b"x"}
    assert kept == [b"A: 1", b"B: x", b"a: 2", b"A: 3"]


def test_a_list_of_words_is_read_in_any_spelling() -> None:
    assert headers.tokens(b" Close ,\tX-A,,x-a") == {b"close", b"x-a", b""}


@pytest.mark.parametrize(
    ("upgrade", "connection", "expected"),
    [
        (b"websocket", b"Upgrade", True),
        (b"WebSocket", b"keep-alive, upgrade", True),
        (b"websocket", b"keep-alive", False),
        (b"h2c", b"Upgrade", False),
        (b"websocket, h2c", b"Upgrade", False),
        (None, b"Upgrade", False),
        (b"websocket", None, False),
    ],
)
def test_only_websocket_is_an_upgrade_to_follow(
    upgrade: bytes | None, connection: bytes | None, expected: bool
) -> None:
    fields = {b"upgrade": upgrade, b"connection": connection}
    assert (
        headers.wants_websocket({name: value for name, value in fields.items() if value is not None})
        is expected
    )


def test_trailers_that_frame_route_or_speak_of_the_connection_are_dropped() -> None:
    kept = [(b"X-Sum", b"1"), (b"grpc-status", b"0")]
    dropped = [
        b"Content-Length",
        b"host",
        b"TE",
        b"Connection",
        b"set-cookie",
        b"Cookie",
        b"Access-Control-Max-Age",
    ]
    assert headers.trailers([*kept, *[(name, b"x") for name in dropped]]) == kept


# -- targets


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/", Target(b"/", b"/")),
        (b"/a/b?c=/../d", Target(b"/a/b?c=/../d", b"/a/b")),
        (b"/a?", Target(b"/a?", b"/a")),
        (b"//a", Target(b"//a", b"//a")),
        (b"/a/...", Target(b"/a/...", b"/a/...")),
        (b"/a%2Fb%zz", Target(b"/a%2Fb%zz", b"/a%2Fb%zz")),
        (b"/%252e%252e/", Target(b"/%252e%252e/", b"/%252e%252e/")),
        (b"http://Host:1/a?b", Target(b"/a?b", b"/a", b"Host:1")),
        (b"HTTPS://host", Target(b"/", b"/", b"host")),
        (b"http://host?x", Target(b"/?x", b"/", b"host")),
    ],
)
def test_a_target_is_read_and_stays_as_it_came(raw: bytes, expected: Target) -> None:
    assert targets.parse(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a",
        b"localhost:80",
        b"ftp://host/",
        b"/a#b",
        b"/a?b#c",
        b"http://host/a#b",
        b"/..",
        b"/.",
        b"/a/../b",
        b"/a/./b",
        b"/%2e%2E",
        b"/.%2e/",
        b"/a%2f..",
        b"/a%2F%2e%2f",
        b"/a\\b",
        b"/a%5cb",
        b"/..%5C",
        b"http://host/../",
    ],
)
def test_a_target_that_two_servers_could_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(BadTarget):
        targets.parse(raw)


@given(
    st.lists(
        st.sampled_from([b"/", b".", b"..", b"%2e", b"%2F", b"%5c", b"\\", b"a", b"?", b"%"]), max_size=8
    )
)
def test_no_spelling_of_a_dot_segment_gets_through(parts: list[bytes]) -> None:
    raw = b"/" + b"".join(parts)
    try:
        path = targets.parse(raw).path
    except BadTarget:
        return
    plain = (
        path.lower().replace(b"%2e", b".").replace(b"%2f", b"/").replace(b"%5c", b"/").replace(b"\\", b"/")
    )
    assert not {b".", b".."} & set(plain.split(b"/"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/feedback", True),
        (b"/feedback/", True),
        (b"/feedback/x", True),
        (b"/feedbackx", False),
        (b"/feedback%2Fx", False),
        (b"/Feedback", False),
        (b"//feedback", False),
        (b"/", False),
    ],
)
def test_below_means_by_whole_segments(path: bytes, expected: bool) -> None:
    assert targets.is_below(path, b"/feedback") is expected


# -- refusals

REFUSALS = [
    refusals.malformed("why"),
    refusals.head_too_large(65536, 256),
    refusals.method_refused("TRACE"),
    refusals.method_unknown(),
    refusals.version_refused(),
    refusals.loop(),
    refusals.unreachable("host:1", "why"),
    refusals.connect_timed_out("host:1", 10),
    refusals.broke_before_answer("host:1", stale=True),
    refusals.broke_before_answer("host:1", stale=False),
    refusals.bad_answer("host:1", "why"),
    Refusal(403, "odd", 'Ümläut "quoted" 👍'),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.code))
@pytest.mark.parametrize("close", [True, False])
def test_a_refusal_has_the_shape_of_openais_errors(refusal: Refusal, close: bool) -> None:
    head, _, body = refusals.render(refusal, close=close).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 %d %b" % (refusal.status, HTTPStatus(refusal.status).phrase.encode())
    assert json.loads(body) == {
        "error": {"message": refusal.message, "type": "sidecar_error", "code": refusal.code}
    }
    assert b"Content-Length: %d" % len(body) in lines
    assert b"Feedback-Error: " + refusal.code.encode() in lines
    assert (b"Connection: close" in lines) is close
    assert refusal.message.endswith((".", "👍"))
    assert refusals.render(refusal, close=close, bodyless=True) == head + b"\r\n\r\n"


# -- writes


class FakeTransport(asyncio.Transport):
    """Notes what is done to it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "a closed uvloop transport raises here"
        self.done.append(bytes(data))

    def write_eof(self) -> None:
        assert not self.closing
        self.done.append("eof")

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True
        self.done.append("close")

    def abort(self) -> None:
        self.closing = True
        self.done.append("abort")


class Turn:
    """The end of the loop's turn, which comes when the test says so."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def end(self) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()


def sender(*, busy: bool = True) -> tuple[Sender, FakeTransport, Turn]:
    turn, transport = Turn(), FakeTransport()
    gatherer = Gatherer(turn.call_soon)
    gatherer.open_calls = 100 if busy else 1
    return Sender(transport, gatherer), transport, turn


def test_with_few_calls_everything_leaves_at_once() -> None:
    sending, transport, turn = sender(busy=False)
    sending.write(b"a")
    sending.write(b"b")
    assert transport.done == [b"a", b"b"]
    assert turn.callbacks == []


def test_with_many_calls_small_writes_leave_together_at_the_end_of_the_turn() -> None:
    sending, transport, turn = sender()
    sending.write(b"a")
    sending.write(b"b")
    assert transport.done == []
    turn.end()
    assert transport.done == [b"ab"]
    sending.write(b"c")
    turn.end()
    assert transport.done == [b"ab", b"c"]


def test_several_senders_share_one_callback() -> None:
    turn = Turn()
    gatherer = Gatherer(turn.call_soon)
    gatherer.open_calls = 100
    transports = [FakeTransport() for _ in range(3)]
    for transport in transports:
        Sender(transport, gatherer).write(b"x")
    assert len(turn.callbacks) == 1
    turn.end()
    assert [transport.done for transport in transports] == [[b"x"]] * 3


@pytest.mark.parametrize(
    ("act", "after"),
    [
        (lambda s: s.write(b"L" * (HOLD_LIMIT_BYTES + 1)), [b"L" * (HOLD_LIMIT_BYTES + 1)]),
        (lambda s: s.write_eof(), ["eof"]),
        (lambda s: s.close(), ["close"]),
        (lambda s: s.flush(), []),
    ],
)
def test_what_was_held_back_leaves_before_anything_else(
    act: Callable[[Sender], None], after: list[bytes | str]
) -> None:
    sending, transport, turn = sender()
    sending.write(b"held")
    act(sending)
    assert transport.done == [b"held", *after]
    turn.end()
    assert transport.done == [b"held", *after]


def test_what_one_connection_holds_back_is_bounded() -> None:
    sending, transport, _ = sender()
    written = 0
    for _ in range(100):
        sending.write(b"x" * 1000)
        written += 1000
        left = sum(len(each) for each in transport.done if isinstance(each, bytes))
        assert written - left <= HOLD_LIMIT_BYTES


def test_a_write_while_something_is_held_stays_behind_it_also_when_calls_get_few() -> None:
    turn, transport = Turn(), FakeTransport()
    gatherer = Gatherer(turn.call_soon)
    gatherer.open_calls = 100
    sending = Sender(transport, gatherer)
    sending.write(b"first")
    gatherer.open_calls = 0
    sending.write(b"second")
    turn.end()
    assert b"".join(each for each in transport.done if isinstance(each, bytes)) == b"firstsecond"


def test_an_abort_sends_nothing_more() -> None:
    sending, transport, turn = sender()
    sending.write(b"held")
    sending.abort()
    turn.end()
    assert transport.done == ["abort"]


def test_on_a_closed_transport_everything_is_silent() -> None:
    sending, transport, turn = sender()
    sending.write(b"held")
    transport.closing = True
    sending.write(b"more")
    sending.write(b"L" * (HOLD_LIMIT_BYTES + 1))
    sending.flush()
    sending.write_eof()
    turn.end()
    assert transport.done == []


@given(
    st.lists(
        st.one_of(st.integers(1, 3 * HOLD_LIMIT_BYTES), st.sampled_from(["flush", "turn", "few", "many"])),
        max_size=30,
    )
)
def test_no_order_of_writes_changes_the_order_of_bytes(acts: list[int | str]) -> None:
    turn, transport = Turn(), FakeTransport()
    gatherer = Gatherer(turn.call_soon)
    sending = Sender(transport, gatherer)
    expected = b""
    for number, act in enumerate(acts):
        if isinstance(act, int):
            data = b"%d" % (number % 10) * act
            expected += data
            sending.write(data)
        elif act == "flush":
            sending.flush()
        elif act == "turn":
            turn.end()
        else:
            gatherer.open_calls = 100 if act == "many" else 0
    turn.end()
    assert b"".join(each for each in transport.done if isinstance(each, bytes)) == expected


# -- the pool


def test_the_newest_idle_connection_is_taken_and_one_that_closes_is_not() -> None:
    async def scenario() -> None:
        gatherer = Gatherer(Turn().call_soon)
        pool = Pool(
            Upstream.from_url("http://127.0.0.1:9"),
            Dialer(NameCache(system_resolve, lambda: 0.0)),
            gatherer,
            lambda: 0.0,
        )
        transports = [FakeTransport() for _ in range(3)]
        connections = [UpstreamConnection(pool, gatherer) for _ in transports]
        for connection, transport in zip(connections, transports, strict=True):
            connection.connection_made(transport)
            pool.give_back(connection)
        transports[1].closing = True
        assert [pool.take(), pool.take(), pool.take()] == [connections[2], connections[0], None]
        await pool.close()

    asyncio.run(scenario())
