"""Connections to an upstream: the race of its addresses, a name that leads elsewhere by now, nothing left open."""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.authorities import Authority
from harness.loops import LoopThread
from harness.proxies import saying
from harness.upstreams import ScriptedUpstream, Upstream, UpstreamWire
from harness.wire import head, wait_until
from proxy.outbound import trusting
from proxy.relay import reasons
from proxy.relay.destination import Upstream as Destination
from proxy.relay.dialing import HEAD_START_SECONDS, Dialer, Unreachable
from proxy.relay.forward_proxy import ForwardProxy
from proxy.relay.names import Address, NameCache
from relay.loops import needs_openssl, on_both_loops

URL = "http://gateway.test:80"
_DESCRIPTORS = Path("/proc/self/fd")


class Calls(asyncio.Protocol):
    """A connection, and what has become of it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]


class Bench:
    """A dialer whose lookups give these answers, one after the other, and the last one ever after."""

    def __init__(self, *answers: Sequence[Address] | OSError) -> None:
        self.answers = list(answers)
        self.lookups = 0
        self.now = 0.0
        self.dialer = Dialer(NameCache(self._resolve, lambda: self.now))

    async def _resolve(self, host: str, port: int) -> Sequence[Address]:
        self.lookups += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def dial(self, destination: Destination | None = None) -> Calls:
        return await self.dialer.dial(destination or Destination.from_url(URL), Calls)

    async def reason(self, destination: Destination | None = None) -> str:
        with pytest.raises(Unreachable) as caught:
            await self.dial(destination)
        return caught.value.reason


def at(port: int, literal: str = "127.0.0.1") -> Address:
    family = socket.AF_INET6 if ":" in literal else socket.AF_INET
    sockaddr = (literal, port, 0, 0) if ":" in literal else (literal, port)
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", sockaddr)


@pytest.fixture
def live(scope: contextlib.ExitStack) -> Upstream:
    """Accepts connections."""
    return scope.enter_context(Upstream())


@pytest.fixture
def silent(unconnected: str) -> Address:
    """An address from which nothing comes, not even a refusal."""
    return at(int(unconnected.rpartition(":")[2]))


@pytest.fixture
def refusing() -> Iterator[Address]:
    """An address with nobody behind it, now or later: bound, but nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield at(sock.getsockname()[1])


def _sockets() -> set[str]:
    """The sockets that this process has open, by their inode."""
    found = set()
    for each in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):
            found.add(str(each.readlink()))
    return {name for name in found if name.startswith("socket:")}


@pytest.fixture(autouse=True)
def no_socket_is_left(loop: LoopThread) -> Iterator[None]:
    """All that a test has opened is closed when it has ended."""
    if not _DESCRIPTORS.exists():
        yield
        return
    before = _sockets()
    yield
    wait_until(lambda: _sockets() <= before, "every socket is closed")


# -- the race (RFC 8305)


@on_both_loops
def test_an_address_that_is_silent_holds_nobody_up_for_long(
    loop: LoopThread, live: Upstream, silent: Address
) -> None:
    async def scenario() -> float:
        bench = Bench([silent, at(live.port)])
        began = time.perf_counter()
        connection = await bench.dial()
        took = time.perf_counter() - began
        assert connection.transport.get_extra_info("peername") == ("127.0.0.1", live.port)
        connection.transport.abort()
        return took

    took = loop.run(scenario())
    assert HEAD_START_SECONDS * 0.9 < took < 10


@on_both_loops
def test_an_address_that_refuses_holds_nobody_up_at_all(
    loop: LoopThread, live: Upstream, refusing: Address
) -> None:
    async def scenario() -> None:
        bench = Bench([refusing, at(refusing[4][1], "::1"), at(live.port)])  # type: ignore[arg-type]
        for _ in range(20):
            (await bench.dial()).transport.abort()
        assert bench.lookups == 1

    began = time.perf_counter()
    loop.run(scenario())
    assert time.perf_counter() - began < 20 * HEAD_START_SECONDS


@on_both_loops
def test_ipv6_and_ipv4_take_turns(loop: LoopThread, silent: Address, live: Upstream) -> None:
    # The first two of one family are silent; the other family has its turn after the first of them.
    with contextlib.ExitStack() as stack:
        six = socket.socket(socket.AF_INET6)
        stack.callback(six.close)
        try:
            six.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        six.listen()

        async def scenario() -> float:
            bench = Bench([silent, silent, silent, at(six.getsockname()[1], "::1")])
            began = time.perf_counter()
            connection = await bench.dial()
            assert connection.transport.get_extra_info("peername")[0] == "::1"
            connection.transport.abort()
            return time.perf_counter() - began

        assert loop.run(scenario()) < 3 * HEAD_START_SECONDS


@on_both_loops
def test_a_connection_sends_small_pieces_at_once(loop: LoopThread, live: Upstream) -> None:
    async def scenario() -> None:
        for destination in (URL, f"http://127.0.0.1:{live.port}", f"http://localhost:{live.port}"):
            connection = await Bench([at(live.port)]).dial(Destination.from_url(destination))
            sock = connection.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            connection.transport.abort()

    loop.run(scenario())


# -- names that lead elsewhere by now


@on_both_loops
def test_a_remembered_address_that_fails_is_asked_for_again_and_tried_once_more(
    loop: LoopThread, live: Upstream, refusing: Address
) -> None:
    async def scenario() -> None:
        with Upstream() as former:
            bench = Bench([at(former.port)], [at(live.port)])
            (await bench.dial()).transport.abort()
        connection = await bench.dial()
        assert connection.transport.get_extra_info("peername") == ("127.0.0.1", live.port)
        connection.transport.abort()
        assert bench.lookups == 2

    loop.run(scenario())


@on_both_loops
@pytest.mark.parametrize("anew", ["the same", socket.gaierror(socket.EAI_AGAIN, "not now")])
def test_it_is_not_tried_once_more_where_that_would_be_the_same(
    loop: LoopThread, live: Upstream, anew: str | OSError
) -> None:
    async def scenario() -> None:
        address = at(live.port)
        bench = Bench([address], anew if isinstance(anew, OSError) else [address])
        (await bench.dial()).transport.abort()
        await asyncio.to_thread(live._listener.close)
        assert await bench.reason() == "the connection was refused"
        assert bench.lookups == 2

    loop.run(scenario())


@on_both_loops
def test_the_same_address_is_not_tried_twice(scope: contextlib.ExitStack, loop: LoopThread) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(head(b"HTTP/1.1 403 Forbidden"))))
    destination = Destination.from_url("https://x.test", proxy=ForwardProxy("gateway.test", proxy.port))

    async def scenario() -> None:
        bench = Bench([at(proxy.port)])
        for lookups in (1, 2, 3):
            assert "403" in await bench.reason(destination)
            assert bench.lookups == lookups

    loop.run(scenario())
    assert len(proxy.connections) == 3


def test_a_fresh_address_that_fails_is_tried_once(loop: LoopThread, refusing: Address) -> None:
    async def scenario() -> None:
        bench = Bench([refusing])
        assert await bench.reason() == "the connection was refused"
        assert bench.lookups == 1

    loop.run(scenario())


# -- what went wrong, in words


@on_both_loops
def test_every_way_in_which_addresses_fail_is_told_once(loop: LoopThread, refusing: Address) -> None:
    async def scenario() -> None:
        # Nobody may connect to a broadcast address.
        elsewhere = at(80, "255.255.255.255")
        said = await Bench([refusing, elsewhere, refusing]).reason()
        assert said.split(", ")[0] == "connection refused"
        assert len(said.split(", ")) == 2
        assert "Errno" not in said

    loop.run(scenario())


@on_both_loops
@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EACCES])
def test_the_systems_reasons_are_given_in_its_words(loop: LoopThread, number: int) -> None:
    said = reasons.of_failure(OSError(number, "Multiple exceptions: [Errno 1] and so on"))
    assert (
        said
        == {
            errno.ENETUNREACH: "network is unreachable",
            errno.EHOSTUNREACH: "no route to host",
            errno.ETIMEDOUT: "nothing answers there",
            errno.EACCES: "permission denied",
        }[number]
    )


def test_a_name_that_nobody_knows_is_told(loop: LoopThread) -> None:
    said = loop.run(Bench(socket.gaierror(socket.EAI_NONAME, "nobody knows")).reason())
    assert said == "its name cannot be resolved"


# -- nothing is left open


def _patient(wire: UpstreamWire) -> None:
    wire.read_to_end()


async def _given_up(dialling: "asyncio.Task[Calls]", *, after: Callable[[], object]) -> None:
    """Wait for `after` in a thread, and give the attempt up."""
    await asyncio.to_thread(after)
    dialling.cancel()
    await asyncio.wait([dialling])
    assert dialling.cancelled()


@on_both_loops
def test_giving_up_in_the_race_closes_every_socket(loop: LoopThread, silent: Address) -> None:
    async def scenario() -> None:
        dialling = asyncio.create_task(Bench([silent, silent, silent]).dial())
        await _given_up(dialling, after=lambda: time.sleep(HEAD_START_SECONDS * 1.5))

    loop.run(scenario())


@on_both_loops
def test_giving_up_while_the_proxy_thinks_closes_the_socket(loop: LoopThread, live: Upstream) -> None:
    destination = Destination.from_url("https://x.test", proxy=ForwardProxy("gateway.test", live.port))

    async def scenario() -> None:
        dialling = asyncio.create_task(Bench([at(live.port)]).dial(destination))
        await _given_up(dialling, after=lambda: live.accept().read_head())

    loop.run(scenario())
    live.connections[0].wait_for_end()


@on_both_loops
def test_giving_up_in_the_handshake_closes_the_socket(loop: LoopThread, live: Upstream) -> None:
    destination = Destination.from_url("https://x.test", tls=trusting(None))

    async def scenario() -> None:
        dialling = asyncio.create_task(Bench([at(live.port)]).dial(destination))
        await _given_up(dialling, after=lambda: live.accept().read_exactly(5))

    loop.run(scenario())
    live.connections[0].read_to_end()


@on_both_loops
def test_giving_up_at_any_moment_closes_the_socket(loop: LoopThread, live: Upstream, silent: Address) -> None:
    async def scenario() -> None:
        bench = Bench([silent, at(live.port)])
        for turns in range(40):
            dialling = asyncio.create_task(bench.dial(Destination.from_url(f"http://127.0.0.1:{live.port}")))
            for _ in range(turns):
                await asyncio.sleep(0)
            dialling.cancel()
            await asyncio.wait([dialling])
            if not dialling.cancelled():
                dialling.result().transport.abort()

    loop.run(scenario())


@needs_openssl[1]
@on_both_loops
def test_a_handshake_that_fails_closes_the_socket(
    scope: contextlib.ExitStack, loop: LoopThread, authority: Authority
) -> None:
    gateway = scope.enter_context(ScriptedUpstream(lambda wire: None, tls=authority.server("DNS:else.where")))
    destination = Destination.from_url("https://gateway.test", tls=trusting(str(authority.certificate)))
    for _ in range(5):
        said = loop.run(Bench([at(gateway.port)]).reason(destination))
        assert said.startswith("its certificate is for another name")


@needs_openssl[1]
@on_both_loops
def test_a_dot_at_the_end_of_a_name_is_no_part_of_it_in_the_certificate(
    scope: contextlib.ExitStack, loop: LoopThread, authority: Authority
) -> None:
    tls = authority.server("DNS:gateway.test")
    gateway = scope.enter_context(ScriptedUpstream(_patient, tls=tls))
    destination = Destination.from_url("https://gateway.test.", tls=trusting(str(authority.certificate)))

    async def scenario() -> None:
        (await Bench([at(gateway.port)]).dial(destination)).transport.abort()

    loop.run(scenario())


# -- destinations


@pytest.mark.parametrize(
    ("url", "host", "authority"),
    [
        ("https://xn--bcher-kva.example/v1", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example:8443", "xn--bcher-kva.example", "xn--bcher-kva.example:8443"),
        ("http://[2001:db8::1]:8787", "2001:db8::1", "[2001:db8::1]:8787"),
        ("HTTP://Gateway.Test", "gateway.test", "gateway.test"),
    ],
)
def test_where_a_url_leads(url: str, host: str, authority: str) -> None:
    destination = Destination.from_url(url, tls=trusting(None))
    assert (destination.host, destination.authority.decode()) == (host, authority)
    assert destination.way == str(destination) == authority
    through = Destination.from_url(url, proxy=ForwardProxy.from_url("http://xn--bcher-kva.example:3128"))
    assert through.way == f"{authority} (through the proxy xn--bcher-kva.example:3128)"
