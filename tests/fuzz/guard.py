"""The guard's parsers, searched for a spelling of another host that they let in.

`python -m fuzz.guard --examples 100000 --seed 1` tries so many of each kind; `make test` some thousand.
"""

import argparse
import re
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzz.readings import Place, by_browsers, has_node, one_spelling, place, readings
from proxy.guard.decisions import Guard
from proxy.guard.origins import origin_of_url
from proxy.relay import targets
from proxy.relay.refusals import Refusal
from proxy.relay.targets import BadTarget

HOST = b"localhost:8747"
LISTED_HOSTS = ("host.docker.internal", "192.168.7.7", "2001:db8::7")
LISTED_ORIGINS = (
    "https://app.example.com",
    "http://localhost:3000",
    "http://[::1]:5173",
    "vscode-webview://abcdef",
)
OWN = place("http", "localhost", 8747)
LISTED_PLACES = {
    place("https", "app.example.com", None),
    place("http", "localhost", 3000),
    place("http", "::1", 5173),
    place("vscode-webview", "abcdef", None),
}
TARGETS = {b"https://api.openai.com", b"https://gateway.example:8443"}
TARGET_PLACES = {place("https", "api.openai.com", None), place("https", "gateway.example", 8443)}


# -- what is tried

_PIECES = st.one_of(
    st.sampled_from(
        [b"", b".", b"..", b":", b"::", b"@", b"[", b"]", b"/", b"//", b"\\", b"#", b"?", b"%", b"%00", b"%2e", b"%2f",
         b"%40", b"%5c", b"%6c", b" ", b"\t", b"\r\n", b",", b", ", b";", b"=", b"&", b"_", b"-", b"*", b"0", b"1",
         b"127", b"0x7f", b"0177", b"2130706433", b":80", b":443", b":8747", b":99999", b":+80", b".localhost",
         b"localhost", b"attacker.test", b".attacker.test", b"@attacker.test", b"user:pass@", b"http://", b"https:",
         b"null", b"xn--", "。".encode(), "ⓛ".encode(), "①".encode(), "ｌ".encode(), b"\x00", b"\x7f", b"\xff"]
    ),
    st.binary(min_size=1, max_size=3),
)  # fmt: skip
_KNOWN = [HOST, b"localhost", b"LOCALHOST:80", b"app.localhost:8747", b"127.0.0.1:8747", b"[::1]:8747", b"[::1]",
          b"[::ffff:127.0.0.1]:1", b"host.docker.internal:8747", b"192.168.7.7", b"[2001:db8::7]:8747", b"0.0.0.0",
          b"attacker.test", b"attacker.test:8747", b"localhost.attacker.test", b"10.0.0.1", b"[::]",
          b"app.example.com", b"abcdef", b"localhost:3000", b"[::1]:5173", b"api.openai.com",
          b"gateway.example:8443"]  # fmt: skip


def _changed(value: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for where, how_many, piece in changes:
        at = where % (len(value) + 1)
        value = value[:at] + piece + value[at + how_many :]
    return value


def changed(values: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    """Values with up to three places in which something else stands."""
    change = st.tuples(st.integers(0, 80), st.integers(0, 3), _PIECES)
    return st.builds(_changed, values, st.lists(change, max_size=3))


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.integers(0, 2**24 - 1).map(lambda tail: str(ip_address((127 << 24) + tail))),
    st.integers(0, 2**32 - 1).map(str),
    st.integers(0, 2**32 - 1).map(hex),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded.upper()}]"),
    st.ip_addresses(v=4).map(lambda address: f"[::ffff:{address}]"),
).map(str.encode)
AUTHORITIES = st.one_of(
    changed(st.sampled_from(_KNOWN)),
    changed(ADDRESSES),
    st.text(alphabet="localhst127.0x:[]%@ /f_-\t,ATE", max_size=24).map(str.encode),
    st.binary(max_size=40),
)
SCHEMES = st.sampled_from(
    [b"http://", b"http://", b"https://", b"vscode-webview://", b"HTTP://", b"http:", b"app://"]
)
ORIGINS = st.one_of(
    st.tuples(SCHEMES, AUTHORITIES).map(b"".join),
    changed(st.sampled_from([each.encode() for each in LISTED_ORIGINS] + [b"http://" + HOST])),
)
URLS = st.one_of(
    st.tuples(
        ORIGINS, st.sampled_from([b"", b"/", b"/v1", b"/v1?x=http://a", b"?x", b"#x", b"/../", b"\\x"])
    ).map(b"".join),
    changed(st.sampled_from([target + b"/v1/chat" for target in TARGETS] + list(TARGETS))),
)


# -- what must hold


@dataclass
class Kind:
    """One thing that the guard reads. `judge` says which URL a value that it let in stands for; None: it did not.

    `is_right` says whether that URL may lead to a place.
    """

    name: str
    values: SearchStrategy[bytes]
    judge: Callable[[bytes], bytes | None]
    is_right: Callable[[Place], bool]
    let_in: set[bytes] = field(default_factory=set)
    """The URLs that were."""
    tried: int = 0

    def check(self, value: bytes) -> None:
        """Try one."""
        self.tried += 1
        url = self.judge(value)
        if url is None:
            return
        found = readings(url)
        assert found, f"{value!r} was let in, and nobody can read {url!r}"
        wrong = {reader: read for reader, read in found.items() if not self.is_right(read)}
        assert not wrong, f"{value!r} was let in, and leads elsewhere: {wrong}"
        self.let_in.add(url)

    def ask_browsers(self) -> None:
        """Have all that was let in read by what reads as browsers do."""
        places = by_browsers(sorted(self.let_in))
        wrong = {url: read for url, read in places.items() if not self.is_right(read)}
        assert not wrong, f"let in, and for browsers it leads elsewhere: {wrong}"
        assert len(places) > len(self.let_in) // 2


def _guard() -> Guard:
    return Guard(
        bound_addresses=["127.0.0.1", "::1"], allowed_hosts=LISTED_HOSTS, allowed_origins=LISTED_ORIGINS
    )


def _is_ours(read: Place) -> bool:
    """Whether only this machine, or who is listed, can be meant."""
    host = read.host
    if host in {one_spelling(each) for each in LISTED_HOSTS}:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def kinds() -> list[Kind]:
    """All that is read: `Host`, `Origin`, both together, absolute targets, and URLs in headers."""
    guard = _guard()

    def host(value: bytes) -> bytes | None:
        found = guard.check("POST", {b"host": value})
        return None if isinstance(found, Refusal) else b"http://" + value + b"/"

    def origin(value: bytes) -> bytes | None:
        reader = guard.reader({b"origin": value})
        assert re.fullmatch(rb"[!-~]*", reader), "what is echoed could break the answer's head"
        found = guard.check("POST", {b"host": HOST, b"origin": value})
        assert not reader or not isinstance(found, Refusal)
        return None if isinstance(found, Refusal) else value

    def own_origin(value: bytes) -> bytes | None:
        # The same text in both, as rebinding has it: then Host alone decides.
        found = guard.check("POST", {b"host": value, b"origin": b"http://" + value})
        return None if isinstance(found, Refusal) else b"http://" + value

    def target(value: bytes) -> bytes | None:
        try:
            parsed = targets.parse(value)
        except BadTarget:
            return None
        if parsed.authority is None:
            return None
        found = guard.check("GET", {b"host": parsed.authority})
        return None if isinstance(found, Refusal) else value

    def url(value: bytes) -> bytes | None:
        return value if origin_of_url(value) in TARGETS else None

    return [
        Kind("Host", AUTHORITIES, host, _is_ours),
        Kind("Origin", ORIGINS, origin, lambda read: read == OWN or read in LISTED_PLACES),
        Kind("Host and Origin", AUTHORITIES, own_origin, _is_ours),
        Kind("absolute targets", URLS, target, _is_ours),
        Kind("URLs of targets", URLS, url, lambda read: read in TARGET_PLACES),
    ]


def try_out(kind: Kind, examples: int, number: int | None = None) -> None:
    """Try so many values; raises for the simplest that is wrong. `number`: the same one draws the same values."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.values)
    def each(value: bytes) -> None:
        kind.check(value)

    (each if number is None else seed(number)(each))()
    # A guard that lets nobody in would pass all that.
    assert len(kind.let_in) >= 5, kind.let_in
    if has_node():
        kind.ask_browsers()


def main() -> int:
    """Try all kinds. Gives the exit code: 1 when something slipped through."""
    parser = argparse.ArgumentParser(prog="fuzz.guard", description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000, help="how many of each kind")
    parser.add_argument("--seed", type=int, default=None, help="the same seed draws the same values")
    options = parser.parse_args()
    number = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed {number}; browsers' reading: {'by node' if has_node() else 'left out, no node'}")  # noqa: T201  # it is a program
    failed = False
    for kind in kinds():
        began = time.monotonic()
        try:
            try_out(kind, options.examples, number)
            ending = "none of them wrongly"
        except Exception as error:  # noqa: BLE001  # a crash is a finding
            failed = True
            ending = f"WRONG: {type(error).__name__}: {error}"
        print(  # noqa: T201
            f"{kind.name}: {kind.tried} tried in {time.monotonic() - began:.0f} s, {len(kind.let_in)} let in, {ending}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
