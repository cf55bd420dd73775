"""A Unix socket: who may connect, what it replaces, and that calls and ratings go through it as elsewhere."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import aiohttp
import httpx2
import pytest
from openai import OpenAI

from harness.benches import JSON, Bench, StartBench, chat_body, document, error_of, request
from harness.clients import Client
from harness.loops import DEADLINE_SECONDS
from harness.programs import COMMAND, Program, environment, run_command
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import Truncated, wait_until
from proxy.errors import CannotStart
from proxy.unix_sockets import UnixSocket

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

TOKEN = "a-token-of-24-characters"


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path: a socket's name has a limit."""
    return tmp_path_factory.mktemp("s") / "proxy.sock"


@pytest.fixture
def bench(start_bench: StartBench, path: Path) -> Bench:
    """A sidecar that listens there, and nowhere else."""
    return start_bench(**{"server.host": [], "server.unix_socket": str(path)})


def connect(path: Path) -> Client:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(DEADLINE_SECONDS)
    sock.connect(str(path))
    return Client(sock)


def bound(path: Path) -> UnixSocket:
    return UnixSocket.bind(path, 64)


def refused(path: Path) -> str:
    with pytest.raises(CannotStart) as caught:
        bound(path)
    assert caught.value.__cause__ is None
    return caught.value.message


# -- the socket


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_only_its_user_may_connect_whatever_the_umask_is(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with bound(path).sock:
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
            assert stat.S_ISSOCK(path.lstat().st_mode)
    finally:
        os.umask(before)


def test_a_socket_of_a_dead_program_is_replaced(path: Path) -> None:
    dead = bound(path)
    dead.sock.close()
    assert path.exists()
    alive = bound(path)
    connect(path).close()
    alive.close()
    assert not path.exists()


def test_a_socket_that_somebody_listens_on_is_left_alone(path: Path) -> None:
    alive = bound(path)
    said = refused(path)
    assert said == (
        f"Somebody listens on the Unix socket {path} already, perhaps another sidecar. Stop that program, or "
        "choose another path with [server] unix_socket."
    )
    connect(path).close()
    alive.close()


def test_a_socket_whose_queue_is_full_is_somebodys(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(str(path))
        assert refused(path).startswith("Somebody listens")
        for each in waiting:
            each.close()


def test_a_socket_of_another_kind_is_somebodys(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert refused(path).startswith("Somebody listens")


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_what_is_no_socket_is_never_touched(path: Path, kind: str) -> None:
    beside = path.with_name("precious")
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
        case "link":
            beside.write_text("precious")
            path.symlink_to(beside)
        case "dangling":
            path.symlink_to(beside)
    before = path.lstat()
    assert "something that is no socket is there, and stays as it is. Choose another path" in refused(path)
    assert path.lstat() == before
    assert kind in ("folder", "dangling") or path.read_text() == "precious"


def test_a_folder_that_is_not_there_is_one_sentence(path: Path) -> None:
    nowhere = path.parent / "none" / "proxy.sock"
    assert refused(nowhere) == (
        f"Listening on the Unix socket {nowhere} failed: the folder {nowhere.parent} does not exist: make it "
        f"(mkdir -p -m 700 {nowhere.parent}). Choose another path with [server] unix_socket."
    )


@pytest.mark.parametrize("name", ["check", "serve"])
def test_the_programs_say_what_is_in_the_way(name: str, path: Path) -> None:
    for place, words in (
        (path.parent / "none" / "x", "make it (mkdir -p -m 700"),
        (path, "no socket is there"),
    ):
        path.touch()
        env = {"HELICONE_PROXY_SERVER__UNIX_SOCKET": str(place), "HELICONE_PROXY_OUTBOX__PATH": ":memory:"}
        done = run_command(name, "--port", "0", env=env)
        assert done.returncode == 1
        assert words in done.stderr


def test_whoever_keeps_the_folder_locked_keeps_nobody_from_starting(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    pauses: list[float] = []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        UnixSocket.bind(path, 64, pauses.append).close()
    finally:
        os.close(descriptor)
    assert 0 < sum(pauses) < 5


def test_the_name_of_somebody_else_is_not_taken_away(path: Path) -> None:
    """An administrator may have removed ours, and started another program there."""
    ours = bound(path)
    path.unlink()
    keep = path.with_name("keeps-the-inode-from-being-used-again")
    keep.touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        ours.close()
        assert path.exists() == (ours.identity != (path.lstat().st_dev, path.lstat().st_ino))


def test_of_many_that_start_at_once_one_listens(path: Path) -> None:
    dead = bound(path)
    dead.sock.close()
    together = threading.Barrier(8)
    alive: list[UnixSocket] = []

    def start() -> None:
        together.wait(DEADLINE_SECONDS)
        with contextlib.suppress(CannotStart):
            alive.append(bound(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
    [one] = alive
    connect(path).close()
    one.close()


# -- a sidecar behind it


def test_calls_and_ratings_go_through_it_alone(bench: Bench, path: Path) -> None:
    sidecar = bench.sidecar.sidecar
    assert (sidecar.listening.addresses, sidecar.port, sidecar.url) == ([], 0, "http://localhost")
    with connect(path) as client:
        answer = client.ask(request("POST", "/v1/chat/completions", chat_body(), JSON))
        assert answer.status == 200
    with connect(path) as client:
        rated = document(client.ask(request("POST", "/feedback/last", b'{"rating": true}', JSON)))
    assert rated["rated"]["id"].encode() == answer.value(b"feedback-id")
    bench.wait_until_logged()


def test_its_calls_come_from_unix(bench: Bench, path: Path) -> None:
    for _ in range(2):
        with connect(path) as client:
            client.ask(request("POST", "/v1/chat/completions", chat_body(), JSON))
    with connect(path) as client:
        found = document(client.ask(request("GET", "/feedback?client=unix")))
    assert len(found["calls"]) == 2


@pytest.mark.parametrize("host", [b"any.example.test", b"localhost", b"0.0.0.0", b"192.168.1.5:1"])
def test_any_host_may_be_named_there(bench: Bench, path: Path, host: bytes) -> None:
    """No page reaches it, under whatever name: clients put there whatever stands in their URL."""
    for target in ("/v1/models", "/feedback/health"):
        with connect(path) as client:
            assert client.ask(request("GET", target, b"", b"Host: " + host)).status == 200


def test_beside_an_address_the_rule_on_hosts_stays_there(start_bench: StartBench, path: Path) -> None:
    bench = start_bench(**{"server.unix_socket": str(path)})
    foreign = request("GET", "/feedback/health", b"", b"Host: any.example.test")
    with connect(path) as client:
        assert client.ask(foreign).status == 200
    assert error_of(bench.sidecar.connect().ask(foreign))[:2] == (403, "host_not_allowed")


def test_a_page_is_a_page_there_too(bench: Bench, path: Path) -> None:
    """Something that forwards to the socket may stand before it."""
    with connect(path) as client:
        asked = request("POST", "/feedback/last", b"{}", JSON, b"Origin: http://attacker.test")
        assert error_of(client.ask(asked))[:2] == (403, "origin_not_allowed")


def test_a_token_is_needed_there_where_one_is_set(start_bench: StartBench, path: Path) -> None:
    start_bench(**{"server.unix_socket": str(path), "guard.token": TOKEN})
    for lines, status in (((), 401), ((f"Feedback-Proxy-Token: {TOKEN}".encode(),), 200)):
        with connect(path) as client:
            assert client.ask(request("GET", "/feedback/health", b"", *lines)).status == status


def test_a_reader_that_leaves_ends_the_call_there_too(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, path: Path
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this so far")
        connection.read_to_end()

    sidecar = start_sidecar(start_upstream(script).url, **{"server.unix_socket": str(path)})
    with connect(path) as client:
        client.send(request("POST", "/v1/chat/completions", chat_body(), JSON))
        client.read_head()
        assert sidecar.open_calls() == 1
    wait_until(lambda: sidecar.open_calls() == 0, "no call is open")


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nsome of it",
    ],
)
def test_a_cut_answer_looks_cut_there_though_no_reset_exists(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, path: Path, cut: bytes
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(cut)
        connection.reset()

    start_sidecar(start_upstream(script).url, **{"server.unix_socket": str(path)})
    with connect(path) as client, pytest.raises(Truncated):
        client.ask(request("GET", "/v1/models"))


def test_it_is_gone_when_the_sidecar_is(start_sidecar: StartSidecar, path: Path) -> None:
    sidecar = start_sidecar("http://127.0.0.1:9", **{"server.unix_socket": str(path)})
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    sidecar.begin_stop().result(DEADLINE_SECONDS)
    assert not path.exists()


def test_a_sidecar_that_cannot_start_leaves_no_socket_behind(start_sidecar: StartSidecar, path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        flags = {"server.unix_socket": str(path), "server.port": taken.getsockname()[1]}
        with pytest.raises(CannotStart, match="in use"):
            start_sidecar("http://127.0.0.1:9", **flags)
    assert not path.exists()


# -- clients as they are


def test_openais_sdk_goes_through_it(bench: Bench, path: Path) -> None:
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as http:
        client = OpenAI(api_key="any", base_url="http://localhost/v1", http_client=http)
        made = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
        )
        rated = http.post(f"http://localhost/feedback/{made.id}", data={"rating": "up"})
    assert (rated.status_code, rated.json()["rating"]) == (200, True)


def test_aiohttp_goes_through_it(bench: Bench, path: Path) -> None:
    async def ask() -> int:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            async with session.post("http://localhost/v1/chat/completions", data=chat_body()) as answer:
                await answer.read()
            async with session.post("http://localhost/feedback/last", json={"rating": True}) as answer:
                return answer.status

    assert asyncio.run(ask()) == 200


@needs_curl
def test_curl_goes_through_it(bench: Bench, path: Path) -> None:
    def curl(*arguments: str) -> str:
        command = ["curl", "-sS", "--fail-with-body", "--unix-socket", str(path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    assert "chatcmpl-" in curl(
        "http://localhost/v1/chat/completions",
        "-H",
        "Content-Type: application/json",
        "-d",
        chat_body().decode(),
    )
    assert '"rating":' in curl("-d", "rating=up", "http://localhost/feedback/last")


# -- as a program


def test_the_commands_find_a_sidecar_that_listens_nowhere_else(path: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[server]\nhost = []\nunix_socket = "{path}"\n[routes.default]\nurl = "http://127.0.0.1:9"\n'
        '[helicone]\napi_url = "http://127.0.0.1:9"\n[outbox]\npath = ":memory:"\n'
    )
    said = run_command("check", "--config", str(config)).stdout
    assert f"read from {config}): the Unix socket {path}, no Helicone key" in said
    with Program("serve", "--config", str(config)) as program:
        program.wait_for(
            rf"^helicone-proxy listens on the Unix socket {path} and relays to http://127.0.0.1:9$"
        )
        with connect(path) as client:
            client.ask(request("GET", "/v1/models"))
        for place in (("--config", str(config)), ("--url", f"unix:{path}")):
            done = run_command("recent", "--json", *place)
            assert (done.returncode, '"path": "/v1/models"' in done.stdout) == (0, True), done
        # One that was killed leaves its socket, which the next one takes.
        program.signal(signal.SIGKILL)
        program.wait()
    assert path.exists()
    done = run_command("recent", "--url", f"unix:{path}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"No sidecar answers at unix:{path}.")
    with Program("serve", "--config", str(config)) as program:
        program.wait_for("listens on")
        assert program.stop() == 0
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_what_cannot_be_said_at_the_start_keeps_no_call_from_being_relayed(path: Path) -> None:
    env = {"HELICONE_PROXY_SERVER__UNIX_SOCKET": str(path), "HELICONE_PROXY_OUTBOX__PATH": ":memory:"}
    command = [*COMMAND, "serve", "--port", "0"]
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(command, env=environment(env), stdout=full, stderr=full) as process,
    ):
        try:
            wait_until(path.exists, "there is a socket")
            with connect(path) as client:
                assert client.ask(request("GET", "/feedback/health")).status == 200
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("token", "who"),
    [
        (None, "this user's programs, through the Unix socket alone."),
        (TOKEN, "whoever has the token; through the Unix socket this user's programs alone."),
    ],
)
def test_check_says_who_may_call_where_there_is_nothing_else(
    path: Path, tmp_path: Path, token: str | None, who: str
) -> None:
    guard = "" if token is None else f'[guard]\ntoken = "{token}"\n'
    file = tmp_path / "config.toml"
    file.write_text(f'[server]\nhost = []\nunix_socket = "{path}"\n{guard}')
    outcome = run_command("check", "--config", str(file))
    assert f"Who may call: {who}" in outcome.stdout
