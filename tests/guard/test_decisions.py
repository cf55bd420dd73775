"""Who may speak to the sidecar: tables of what clients really send, and a search for what slips through."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.guard.decisions import ANYONE, Guard, is_browser
from proxy.guard.hosts import canonical_host, is_always_allowed, is_unspecified
from proxy.relay.refusals import Refusal

PAGE = b"http://localhost:8747"
HOST = b"localhost:8747"

ALLOWED_HOSTS = [
    b"localhost",
    b"localhost:8747",
    b"LocalHost:8747",
    b"app.localhost",
    b"a.b-c.localhost:80",
    b"127.0.0.1",
    b"127.0.0.1:8747",
    b"127.255.255.254:1",
    b"[::1]",
    b"[::1]:8747",
    b"[0:0:0:0:0:0:0:1]:8747",
]

UNLISTED_HOSTS = [
    b"attacker.test",
    b"attacker.test:8747",
    b"localhost.",
    b"app.localhost.:8747",
    b"localhost.attacker.test",
    b"127.0.0.1.attacker.test",
    b"notlocalhost",
    b"my_app.localhost",
    b"my_app",
    b"printer.local",
    b"host.docker.internal",
    b"0.0.0.0",
    b"0.0.0.0:8747",
    b"[::]:8747",
    b"[::ffff:0.0.0.0]",
    b"[::ffff:127.0.0.1]:8747",
    b"[::FFFF:7f00:1]",
    b"[0:0:0:0:0:ffff:127.0.0.1]",
    b"192.168.1.5:8747",
    b"10.0.0.1",
    b"128.0.0.1",
    b"[fe80::1]",
    b"[::2]",
    b"[::127.0.0.1]",
    b"[64:ff9b::127.0.0.1]",
    b"xn--lcalhost-9za",
]

MALFORMED_HOSTS = [
    b" localhost",
    b"localhost ",
    b"localhost\t",
    b"localhost:8747, localhost:8747",
    b"localhost, attacker.test",
    b"localhost:",
    b"localhost:x",
    b"localhost:-1",
    b"localhost:+80",
    b"localhost:65536",
    b"localhost:8747:8747",
    b"user@localhost",
    b"attacker.test@localhost",
    b"localhost@attacker.test",
    b"localhost/",
    b"localhost#attacker.test",
    b"localhost?",
    b"http://localhost",
    b"local%68ost",
    b"%6c",
    b".localhost",
    b"a..localhost",
    b".",
    b"localhost..",
    b"127.1",
    b"127.0.1",
    b"127.0.0.1.",
    b"127.0.0.01",
    b"0127.0.0.1",
    b"0177.0.0.1",
    b"0x7f.1",
    b"0x7f000001",
    b"0x",
    b"2130706433",
    b"127.0.0.256",
    b"app.127",
    b"::1",
    b"[::1",
    b"::1]",
    b"[::1]]",
    b"[[::1]]",
    b"[::1]x",
    b"[::1%25lo]",
    b"[::1%lo]",
    b"[127.0.0.1]",
    b"[localhost]",
    b"[]",
    b"[v1.a]",
    b"[::ffff:127.1]",
    "löcalhost".encode(),
    "localhost。".encode(),
    b"localhost\x00",
    b"localhost\n",
    b"\xff",
    b"a" * 64 + b".localhost",
    b"a." * 200 + b"localhost",
]


def decide(host: bytes = HOST, method: str = "POST", **fields: bytes) -> Refusal | None:
    """What a fresh guard says; `fields` are written with underscores."""
    named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return asked(Guard(bound_addresses=["127.0.0.1", "::1"]), method, {b"host": host, **named})


def asked(guard: Guard, method: str, fields: Mapping[bytes, bytes]) -> Refusal | None:
    """Why the guard refuses a request; None if it does not."""
    found = guard.check(method, fields)
    return found if isinstance(found, Refusal) else None


def code(denial: Refusal | None) -> str | None:
    return None if denial is None else denial.code


@pytest.mark.parametrize("host", ALLOWED_HOSTS)
def test_names_that_only_this_machine_can_mean_pass(host: bytes) -> None:
    assert decide(host) is None


@pytest.mark.parametrize("host", UNLISTED_HOSTS)
def test_every_other_name_is_forbidden(host: bytes) -> None:
    denial = decide(host)

    assert denial is not None
    assert (denial.status, denial.code) == (403, "host_not_allowed")


@pytest.mark.parametrize("host", MALFORMED_HOSTS)
def test_what_is_no_strict_host_is_a_bad_request(host: bytes) -> None:
    denial = decide(host)

    assert denial is not None
    assert (denial.status, denial.code) == (400, "host_malformed")


@pytest.mark.parametrize("fields", [{}, {b"host": b""}, {b"origin": PAGE}])
def test_a_request_without_a_host_is_a_bad_request(fields: dict[bytes, bytes]) -> None:
    denial = asked(Guard(), "GET", fields)

    assert denial is not None
    assert (denial.status, denial.code) == (400, "host_missing")


def test_the_refusal_of_a_name_says_which_setting_would_allow_it() -> None:
    denial = decide(b"Sidecar.Internal:8747")

    assert denial is not None
    assert "sidecar.internal" in denial.message
    assert "[guard] allowed_hosts" in denial.message


def test_the_refusal_of_the_unspecified_address_promises_no_setting() -> None:
    denial = decide(b"0.0.0.0:8747")

    assert denial is not None
    assert "allowed_hosts" not in denial.message


@pytest.mark.parametrize(
    "host", [b"sidecar.internal", b"SIDECAR.internal:1", b"my_app:80", b"[fd00::5]", b"10.0.0.7"]
)
def test_listed_names_pass_in_any_case_and_with_any_port(host: bytes) -> None:
    guard = Guard(allowed_hosts=["Sidecar.Internal", "my_app", "[FD00:0::5]", "10.0.0.7"])

    assert asked(guard, "POST", {b"host": host}) is None


@pytest.mark.parametrize(
    "host", [b"x.sidecar.internal", b"sidecar.internal.", b"sidecar", b"internal", b"[fd00::6]"]
)
def test_a_listed_name_stands_for_itself_alone(host: bytes) -> None:
    guard = Guard(allowed_hosts=["sidecar.internal", "fd00::5"])

    assert code(asked(guard, "POST", {b"host": host})) == "host_not_allowed"


@pytest.mark.parametrize("entry", ["", "*", "*.internal", "http://a", "a b", "127.1", "ä", "\udc80"])
def test_a_malformed_listed_name_cannot_be_overlooked(entry: str) -> None:
    with pytest.raises(ValueError, match=r"allowed host|utf-8"):
        Guard(allowed_hosts=[entry])


def test_the_addresses_listened_on_pass() -> None:
    guard = Guard(bound_addresses=["192.168.1.5", "fe80::1%eth0", "/run/sidecar.sock"])

    assert asked(guard, "POST", {b"host": b"192.168.1.5:8747"}) is None
    assert asked(guard, "POST", {b"host": b"[fe80::1]:8747"}) is None
    assert code(asked(guard, "POST", {b"host": b"192.168.1.6:8747"})) == "host_not_allowed"


@pytest.mark.parametrize("host", [b"0.0.0.0:8747", b"[::]:8747"])
def test_the_unspecified_address_never_passes(host: bytes) -> None:
    guard = Guard(bound_addresses=["0.0.0.0", "::"], allowed_hosts=["0.0.0.0", "::"])

    assert code(asked(guard, "GET", {b"host": host})) == "host_not_allowed"


# What Chromium really sends (guard-and-delivery.md 1.1), row by row, and what must become of it.
@pytest.mark.parametrize(
    ("vector", "method", "fields", "expected"),
    [
        (
            "fetch text/plain, no-cors",
            "POST",
            {
                "origin": b"http://attacker.test:19201",
                "sec_fetch_site": b"cross-site",
                "sec_fetch_mode": b"no-cors",
            },
            "origin_not_allowed",
        ),
        (
            "fetch JSON, its preflight",
            "OPTIONS",
            {
                "origin": b"http://attacker.test:19201",
                "sec_fetch_site": b"cross-site",
                "sec_fetch_mode": b"cors",
            },
            "origin_not_allowed",
        ),
        ("img", "GET", {"sec_fetch_site": b"cross-site", "sec_fetch_mode": b"no-cors"}, "cross_site"),
        (
            "EventSource",
            "GET",
            {
                "origin": b"http://attacker.test:19201",
                "sec_fetch_site": b"cross-site",
                "sec_fetch_mode": b"cors",
            },
            "origin_not_allowed",
        ),
        (
            "WebSocket",
            "GET",
            {"origin": b"http://attacker.test:19201", "upgrade": b"websocket", "connection": b"Upgrade"},
            "origin_not_allowed",
        ),
        (
            "top-level form",
            "POST",
            {
                "origin": b"http://attacker.test:19201",
                "sec_fetch_site": b"cross-site",
                "sec_fetch_mode": b"navigate",
            },
            "origin_not_allowed",
        ),
        (
            "form in a sandboxed frame",
            "POST",
            {"origin": b"null", "sec_fetch_site": b"cross-site", "sec_fetch_mode": b"navigate"},
            "origin_not_allowed",
        ),
        ("rebinding, GET", "GET", {"host": b"attacker.test:8747"}, "host_not_allowed"),
        (
            "rebinding, POST JSON",
            "POST",
            {"host": b"attacker.test:8747", "origin": b"http://attacker.test:8747"},
            "host_not_allowed",
        ),
        (
            "page on another port of localhost",
            "POST",
            {"origin": b"http://localhost:3000", "sec_fetch_site": b"same-site", "sec_fetch_mode": b"cors"},
            "origin_not_allowed",
        ),
        (
            "img on another port of localhost",
            "GET",
            {"sec_fetch_site": b"same-site", "sec_fetch_mode": b"no-cors"},
            "cross_site",
        ),
        (
            "own page, POST",
            "POST",
            {"origin": PAGE, "sec_fetch_site": b"same-origin", "sec_fetch_mode": b"cors"},
            None,
        ),
        ("own page, GET", "GET", {"sec_fetch_site": b"same-origin", "sec_fetch_mode": b"cors"}, None),
        ("own page, image", "GET", {"sec_fetch_site": b"same-origin", "sec_fetch_mode": b"no-cors"}, None),
        ("own page, WebSocket", "GET", {"origin": PAGE, "upgrade": b"websocket"}, None),
        (
            "address typed by hand",
            "GET",
            {"sec_fetch_site": b"none", "sec_fetch_mode": b"navigate"},
            "browser_navigation",
        ),
        ("curl", "POST", {}, None),
        ("Node's fetch", "POST", {"sec_fetch_mode": b"cors"}, None),
        ("Node's fetch, any mode", "POST", {"sec_fetch_mode": b"navigate"}, None),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_what_browsers_and_scripts_send(
    vector: str, method: str, fields: dict[str, bytes], expected: str | None
) -> None:
    assert code(decide(fields.pop("host", HOST), method, **fields)) == expected, vector


def test_an_address_typed_by_hand_opens_a_local_page() -> None:
    fields = {b"host": HOST, b"sec-fetch-site": b"none", b"sec-fetch-mode": b"navigate"}
    assert Guard().check("GET", fields, local=True) is ANYONE


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin", [b"null", b"", b"http://attacker.test", b"http://localhost:3000", b"https://localhost:8747"]
)
def test_a_foreign_origin_is_forbidden_for_every_method(method: str, origin: bytes) -> None:
    denial = decide(method=method, origin=origin)

    assert denial is not None
    assert (denial.status, denial.code) == (403, "origin_not_allowed")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (b"localhost", b"http://localhost"),
        (b"localhost:80", b"http://localhost"),
        (b"localhost", b"http://localhost:80"),
        (b"LOCALHOST:8747", b"http://localhost:8747"),
        (b"[::1]:8747", b"http://[::1]:8747"),
        (b"[0:0::1]:8747", b"http://[::1]:8747"),
        (b"app.localhost:8747", b"http://app.localhost:8747"),
    ],
)
def test_the_own_origin_is_compared_canonically(host: bytes, origin: bytes) -> None:
    assert decide(host, origin=origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        b"http://localhost",
        b"http://localhost:8748",
        b"http://127.0.0.1:8747",
        b"http://app.localhost:8747",
        b"http://localhost:8747/",
        b"http://localhost:8747, http://localhost:8747",
        b"http://localhost:8747, http://attacker.test",
        b"http://user@localhost:8747",
        b"http:localhost:8747",
        b"http:///localhost:8747",
        b"localhost:8747",
        b"file://",
        b"chrome-extension://localhost:8747",
        b"http://",
    ],
)
def test_an_origin_that_is_almost_ours_is_foreign(origin: bytes) -> None:
    assert code(decide(origin=origin)) == "origin_not_allowed"


@pytest.mark.parametrize(
    "site", [b"cross-site", b"same-site", b"", b"None", b"same-origin, same-origin", b"x"]
)
def test_a_foreign_site_is_forbidden_even_under_our_own_origin(site: bytes) -> None:
    assert code(decide(method="GET", sec_fetch_site=site)) == "cross_site"
    assert code(decide(method="GET", sec_fetch_site=site, origin=PAGE)) == "cross_site"


@pytest.mark.parametrize("mode", [b"navigate", b"no-cors"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "sign", [{"origin": PAGE}, {"sec_fetch_site": b"same-origin"}, {"sec_fetch_site": b"none"}]
)
def test_a_browser_changes_nothing_by_forms_or_beacons(
    mode: bytes, method: str, sign: dict[str, bytes]
) -> None:
    denial = decide(method=method, sec_fetch_mode=mode, **sign)

    assert denial is not None
    assert (denial.status, denial.code) == (403, "browser_navigation")


def test_a_browser_is_known_by_origin_or_site_and_not_by_mode_alone() -> None:
    assert is_browser({b"origin": b"null"})
    assert is_browser({b"sec-fetch-site": b"none"})
    assert not is_browser({b"sec-fetch-mode": b"cors", b"host": HOST, b"user-agent": b"node"})


def test_a_remembered_host_does_not_excuse_a_foreign_origin_or_another_host() -> None:
    guard = Guard()

    assert asked(guard, "POST", {b"host": HOST}) is None
    assert asked(guard, "POST", {b"host": HOST}) is None
    assert (
        code(asked(guard, "POST", {b"host": HOST, b"origin": b"http://attacker.test"}))
        == "origin_not_allowed"
    )
    assert code(asked(guard, "POST", {b"host": b"attacker.test:8747"})) == "host_not_allowed"
    assert code(asked(guard, "POST", {b"host": b"attacker.test:8747"})) == "host_not_allowed"


def test_what_is_remembered_stays_bounded() -> None:
    guard = Guard()

    for number in range(5000):
        assert asked(guard, "GET", {b"host": b"a%d.localhost" % number}) is None
        assert asked(guard, "GET", {b"host": b"a%d.attacker.test" % number}) is not None
        assert len(guard._known_values) <= 1024


@given(st.binary(max_size=400))
@example(b"a" * 250)
@example(b"\x1b[31m.test")
def test_a_refusal_never_echoes_much_or_anything_unprintable(host: bytes) -> None:
    denial = decide(host)

    if denial is not None:
        assert denial.message.isprintable()
        assert len(denial.message) < 200


SPELLINGS = st.one_of(
    st.binary(max_size=40),
    st.text(alphabet="localhst127.0x:[]%@ /f_-\t,ATE", max_size=24).map(str.encode),
    st.ip_addresses().map(
        lambda address: (f"[{address}]" if address.version == 6 else f"{address}").encode()
    ),
    st.integers(0, 2**24).map(lambda tail: f"{IPv4Address((127 << 24) + tail)}:8747".encode()),
    st.tuples(
        st.sampled_from(
            ["localhost", "127.0.0.1", "[::1]", "app.localhost", "[::ffff:127.0.0.1]", "attacker.test"]
        ),
        st.sampled_from(
            ["", ".", "@", "%00", "#", "/", "\\", " ", ",", ".attacker.test", "@attacker.test", "x", "_"]
        ),
        st.sampled_from(["", ":", ":80", ":99999", ":8747", "attacker.test"]),
    ).map(lambda parts: "".join(parts).encode()),
)


def names_this_machine(value: bytes) -> bool:
    """An oracle built on other means than the guard's: what may stand in a Host that nobody listed."""
    text = value.decode("latin-1")
    host, _, port = text.rpartition(":") if re.search(r":\d{1,5}\Z", text) else (text, "", "80")
    if not port.isascii() or int(port) > 65535:
        return False
    if host.startswith("[") and host.endswith("]"):
        address = int(ip_address(host[1:-1])) if re.fullmatch(r"[0-9a-fA-F:.]+", host[1:-1]) else 0
        return address == 1
    if re.fullmatch(r"[0-9.]+", host):
        parts = host.split(".")
        return len(parts) == 4 and parts[0] == "127" and all(p == str(int(p)) and int(p) < 256 for p in parts)
    labels = host.lower().split(".")
    return labels[-1] == "localhost" and all(re.fullmatch(r"[a-z0-9-]+", label) for label in labels)


@given(SPELLINGS, st.sampled_from(["GET", "POST"]))
def test_no_spelling_of_another_host_passes(value: bytes, method: str) -> None:
    if asked(Guard(), method, {b"host": value}) is None:
        assert names_this_machine(value)


@given(SPELLINGS, SPELLINGS, st.binary(max_size=12), st.binary(max_size=12))
def test_no_browser_passes_under_an_origin_that_is_not_the_hosts(
    host: bytes, authority: bytes, site: bytes, mode: bytes
) -> None:
    fields = {
        b"host": host,
        b"origin": b"http://" + authority,
        b"sec-fetch-site": site,
        b"sec-fetch-mode": mode,
    }
    if asked(Guard(), "POST", fields) is None:
        assert names_this_machine(host)
        assert names_this_machine(authority)
        assert canonical_host(authority) == canonical_host(host)
        assert site in {b"same-origin", b"none"}


@given(st.ip_addresses(v=6))
def test_an_address_passes_or_fails_in_every_spelling_alike(address: IPv6Address) -> None:
    guard = Guard(allowed_hosts=[str(address)])

    for spelling in (address.compressed, address.exploded, address.exploded.upper()):
        denial = asked(guard, "GET", {b"host": f"[{spelling}]:8747".encode()})
        assert (denial is None) is (not is_unspecified(str(address)) and address.ipv4_mapped is None)


def test_always_allowed_says_which_names_need_no_listing() -> None:
    assert is_always_allowed("localhost")
    assert is_always_allowed("::ffff:127.0.0.1")
    assert not is_always_allowed("my_app.localhost")
    assert not is_always_allowed("::")
