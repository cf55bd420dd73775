"""The listening sockets: every address on one port, or one sentence."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from harness.clients import Client
from proxy.commands.asking import address_of
from proxy.config.settings import Server
from proxy.errors import CannotStart
from proxy.listeners import Listeners, listen

NOT_HERE = "203.0.113.1"
"""TEST-NET-3: no machine has it."""


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")


@contextlib.contextmanager
def listening(addresses: list[str], port: int = 0) -> Iterator[list[socket.socket]]:
    sockets = listen(addresses, port)
    try:
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@needs_ipv6
def test_both_loopbacks_listen_on_the_same_port() -> None:
    with listening(["127.0.0.1", "::1"]) as sockets:
        names = [sock.getsockname()[:2] for sock in sockets]
        port = names[0][1]
        assert names == [("127.0.0.1", port), ("::1", port)]
        assert port > 0
        for address in ("127.0.0.1", "::1"):
            Client.connect((address, port)).close()


@needs_ipv6
def test_the_ipv6_socket_leaves_ipv4_alone() -> None:
    with listening(["::1"]) as sockets, listening(["127.0.0.1"], sockets[0].getsockname()[1]) as others:
        assert others[0].getsockname()[1] == sockets[0].getsockname()[1]


def test_a_port_of_ones_own_choice_is_used() -> None:
    with listening(["127.0.0.1"]) as sockets:
        port = sockets[0].getsockname()[1]
    with listening(["127.0.0.1"], port) as sockets:
        assert sockets[0].getsockname() == ("127.0.0.1", port)


def test_a_port_can_be_used_again_at_once() -> None:
    with listening(["127.0.0.1"]) as sockets:
        port = sockets[0].getsockname()[1]
        client = Client.connect(("127.0.0.1", port))
        sockets[0].setblocking(True)
        accepted, _ = sockets[0].accept()
        accepted.close()  # Ours closes first, so that it is ours that waits in TIME_WAIT.
        client.close()
    with listening(["127.0.0.1"], port):
        pass


def test_a_port_in_use_is_one_sentence(taken: int) -> None:
    with pytest.raises(CannotStart) as caught:
        listen(["127.0.0.1"], taken)
    assert caught.value.message == (
        f"Port {taken} on 127.0.0.1 is in use already, perhaps by another sidecar. "
        "Stop that program, or choose another port with --port (0 picks a free one)."
    )
    assert caught.value.__cause__ is None


@needs_ipv6
def test_a_port_in_use_on_one_address_keeps_the_other_free() -> None:
    with listening(["::1"]) as sockets:
        port = sockets[0].getsockname()[1]
        with pytest.raises(CannotStart, match="on ::1 is in use"):
            listen(["127.0.0.1", "::1"], port)
        with listening(["127.0.0.1"], port):
            pass


def test_an_address_that_this_machine_does_not_have_is_passed_over() -> None:
    for addresses in (["127.0.0.1", NOT_HERE], [NOT_HERE, "127.0.0.1"], ["127.0.0.1", "::dead"]):
        with listening(addresses) as sockets:
            assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1"]


def test_without_any_address_there_is_nothing_to_listen_on() -> None:
    with pytest.raises(CannotStart, match=f"none of the addresses {NOT_HERE}"):
        listen([NOT_HERE], 0)


@needs_ipv6
def test_another_reason_is_given_in_the_systems_words_and_nothing_stays_open() -> None:
    with listening(["127.0.0.1"]) as sockets:
        port = sockets[0].getsockname()[1]
    # A link-local address without its zone.
    with pytest.raises(CannotStart, match=rf"Listening on fe80::1, port {port}, failed: \w.*\."):
        listen(["127.0.0.1", "fe80::1"], port)
    with listening(["127.0.0.1"], port):
        pass


def test_accepted_connections_notice_dead_peers() -> None:
    with listening(["127.0.0.1"]) as sockets:
        client = Client.connect(sockets[0].getsockname())
        sockets[0].setblocking(True)
        accepted, _ = sockets[0].accept()
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        accepted.close()
        client.close()


@pytest.mark.parametrize(
    ("hosts", "url", "asked"),
    [
        (("127.0.0.1",), "http://localhost:{}", "http://localhost:{}"),
        (("0.0.0.0",), "http://localhost:{}", "http://localhost:{}"),
        (("127.0.0.2",), "http://127.0.0.2:{}", "http://127.0.0.2:{}"),
        (("127.0.0.2", "127.0.0.1"), "http://localhost:{}", "http://localhost:{}"),
        pytest.param(("::1",), "http://localhost:{}", "http://[::1]:{}", marks=needs_ipv6),
        pytest.param(("::",), "http://localhost:{}", "http://[::1]:{}", marks=needs_ipv6),
        pytest.param(("127.0.0.2", "::"), "http://localhost:{}", "http://[::1]:{}", marks=needs_ipv6),
    ],
)
def test_apps_and_commands_are_told_an_address_that_is_listened_on(
    hosts: tuple[str, ...], url: str, asked: str
) -> None:
    """Commands ask one that is not somebody else's: localhost may be 127.0.0.1 to them, where only ::1 is ours."""
    listeners = Listeners.bind(Server(host=hosts, port=0))
    try:
        port = listeners.port
        assert listeners.url == url.format(port)
        assert str(listeners) == f"{url.format(port)} ({', '.join(hosts)})"
        assert address_of(Server(host=hosts, port=port)) == asked.format(port)
        host = asked.removeprefix("http://").rpartition(":")[0].strip("[]")
        socket.create_connection((host, port), timeout=10).close()
    finally:
        listeners.close()


@needs_ipv6
def test_all_addresses_of_both_families_are_one_port() -> None:
    with listening(["0.0.0.0", "::"]) as sockets:
        port = sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "127.0.0.3", "::1"):
            socket.create_connection((host, port), timeout=10).close()


@needs_ipv6
def test_an_address_on_an_interface_that_is_not_there_is_missing() -> None:
    listeners = Listeners.bind(Server(host=("127.0.0.1", "fe80::1%nosuchif"), port=0))
    listeners.close()
    assert (listeners.addresses, listeners.missing) == (["127.0.0.1"], ["fe80::1%nosuchif"])


def test_where_only_a_unix_socket_is_commands_ask_there() -> None:
    assert address_of(Server(host=(), unix_socket="/run/x.sock")) == "unix:/run/x.sock"
