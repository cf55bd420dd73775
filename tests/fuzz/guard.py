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
TARGETS = (b"https://api.openai.com", b"https://gateway.example:8443")
TARGET_PLACES = {place("https", "api.openai.com", None), place("https", "gateway.example", 8443)}


# -- what is tried: twenty-four bytes of chance say what, since drawing more than one thing costs most of the time

_SIZE = 24
_AT_ONCE = 20
"""Values that are made of one draw, for the same reason."""
_PIECES = (
    *(bytes([number]) for number in range(256)),
    *(
        b".. :: // %00 %2e %2f %40 %5c %6c 127 0x7f 0177 2130706433 :80 :443 :8747 :99999 :+80 .localhost".split()
    ),
    *(
        b"localhost attacker.test .attacker.test @attacker.test user:pass@ http:// https: null xn-- ::1".split()
    ),
    *("。 ⓛ ① ｌ ．".encode().split()),
    *(b"", b"\r\n", b", "),
    # What tells the parts of a URL apart, often.
    *(bytes([number]) for number in b".:@[]/\\#?% \t,;_-*019afx" * 4),
)
_KNOWN = (
    *(HOST, b"localhost", b"LOCALHOST:80", b"app.localhost:8747", b"127.0.0.1:8747", b"[::1]:8747", b"[::1]"),
    *(
        b"[::ffff:127.0.0.1]:1",
        b"host.docker.internal:8747",
        b"192.168.7.7",
        b"[2001:db8::7]:8747",
        b"0.0.0.0",
    ),
    *(b"attacker.test", b"attacker.test:8747", b"localhost.attacker.test", b"10.0.0.1", b"[::]", b"abcdef"),
    *(b"app.example.com", b"localhost:3000", b"[::1]:5173", b"api.openai.com", b"gateway.example:8443"),
)
_ORIGINS = (*(each.encode() for each in LISTED_ORIGINS), b"http://" + HOST)
_URLS = (*TARGETS, *(target + b"/v1/chat" for target in TARGETS))
_SCHEMES = (b"http://", b"https://", b"vscode-webview://", b"HTTP://", b"http:", b"app://", b"http:/", b"")
_PATHS = (b"", b"/", b"/v1", b"/v1?x=http://a", b"?x", b"#x", b"/../", b"\\x")
_LETTERS = b"localhst127.0x:[]%@ /f_-\t,ATE"


def _changed(value: bytes, chance: bytes) -> bytes:
    """`value` with up to three places in which something else stands. `chance`: ten bytes."""
    for number in range(chance[0] % 4):
        where, how_many, piece = chance[1 + number * 3 : 4 + number * 3]
        at = where % (len(value) + 1)
        # More pieces than a byte can tell: the bytes themselves come seldom enough as it is.
        which = (piece * 2 + how_many // 128) % len(_PIECES)
        value = value[:at] + _PIECES[which] + value[at + how_many % 4 :]
    return value


def _address(chance: bytes) -> bytes:
    """An address in one of its spellings. `chance`: nine bytes."""
    number = int.from_bytes(chance[1:5], "big")
    loopback = (127 << 24) + number % 2**24
    v6 = ip_address(int.from_bytes(chance[1:9] + chance[1:9], "big") >> (chance[0] // 8 * 4) % 128)
    spellings = (
        *(f"{ip_address(number)}", f"{ip_address(loopback)}", f"{number}", f"{loopback:#x}"),
        *(
            f"[{v6}]",
            f"[{v6.exploded.upper()}]",
            f"[::ffff:{ip_address(number)}]",
            f"[::ffff:{loopback >> 16:x}:1]",
        ),
    )
    return spellings[chance[0] % 8].encode()


def authority(chance: bytes) -> bytes:
    """What may stand in a Host."""
    kind = chance[0] % 8
    if kind < 5:
        return _changed(_KNOWN[chance[1] % len(_KNOWN)], chance[2:12])
    if kind == 5:
        return _changed(_address(chance[1:10]), chance[10:20])
    if kind == 6:
        return bytes(_LETTERS[each % len(_LETTERS)] for each in chance[2 : 2 + chance[1] % 22])
    return chance[2 : 2 + chance[1] % 22]


def origin(chance: bytes) -> bytes:
    """What may stand in an Origin."""
    if chance[0] % 2:
        return _SCHEMES[chance[1] % len(_SCHEMES)] + authority(chance[2:].ljust(_SIZE, b"\0"))
    return _changed(_ORIGINS[chance[1] % len(_ORIGINS)], chance[2:12])


def url(chance: bytes) -> bytes:
    """What may stand in a request's first line, or in a header that names a place."""
    if chance[0] % 2:
        return origin(chance[2:].ljust(_SIZE, b"\0")) + _PATHS[chance[1] % len(_PATHS)]
    return _changed(_URLS[chance[1] % len(_URLS)], chance[2:12])


# -- what must hold


@dataclass
class Kind:
    """One thing that the guard reads. `judge` says which URL a value that it let in stands for; None: it did not.

    `is_right` says whether that URL may lead to a place.
    """

    name: str
    value: Callable[[bytes], bytes]
    """Makes one of bytes of chance."""
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
        address = ip_address(host)
        # Chromium does not trust one that is written as IPv6.
        return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def kinds() -> list[Kind]:
    """All that is read: `Host`, `Origin`, both together, absolute targets, and URLs in headers."""
    guard = _guard()

    def of_host(value: bytes) -> bytes | None:
        found = guard.check("POST", {b"host": value})
        return None if isinstance(found, Refusal) else b"http://" + value + b"/"

    def of_origin(value: bytes) -> bytes | None:
        reader = guard.reader({b"origin": value})
        assert re.fullmatch(rb"[!-~]*", reader), "what is echoed could break the answer's head"
        found = guard.check("POST", {b"host": HOST, b"origin": value})
        assert not reader or not isinstance(found, Refusal)
        return None if isinstance(found, Refusal) else value

    def of_both(value: bytes) -> bytes | None:
        # The same text in both, as rebinding has it: then Host alone decides.
        found = guard.check("POST", {b"host": value, b"origin": b"http://" + value})
        return None if isinstance(found, Refusal) else b"http://" + value

    def of_target(value: bytes) -> bytes | None:
        try:
            parsed = targets.parse(value)
        except BadTarget:
            return None
        if parsed.authority is None:
            return None
        found = guard.check("GET", {b"host": parsed.authority})
        return None if isinstance(found, Refusal) else value

    def of_url(value: bytes) -> bytes | None:
        return value if origin_of_url(value) in TARGETS else None

    return [
        Kind("Host", authority, of_host, _is_ours),
        Kind("Origin", origin, of_origin, lambda read: read == OWN or read in LISTED_PLACES),
        Kind("Host and Origin", authority, of_both, _is_ours),
        Kind("absolute targets", url, of_target, _is_ours),
        Kind("URLs of targets", url, of_url, lambda read: read in TARGET_PLACES),
    ]


def try_out(kind: Kind, examples: int, number: int) -> None:
    """Try so many values; raises for the first that is wrong. The same `number` draws the same values."""

    @seed(number)
    @settings(
        max_examples=-(-examples // _AT_ONCE),
        deadline=None,
        database=None,
        # Each value is short as it is.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(st.binary(min_size=_SIZE * _AT_ONCE, max_size=_SIZE * _AT_ONCE))
    def each(chance: bytes) -> None:
        for begin in range(0, len(chance), _SIZE):
            kind.check(kind.value(chance[begin : begin + _SIZE]))

    each()
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
    print(f"seed {number}{'' if has_node() else '; no node, so no browser is asked'}")  # noqa: T201  # it is a program
    failed = False
    for kind in kinds():
        began = time.monotonic()
        try:
            try_out(kind, options.examples, number)
            ending = "none of them wrongly"
        except Exception as error:  # noqa: BLE001  # a crash is a finding
            failed = True
            ending = f"WRONG: {type(error).__name__}: {error}"
        seconds = time.monotonic() - began
        print(  # noqa: T201
            f"{kind.name}: {kind.tried} tried in {seconds:.0f} s, {len(kind.let_in)} let in, {ending}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
