"""More connections than there is room for: those that are served go on, the others are told, and it passes."""

import contextlib
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clients import Client
from harness.handshakes import shake_hands
from harness.programs import Program
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, Upstream, UpstreamWire, answering
from harness.wire import End, Truncated, head, wait_until
from proxy.relay.patience import Wait
from relay.loops import on_both_loops

TIME_TO_ASK_SECONDS = 1.1
"""After that a connection that says nothing makes room."""
HOST = b"Host: localhost"
GET = head(b"GET /v1/models HTTP/1.1", HOST)
HEALTH = head(b"GET /feedback/health HTTP/1.1", HOST)
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
RATING = head(b"POST /feedback/last HTTP/1.1", HOST, b"Content-Length: 16")

Address = tuple[str, int]

LIMIT = 3
SPARE = 64
"""So many above the limit are told why they are not served."""
FEW = {"server.max_connections": LIMIT, "server.head_timeout_seconds": 120}


def connected(sidecar: RunningSidecar, count: int) -> list[Client]:
    """So many clients, all of whom the sidecar has seen."""
    there = sidecar.open_connections()
    clients = [sidecar.connect() for _ in range(count)]
    wait_until(lambda: sidecar.open_connections() == there + count, "all are there")
    return clients


def local_connections(sidecar: RunningSidecar) -> int:
    """How many have been handed over to the local application."""
    return sidecar._loop.call(lambda: sidecar.sidecar.parts.door._handed_over)


def idle(sidecar: RunningSidecar) -> int:
    """How many connections have nothing to do."""
    door = sidecar.sidecar.parts.door
    return sidecar._loop.call(lambda: sum(each.standing().wait is Wait.REQUEST for each in door._connections))


def is_reset(sidecar: RunningSidecar) -> bool:
    """Whether a new connection is reset, perhaps before the client has it."""
    try:
        client = sidecar.connect()
    except ConnectionResetError:
        return True
    return client.wait_for_end() is End.RESET


def ask_again(client: Client, call: UpstreamWire) -> None:
    """The open call of `client` is answered, and it makes another, which is not."""
    call.send(OK)
    assert client.read_answer().body == b"ok"
    client.send(GET)
    call.read_request_head()


def at_work(sidecar: RunningSidecar, upstream: Upstream) -> tuple[Client, UpstreamWire]:
    """A client whose call the upstream has, and has not answered: no newcomer takes its place."""
    client = sidecar.connect()
    client.send(GET)
    call = upstream.accept()
    call.read_request_head()
    return client, call


def speaking(sidecar: RunningSidecar, count: int) -> list[Client]:
    """So many clients who have begun to ask: those who say nothing would make room for each other."""
    clients = []
    for _ in range(count):
        there = sidecar.open_connections()
        clients += connected(sidecar, 1)
        clients[-1].send(GET[:20])
        wait_until(lambda: not idle(sidecar), "it is heard")
        assert sidecar.open_connections() == there + 1
    return clients


Full = tuple[RunningSidecar, Upstream, list[tuple[Client, UpstreamWire]]]


@pytest.fixture
def full(start_sidecar: StartSidecar, upstream: Upstream) -> Full:
    """A sidecar at its limit, its upstream, and the clients that it serves, each with its open call."""
    sidecar = start_sidecar(upstream.url, **FEW)
    return sidecar, upstream, [at_work(sidecar, upstream) for _ in range(LIMIT)]


# -- the limit on connections


@on_both_loops
def test_a_call_above_the_limit_is_told_so(full: Full) -> None:
    sidecar, _, _ = full
    for _ in range(LIMIT):
        client = sidecar.connect()
        answer = client.ask(GET)
        assert answer.status == 503
        assert answer.value(b"retry-after") == b"1"
        assert answer.value(b"feedback-error") == b"too_many_connections"
        error = json.loads(answer.body)["error"]
        assert error["code"] == "too_many_connections"
        assert f"{LIMIT} connections" in error["message"]
        assert client.wait_for_end() is End.CLOSED


@on_both_loops
def test_local_requests_are_answered_above_the_limit(full: Full) -> None:
    sidecar, _, _ = full
    assert sidecar.connect().ask(HEALTH).status == 200


def test_those_that_were_there_before_go_on(full: Full) -> None:
    sidecar, _, served = full
    others = speaking(sidecar, LIMIT)
    for _ in range(3):
        for client, call in served:
            ask_again(client, call)
    del others


@on_both_loops
def test_when_one_leaves_another_is_served(full: Full) -> None:
    sidecar, upstream, served = full
    for client, _ in list(served):
        with sidecar.connect() as another:
            assert another.ask(GET).status == 503
        client.close()
        wait_until(lambda: sidecar.open_connections() < LIMIT, "there is room")
        served.append(at_work(sidecar, upstream))
        ask_again(*served[-1])


@on_both_loops
def test_the_one_that_is_idle_longest_makes_room(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **FEW)
    busy, first, second = [connected(sidecar, 1)[0] for _ in range(LIMIT)]
    busy.send(GET)
    wait_until(lambda: idle(sidecar) == LIMIT - 1, "one is at work")
    time.sleep(TIME_TO_ASK_SECONDS)
    another = sidecar.connect()
    assert first.wait_for_end() is End.CLOSED
    wait_until(lambda: sidecar.open_connections() == LIMIT, "it takes the place")
    third = sidecar.connect()
    assert second.wait_for_end() is End.CLOSED
    wait_until(lambda: sidecar.open_connections() == LIMIT, "it takes the place")
    assert idle(sidecar) == 2
    del another, third


@on_both_loops
def test_those_who_come_at_once_do_not_send_each_other_away(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        with contextlib.suppress(Truncated, ConnectionError):
            while True:
                connection.read_request()
                connection.send(OK)

    sidecar = start_sidecar(start_upstream(script).url, **FEW)
    clients = [sidecar.connect() for _ in range(LIMIT + 20)]
    for client in clients:
        client.send(GET)
    statuses = [client.read_answer().status for client in clients]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= LIMIT


def test_a_tunnel_takes_one_place(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.max_connections": 1})
    client = sidecar.connect()
    call = shake_hands(client, upstream)
    assert sidecar.connect().ask(GET).status == 503
    client.send(b"still there")
    assert call.read_exactly(11) == b"still there"


@on_both_loops
def test_those_beyond_all_bounds_are_reset_at_once_and_nothing_of_them_stays(full: Full) -> None:
    sidecar, _, served = full
    told = speaking(sidecar, SPARE)
    for _ in range(100):
        assert is_reset(sidecar)
    wait_until(lambda: sidecar.open_connections() == LIMIT + SPARE, "no more than those are held")
    ask_again(*served[0])
    assert told[0].ask(GET[20:]).status == 503
    for client in told:
        client.close()
    wait_until(lambda: sidecar.open_connections() == LIMIT, "they are gone")
    assert sidecar.connect().ask(HEALTH).status == 200


@on_both_loops
def test_local_connections_count_as_long_as_they_are_open(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    sidecar = start_sidecar(start_upstream(answering(OK)).url, **FEW)
    raters: list[Client] = []
    for _ in range(LIMIT + SPARE):
        raters.append(sidecar.connect())
        # Its body never comes.
        raters[-1].send(RATING)
        # Until it is heard the next one would take its place.
        wait_until(lambda: local_connections(sidecar) == len(raters), "it waits")
    assert is_reset(sidecar)
    for rater in raters[LIMIT:]:
        rater.close()
    wait_until(lambda: local_connections(sidecar) == LIMIT, "they are gone")
    with sidecar.connect() as client:
        assert client.ask(GET).status == 503
    for rater in raters:
        rater.close()
    wait_until(lambda: local_connections(sidecar) == 0, "all are gone")
    wait_until(lambda: sidecar.open_connections() == 0, "all are gone")
    assert sidecar.connect().ask(GET).body == b"ok"


# -- file descriptors

FLOOD = 600
CPU_SHARE = 0.5
"""Of a core; whoever spins takes all of it."""

linux_alone = pytest.mark.skipif(sys.platform != "linux", reason="the process is looked at as Linux shows it")


@pytest.fixture(params=["uvloop", "asyncio"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Has a program run on that loop: asyncio's own where uvloop cannot be had."""
    if request.param == "uvloop":
        return {}
    (tmp_path / "uvloop.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(tmp_path)}


@pytest.fixture
def program(environment: dict[str, str], start_upstream: StartUpstream) -> Iterator[tuple[Program, Address]]:
    """A sidecar that may have few open files, and its address."""
    upstream = start_upstream(answering(OK))
    with Program(
        "serve", "--port", "0", "--upstream", upstream.url, env=environment, open_files=256
    ) as running:
        port = int(running.wait_for(r"listens on http://localhost:(\d+)")[1])
        yield running, ("127.0.0.1", port)


def flood(address: Address, count: int) -> list[Client]:
    """Connections that say nothing; perhaps fewer, where they are not accepted."""
    clients = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            clients.append(Client.connect(address))
    return clients


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def answers(address: Address) -> bool:
    """Whether a call and a local request are answered now."""
    for asked in (GET, HEALTH):
        try:
            with Client.connect(address) as client:
                client.sock.settimeout(0.5)
                if client.ask(asked).status != 200:
                    return False
        except (OSError, AssertionError, Truncated):
            return False
    return True


def assert_it_comes_back(running: Program, address: Address) -> None:
    """Both planes answer within two seconds."""
    begun = time.perf_counter()
    wait_until(lambda: answers(address), "it answers again")
    assert time.perf_counter() - begun < 2.5
    assert running.is_running()
    assert running.stop() == 0


@linux_alone
def test_a_flood_of_connections_passes(program: tuple[Program, Address]) -> None:
    running, address = program
    assert answers(address)
    for client in flood(address, FLOOD):
        client.close()
    assert_it_comes_back(running, address)
    assert "Traceback" not in running.stderr


@linux_alone
def test_being_out_of_file_descriptors_passes(program: tuple[Program, Address]) -> None:
    """The limit on connections keeps that from happening; here something else has taken the descriptors."""
    running, address = program
    assert answers(address)
    taken = len(list(Path(f"/proc/{running.pid}/fd").iterdir()))
    _, hard = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (taken + 8, hard))
    clients = flood(address, 60)
    before, begun = cpu_seconds(running.pid), time.perf_counter()
    time.sleep(1.5)
    assert cpu_seconds(running.pid) - before < CPU_SHARE * (time.perf_counter() - begun)
    assert len(running.stderr) < 20_000
    assert running.is_running()
    for client in clients:
        client.close()
    assert_it_comes_back(running, address)
