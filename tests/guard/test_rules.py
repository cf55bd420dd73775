"""The guard's rules, case by case: what is sent, what must become of it, and why.

Every case goes by the pure guard, and over real sockets by both planes. `{}` in a target is a path of the plane.
"""

from typing import NamedTuple

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, document, request
from harness.handshakes import HANDSHAKE_LINES, SWITCH
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import Message, head
from proxy.guard.decisions import ANYONE, Guard
from proxy.relay import headers, targets
from proxy.relay.refusals import Refusal

APP = "https://app.example.com"
ATTACKER = "http://attacker.test:19201"
HOST = "localhost:8747"
PAGE = f"http://{HOST}"

OWN, LISTED, FOREIGN = (f"Origin: {each}" for each in (PAGE, APP, ATTACKER))
CROSS = "Sec-Fetch-Site: cross-site"
SAME = "Sec-Fetch-Site: same-origin"
TYPED = "Sec-Fetch-Site: none"


class Case(NamedTuple):
    """`expected`: the code of the refusal; "" where it is let in. `lines` have no Host where `host` is None."""

    why: str
    expected: str
    lines: tuple[str, ...] = ()
    method: str = "GET"
    host: str | None = HOST
    target: str = "{}"
    version: str = "HTTP/1.1"
    relayed: str = ""
    """Where only the local plane lets it in: why the relay does not."""

    def fields(self) -> headers.Fields:
        """As the guard is given them."""
        lines = [line.encode().split(b":", 1) for line in self.all_lines()]
        found = headers.index([(name, value) for name, value in lines])
        authority = targets.parse(self.target.replace("{}", "/").encode()).authority
        return found if authority is None else found | {b"host": authority}

    def all_lines(self) -> list[str]:
        """The header lines, Host first."""
        return [*([] if self.host is None else [f"Host: {self.host}"]), *self.lines]

    def raw(self, path: str, body: bytes) -> bytes:
        """As a client sends it."""
        target = self.target.replace("{}", path)
        length = [b"Content-Length: %d" % len(body), JSON] if self.method == "POST" else []
        first = f"{self.method} {target} {self.version}"
        return head(first.encode(), *[line.encode() for line in self.all_lines()], *length) + (
            body if length else b""
        )


HANDSHAKE = tuple(line.decode() for line in HANDSHAKE_LINES)

# guard-and-delivery.md 1.1, row by row, as Chromium sends it from a page of the attacker's.
VECTORS = [
    Case(
        "fetch, text/plain",
        "origin_not_allowed",
        (FOREIGN, CROSS, "Sec-Fetch-Mode: no-cors"),
        "POST",
    ),
    Case(
        "fetch, JSON: its preflight",
        "origin_not_allowed",
        (FOREIGN, CROSS, "Sec-Fetch-Mode: cors", "Access-Control-Request-Method: POST"),
        "OPTIONS",
    ),
    Case("img", "cross_site", (CROSS, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image")),
    Case("EventSource", "origin_not_allowed", (FOREIGN, CROSS, "Sec-Fetch-Mode: cors")),
    Case("WebSocket: Origin is all it says", "origin_not_allowed", (FOREIGN, *HANDSHAKE)),
    Case("sendBeacon", "origin_not_allowed", (FOREIGN, CROSS, "Sec-Fetch-Mode: no-cors"), "POST"),
    Case(
        "form, top-level",
        "origin_not_allowed",
        (FOREIGN, CROSS, "Sec-Fetch-Mode: navigate"),
        "POST",
    ),
    Case(
        "form in a sandboxed frame: null may be anybody",
        "origin_not_allowed",
        ("Origin: null", CROSS, "Sec-Fetch-Mode: navigate"),
        "POST",
    ),
    Case("rebinding, GET: nothing but Host tells", "host_not_allowed", host="attacker.test:8747"),
    Case(
        "rebinding, POST: Origin is Host",
        "host_not_allowed",
        ("Origin: http://attacker.test:8747",),
        "POST",
        "attacker.test:8747",
    ),
    Case(
        "rebinding, WebSocket",
        "host_not_allowed",
        ("Origin: http://attacker.test:8747", *HANDSHAKE),
        host="attacker.test:8747",
    ),
    Case(
        "page on another port of localhost",
        "origin_not_allowed",
        ("Origin: http://localhost:3000", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"),
        "POST",
    ),
    Case("own page", "", (OWN, SAME, "Sec-Fetch-Mode: cors"), "POST"),
]

# 1.3 A 1: what is no good request at all.
REQUESTS = [
    Case("no Host", "host_missing", host=None),
    Case("an empty Host", "host_missing", host=""),
    Case("HTTP/1.0 without Host: allowed there, and no way to tell who is meant", "host_missing", host=None,
         version="HTTP/1.0"),
    Case("HTTP/1.0 with Host", "", version="HTTP/1.0"),
    Case("two Hosts", "host_malformed", (f"Host: {HOST}",)),
    Case("two Hosts, one of them foreign", "host_malformed", ("Host: attacker.test",)),
    Case("a Host with a list in it", "host_malformed", host="localhost, attacker.test"),
    Case("a Host with a user", "host_malformed", host="localhost@attacker.test"),
    Case("absolute-form: its host counts (RFC 9112 3.2.2)", "", host="attacker.test", target=f"http://{HOST}{{}}"),
    Case("absolute-form of another host", "host_not_allowed", target="http://attacker.test{}"),
    Case("absolute-form with a user", "host_malformed", target=f"http://attacker.test@{HOST}{{}}"),
    Case("absolute-form with a user that looks like us", "host_malformed", target=f"http://{HOST}@attacker.test{{}}"),
    Case("absolute-form, https", "", target=f"https://{HOST}{{}}"),
]  # fmt: skip

# 1.3 A 2: names.
HOSTS = [
    Case("localhost", "", host="localhost"),
    Case("any port: Docker and ssh change it", "", host="localhost:1"),
    Case("a name below localhost (RFC 6761)", "", host="app.localhost:8747"),
    Case("loopback, IPv4", "", host="127.8.9.1:8747"),
    Case("loopback, IPv6", "", host="[::1]:8747"),
    Case(
        "loopback, IPv4 written as IPv6: Chromium says nothing there",
        "host_not_allowed",
        host="[::ffff:127.0.0.1]:8747",
    ),
    Case("the listed name", "", host="host.docker.internal:8747"),
    Case("a name below the listed one", "host_not_allowed", host="x.host.docker.internal"),
    Case("0.0.0.0 goes past the browsers' own checks", "host_not_allowed", host="0.0.0.0:8747"),
    Case("[::], too", "host_not_allowed", host="[::]:8747"),
    Case("localhost with a dot at its end: resolvers may ask DNS", "host_not_allowed", host="localhost."),
    Case("another spelling of an address", "host_malformed", host="2130706433"),
    Case("another spelling of an address", "host_malformed", host="127.1"),
]

# 1.3 A 3: browsers.
BROWSERS = [
    Case("Origin twice", "origin_not_allowed", (OWN, OWN)),
    Case("an Origin that is a list", "origin_not_allowed", (f"Origin: {PAGE}, {ATTACKER}",)),
    Case("an empty Origin", "origin_not_allowed", ("Origin:",)),
    Case("null, read only", "origin_not_allowed", ("Origin: null",)),
    Case("our host by https: that page is another server's", "origin_not_allowed", (f"Origin: https://{HOST}",)),
    Case("our host by another scheme", "origin_not_allowed", (f"Origin: app://{HOST}",)),
    Case("loopback by another name than the Host's", "origin_not_allowed", ("Origin: http://127.0.0.1:8747",)),
    Case("a file", "origin_not_allowed", ("Origin: file://",)),
    Case("Sec-Fetch-Site absent, Origin foreign: old browsers", "origin_not_allowed", (FOREIGN,)),
    Case("our Origin from another site: no browser says so", "cross_site", (OWN, CROSS)),
    Case("no Origin, another port: same-site is no friend", "cross_site", ("Sec-Fetch-Site: same-site",)),
    Case("a site that is none", "cross_site", ("Sec-Fetch-Site: none, same-origin",)),
    Case("a link on another site", "cross_site", (CROSS, "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1")),
    Case("typed into the address bar", "", (TYPED, "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1"),
         relayed="browser_navigation"),
    Case("own page's frame", "", (SAME, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"),
         relayed="browser_navigation"),
    Case("own page's script", "", (SAME, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"),
         relayed="browser_navigation"),
    Case("own page's worker", "", (SAME, "Sec-Fetch-Mode: same-origin", "Sec-Fetch-Dest: worker"),
         relayed="browser_navigation"),
    Case("own page's icon", "", (SAME, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"),
         relayed="browser_navigation"),
    Case("a service worker in a browser that says nothing else", "", ("Service-Worker: script",),
         relayed="browser_navigation"),
    Case("listed page's script", "", (LISTED, CROSS, "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: script"),
         relayed="browser_navigation"),
    Case("own page's fetch()", "", (SAME, "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")),
    Case("no address bar sends changes: a form of a page's that was kept does", "browser_navigation",
         (TYPED, "Sec-Fetch-Mode: navigate"), "POST"),
    Case("an extension that may speak to localhost", "", (TYPED, "Sec-Fetch-Mode: cors"), "POST"),
    Case("own page's image", "", (SAME, "Sec-Fetch-Mode: no-cors")),
    Case("own page's form", "browser_navigation", (OWN, SAME, "Sec-Fetch-Mode: navigate"), "POST"),
    Case("own page's beacon", "browser_navigation", (OWN, SAME, "Sec-Fetch-Mode: no-cors"), "POST"),
    Case("a mode that is yet to be invented", "browser_navigation", (SAME, "Sec-Fetch-Mode: webidentity"), "POST"),
    Case("own page's WebSocket", "", (OWN, *HANDSHAKE)),
    Case("own page's WebSocket, as Firefox sends it", "",
         (OWN, SAME, "Sec-Fetch-Mode: websocket", *HANDSHAKE)),
    Case("listed page", "", (LISTED, CROSS, "Sec-Fetch-Mode: cors"), "POST"),
    Case("listed page, old browser", "", (LISTED,), "POST"),
    Case("listed page, WebSocket", "", (LISTED, *HANDSHAKE)),
    Case("listed page's form", "browser_navigation", (LISTED, CROSS, "Sec-Fetch-Mode: navigate"), "POST"),
    Case("listed page's beacon", "browser_navigation", (LISTED, CROSS, "Sec-Fetch-Mode: no-cors"), "POST"),
    Case("listed page's image says not whose it is", "cross_site", (CROSS, "Sec-Fetch-Mode: no-cors")),
    Case("listed page by a foreign name", "host_not_allowed", (LISTED,), host="attacker.test"),
    Case("the listed page's other port", "origin_not_allowed", (f"Origin: {APP}:8443",)),
    Case("curl", "", ("User-Agent: curl/8.5.0", "Accept: */*"), "POST"),
    Case("Node's fetch says a mode, and is no browser", "", ("Sec-Fetch-Mode: cors", "User-Agent: node"), "POST"),
    Case("an SDK's WebSocket", "", HANDSHAKE),
]  # fmt: skip

# Where others let in what we do not, by their public tables, and why we do not.
STRICTER = [
    Case("Vite and Ollama pass private addresses: nobody reaches loopback by one",
         "host_not_allowed", host="192.168.1.5:8747"),
    Case("Vite passes any literal, of other networks, too", "host_not_allowed", host="[2001:db8::7]:8747"),
    Case("Ollama passes 0.0.0.0: browsers take it to loopback past their own checks", "host_not_allowed",
         host="0.0.0.0"),
    Case("Ollama and Go's handlers pass a missing Host: whoever leaves it out has said nothing", "host_missing",
         host=None, version="HTTP/1.0"),
    Case("Ollama passes *.local: anybody on the network may answer to such a name", "host_not_allowed",
         host="printer.local"),
    Case("Ollama passes *.internal: so may whoever runs the DNS", "host_not_allowed", host="x.internal"),
    Case("Ollama passes the machine's own name: DHCP gives it, and DNS may lie about it", "host_not_allowed",
         host="my-laptop"),
    Case("for Jupyter, Go and gorilla an Origin that is the Host will do: rebinding has it", "host_not_allowed",
         ("Origin: http://attacker.test:8747",), "POST", "attacker.test:8747"),
    Case("Ollama passes every page of localhost: any program may serve one", "origin_not_allowed",
         ("Origin: http://localhost:3000",), "POST"),
    Case("Ollama passes localhost on every scheme", "origin_not_allowed", ("Origin: https://localhost",), "POST"),
    Case("Ollama passes app://, file://, tauri:// and vscode-webview://: any such program's page",
         "origin_not_allowed", ("Origin: vscode-webview://abcdef",), "POST"),
    Case("MCP's servers take no Origin for no browser: images and links have none", "cross_site", (CROSS,)),
    Case("for Go's CrossOriginProtection any GET is harmless: ours show what was called", "cross_site",
         ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors")),
]  # fmt: skip

CASES = VECTORS + REQUESTS + HOSTS + BROWSERS + STRICTER
CODES = {"host_missing", "host_malformed", "host_not_allowed", "origin_not_allowed", "cross_site",
         "browser_navigation"}  # fmt: skip
LOCAL_CODES = {
    "no Host": "malformed_request",
    "two Hosts": "malformed_request",
    "two Hosts, one of them foreign": "malformed_request",
}
"""aiohttp's parser says it first."""
SETTINGS = {"guard.allowed_hosts": ["host.docker.internal"], "guard.allowed_origins": [APP]}


def test_the_table_has_every_way_to_be_refused() -> None:
    assert {case.expected for case in CASES} == CODES | {""}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_the_guard_decides(case: Case) -> None:
    guard = Guard(
        bound_addresses=["127.0.0.1", "::1"], allowed_hosts=["host.docker.internal"], allowed_origins=[APP]
    )
    for _ in range(2):
        found = guard.check(case.method, case.fields(), local=True)
        assert (found.code if isinstance(found, Refusal) else "") == case.expected
        found = guard.check(case.method, case.fields())
        assert (found.code if isinstance(found, Refusal) else "") == (case.relayed or case.expected)


def answer_to(bench: Bench, case: Case, path: str, body: bytes) -> Message:
    """What a case is answered, on a connection of its own."""
    client = bench.sidecar.connect()
    client.send(case.raw(path, body))
    answer = client.read_answer(to=case.method.encode())
    client.close()
    return answer


@pytest.fixture
def open_bench(start_bench: StartBench) -> Bench:
    """Lets in one name and one origin besides the usual ones."""
    return start_bench(**SETTINGS)


def test_the_local_plane_decides_so(open_bench: Bench) -> None:
    for case in CASES:
        path = "/feedback/batch" if case.method == "POST" else "/feedback"
        answer = answer_to(open_bench, case, path, b"{}")
        code = (answer.value(b"feedback-error") or b"").decode()
        if case.expected:
            assert code == LOCAL_CODES.get(case.why, case.expected), case.why
            assert answer.status == (400 if code.startswith(("host_m", "malformed")) else 403), case.why
        else:
            # A batch that is none: whoever is told so was let in.
            assert answer.status == (422 if case.method == "POST" else 200), case.why
            assert code not in CODES, case.why
    assert open_bench.posted == []


def test_the_relay_decides_so(open_bench: Bench) -> None:
    gateway = open_bench.standin.gateway
    for case in CASES:
        upgrades = "Upgrade: websocket" in case.lines
        path = "/v1/realtime?model=x" if upgrades else "/v1/models"
        if case.method == "POST":
            path = "/v1/chat/completions"
        before = len(gateway.all())
        answer = answer_to(open_bench, case, path, chat_body())
        code = (answer.value(b"feedback-error") or b"").decode()
        expected = case.relayed or case.expected
        if expected:
            assert code == expected, case.why
            assert answer.status == (400 if code.startswith("host_m") else 403), case.why
            assert len(gateway.all()) == before, case.why
        else:
            assert code == "", case.why
            assert answer.status == (101 if upgrades else 200), case.why
            assert len(gateway.all()) == before + 1, case.why


# -- rules that are others' to keep, in front of the guard and behind it


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        # 1.3 A 1
        (b"CONNECT attacker.test:443 HTTP/1.1", 405, b"method_not_allowed"),
        (b"TRACE /v1/models HTTP/1.1", 405, b"method_not_allowed"),
        (b"GET /v1/models#x HTTP/1.1", 400, b"malformed_request"),
        (b"GET /v1/../feedback HTTP/1.1", 400, b"malformed_request"),
        (b"GET /v1/./models HTTP/1.1", 400, b"malformed_request"),
        (b"GET /v1/%2e%2e/models HTTP/1.1", 400, b"malformed_request"),
        (b"GET /v1/%2E%2e%2fmodels HTTP/1.1", 400, b"malformed_request"),
        (b"GET /v1\\models HTTP/1.1", 400, b"malformed_request"),
        (b"GET /v1/..%5cmodels HTTP/1.1", 400, b"malformed_request"),
        (b"GET attacker.test HTTP/1.1", 400, b"malformed_request"),
        (b"GET ftp://localhost/v1 HTTP/1.1", 400, b"malformed_request"),
    ],
)
def test_what_is_no_good_target_goes_nowhere(open_bench: Bench, raw: bytes, status: int, code: bytes) -> None:
    client = open_bench.sidecar.connect()
    client.send(head(raw, b"Host: localhost"))
    answer = client.read_answer()
    assert (answer.status, answer.value(b"feedback-error")) == (status, code)
    assert open_bench.standin.gateway.all() == []


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((b"Host: localhost",), 204),
        ((b"Host: attacker.test",), 403),
        ((b"Host: localhost", b"Origin: http://attacker.test"), 403),
        ((), 400),
    ],
)
def test_options_for_the_server_asks_the_guard_too(
    open_bench: Bench, lines: tuple[bytes, ...], status: int
) -> None:
    client = open_bench.sidecar.connect()
    client.send(head(b"OPTIONS * HTTP/1.1", *lines))
    assert client.read_answer().status == status
    assert open_bench.standin.gateway.all() == []


def test_an_absolute_target_does_not_hide_that_host_is_missing_or_double(open_bench: Bench) -> None:
    for lines in ((), (b"Host: localhost", b"Host: localhost")):
        for path in (b"/v1/models", b"/feedback"):
            client = open_bench.sidecar.connect()
            client.send(head(b"GET http://localhost%b HTTP/1.1" % path, *lines))
            assert client.read_answer().status == 400
    assert open_bench.standin.gateway.all() == []


@pytest.mark.parametrize("query", ["?rating=up", "?rating=down&wait=accepted"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_has_no_effect(bench: Bench, method: str, query: str) -> None:
    """1.3 A 4."""
    bench.chat()
    bench.wait_until_logged()
    bench.ask(method, f"/feedback/last{query}")
    assert document(bench.get("/feedback/outbox"))["ratings"] == []
    assert bench.posted == []


def test_cookies_of_other_apps_on_localhost_go_nowhere_and_open_nothing(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    """1.2: cookies ignore ports."""
    upstream = start_upstream(
        answering(head(b"HTTP/1.1 200 OK", b"Set-Cookie: __cf_bm=x", b"Content-Length: 0"))
    )
    sidecar = start_sidecar(upstream.url)
    answer = sidecar.connect().ask(request("GET", "/v1/models", b"", b"Cookie: session=other-app"))
    assert answer.status == 200
    assert answer.values(b"set-cookie") == upstream.requests[0].values(b"cookie") == []
    locked = start_sidecar(upstream.url, **{"guard.token": "colleagues-0123456789abcdef-token"})
    for path in ("/v1/models", "/feedback"):
        assert locked.connect().ask(request("GET", path, b"", b"Cookie: session=other-app")).status == 401


def test_a_tunnel_that_is_refused_is_never_dialled(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(SWITCH)

    upstream = start_upstream(script)
    sidecar = start_sidecar(upstream.url)
    for lines in ((b"Host: attacker.test",), (b"Host: localhost", b"Origin: http://localhost:3000")):
        client = sidecar.connect()
        # Frames that come along at once go nowhere, either.
        client.send(head(b"GET /v1/realtime HTTP/1.1", *lines, *HANDSHAKE_LINES) + b"\x81\x02hi")
        assert client.read_answer().status == 403
    assert upstream.connections == []


# -- a Unix socket: no page reaches it, so that any name will do; what a browser says of a page still holds


@pytest.mark.parametrize(
    ("host", "lines", "expected"),
    [
        ("anything.example:99", {}, ""),
        ("0.0.0.0", {}, ""),
        ("192.168.1.5", {}, ""),
        ("localhost", {}, ""),
        ("", {}, "host_missing"),
        ("a b", {}, "host_malformed"),
        ("a, b", {}, "host_malformed"),
        ("127.1", {}, "host_malformed"),
        ("anything.example", {"origin": ATTACKER}, "origin_not_allowed"),
        ("anything.example", {"origin": "null"}, "origin_not_allowed"),
        ("anything.example", {"origin": APP}, ""),
        ("anything.example", {"sec-fetch-site": "cross-site"}, "cross_site"),
        ("localhost", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}, "browser_navigation"),
    ],
)
def test_by_a_unix_socket_any_name_will_do_and_not_any_page(
    host: str, lines: dict[str, str], expected: str
) -> None:
    guard = Guard(allowed_origins=[APP])
    fields = {name.encode(): value.encode() for name, value in lines.items()}
    found = guard.check("POST", {b"host": host.encode(), **fields}, by_socket=True)
    assert (found.code if isinstance(found, Refusal) else "") == expected


def test_a_name_that_came_by_the_socket_opens_no_other_door() -> None:
    guard = Guard()
    assert guard.check("GET", {b"host": b"attacker.test"}, by_socket=True) is ANYONE
    found = guard.check("GET", {b"host": b"attacker.test"})
    assert isinstance(found, Refusal)
    assert found.code == "host_not_allowed"


def test_by_a_unix_socket_a_host_is_still_needed() -> None:
    found = Guard().check("GET", {}, by_socket=True)
    assert isinstance(found, Refusal)
    assert found.code == "host_missing"
