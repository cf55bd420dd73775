"""The one script that a page of any site may load: what passes for it, and that nothing else does."""

import pytest

from harness.benches import Bench, StartBench, error_of
from proxy.guard.decisions import ANYONE, Guard
from proxy.guard.tokens import Tokens
from proxy.relay.refusals import Refusal

PATH = "/feedback/widget.js"
HOST = b"localhost:8747"
OWN = b"http://localhost:8747"
LISTED = b"https://app.example.com"
TOKEN = "a-token-of-forty-letters-for-this-sidecar"

# Origin, Sec-Fetch-Site, -Mode, -Dest; then what comes of it: "" passes.
CASES = {
    "curl": (None, None, None, None, ""),
    "Node's fetch": (None, None, b"cors", None, ""),
    "script of another site": (None, b"cross-site", b"no-cors", b"script", ""),
    "script of another port of localhost": (None, b"same-site", b"no-cors", b"script", ""),
    "script of our own page": (None, b"same-origin", b"no-cors", b"script", ""),
    "typed by hand": (None, b"none", b"navigate", b"document", ""),
    "module of a listed origin": (LISTED, b"cross-site", b"cors", b"script", ""),
    "fetch of a listed origin": (LISTED, b"cross-site", b"cors", b"empty", ""),
    "module of another site": (b"https://attacker.test", b"cross-site", b"cors", b"script", "origin"),
    "crossorigin in a sandboxed frame": (b"null", b"cross-site", b"cors", b"script", "origin"),
    "script that says an origin": (b"https://attacker.test", b"cross-site", b"no-cors", b"script", "origin"),
    "fetch of another site": (b"https://attacker.test", b"cross-site", b"cors", b"empty", "origin"),
    "fetch, no-cors": (None, b"cross-site", b"no-cors", b"empty", "site"),
    "image": (None, b"cross-site", b"no-cors", b"image", "site"),
    "stylesheet": (None, b"cross-site", b"no-cors", b"style", "site"),
    "frame": (None, b"cross-site", b"navigate", b"iframe", "site"),
    "link that is followed": (None, b"cross-site", b"navigate", b"document", "site"),
    "object": (None, b"cross-site", b"navigate", b"object", "site"),
    "worker": (None, b"cross-site", b"same-origin", b"worker", "site"),
    "script that says no mode": (None, b"cross-site", None, b"script", "site"),
    "no destination": (None, b"cross-site", b"no-cors", None, "site"),
    "destinations": (None, b"cross-site", b"no-cors", b"script, image", "site"),
}
CODES = {"": "", "origin": "origin_not_allowed", "site": "cross_site"}


def fields_of(*values: bytes | None, host: bytes = HOST) -> dict[bytes, bytes]:
    """A request's header fields."""
    names = (b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")
    said = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return {b"host": host, **said}


@pytest.mark.parametrize("tokens", [None, Tokens({"": TOKEN}, b"x" * 32)], ids=["no token", "a token"])
@pytest.mark.parametrize("case", CASES)
def test_a_page_of_another_site_gets_it_as_its_script_and_in_no_other_way(
    case: str, tokens: Tokens | None
) -> None:
    *values, expected = CASES[case]
    guard = Guard(allowed_origins=[LISTED.decode()], tokens=tokens)
    fields = fields_of(*values)
    found = guard.check_script("GET", fields)
    assert (found.code if isinstance(found, Refusal) else "") == CODES[str(expected)]
    if not isinstance(found, Refusal):
        assert found.origin == (values[0] or b"")
        assert found.client == ""


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (b"attacker.test:8747", "host_not_allowed"),
        (b"0.0.0.0:8747", "host_not_allowed"),
        (b"[::ffff:127.0.0.1]", "host_not_allowed"),
        (b"", "host_missing"),
        (b"a b", "host_malformed"),
    ],
)
@pytest.mark.parametrize("case", CASES)
def test_a_wrong_host_gets_nothing(case: str, host: bytes, code: str) -> None:
    values = CASES[case][:4]
    found = Guard(allowed_origins=[LISTED.decode()]).check_script("GET", fields_of(*values, host=host))
    assert isinstance(found, Refusal)
    assert found.code == code


@pytest.mark.parametrize("host", [b"127.0.0.1:8747", b"app.localhost", b"[::1]:1", b"sidecar.internal"])
def test_every_host_that_is_allowed_gives_it(host: bytes) -> None:
    guard = Guard(allowed_hosts=["sidecar.internal"])
    fields = fields_of(None, b"cross-site", b"no-cors", b"script", host=host)
    assert guard.check_script("GET", fields) is ANYONE


def test_no_host_and_a_service_worker_get_nothing() -> None:
    fields = fields_of(None, b"cross-site", b"no-cors", b"script")
    for wrong in ({b"host": b""}, {b"service-worker": b"script"}):
        assert isinstance(Guard().check_script("GET", fields | wrong), Refusal)
    del fields[b"host"]
    assert isinstance(Guard().check_script("GET", fields), Refusal)


def test_through_a_unix_socket_any_name_will_do() -> None:
    assert Guard().check_script("GET", {b"host": b"sidecar"}, by_socket=True) is ANYONE


# -- over sockets: of all paths, methods and spellings this one alone

AS_SCRIPT = (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors", b"Sec-Fetch-Dest: script")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_script_comes_without_a_token_and_says_who_may_have_it(
    start_bench: StartBench, method: str
) -> None:
    bench = start_bench(**{"guard.token": TOKEN})
    for lines in ((), AS_SCRIPT):
        for target in (PATH, f"http://localhost{PATH}"):
            assert bench.ask(method, target, b"", *lines).status == 200
    assert error_of(bench.get("/feedback/last", *AS_SCRIPT))[:2] == (403, "cross_site")
    assert error_of(bench.get("/feedback/last"))[:2] == (401, "token_missing")


@pytest.mark.parametrize(
    "target",
    [
        f"{PATH}?",
        f"{PATH}?v=2",
        f"{PATH}?token={TOKEN}",
        f"{PATH}/",
        "/feedback/widget%2ejs",
        "/feedback/WIDGET.js",
        "/feedback/health",
        "/feedback/openapi.json",
        "/feedback",
        "/v1/models",
        "/widget.js",
    ],
)
def test_no_other_target_passes_as_a_script(bench: Bench, target: str) -> None:
    assert error_of(bench.get(target, *AS_SCRIPT))[:2] == (403, "cross_site")
    assert bench.standin.gateway.all() == []


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "OPTIONS"])
def test_no_other_method_passes_as_a_script(bench: Bench, method: str) -> None:
    assert bench.ask(method, PATH, b"", *AS_SCRIPT).status == 403


def test_a_wrong_host_gets_nothing_of_the_script(bench: Bench) -> None:
    for lines in ((), AS_SCRIPT):
        answer = bench.get(PATH, b"Host: attacker.test", *lines)
        assert error_of(answer)[:2] == (403, "host_not_allowed")
    assert error_of(bench.get(f"http://attacker.test{PATH}", *AS_SCRIPT))[:2] == (403, "host_not_allowed")
