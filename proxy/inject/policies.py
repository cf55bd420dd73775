"""What a Content-Security-Policy has to say so that one script may run, and speak to us (CSP Level 3). Pure.

Nothing else is allowed by it: a nonce that is made for one answer, or the one path of the script on the page's own
origin. Where the policy lives by nonces, hashes or 'strict-dynamic', paths do not count; where it says
'unsafe-inline' and none of these, a nonce would switch that off for the app's own scripts.
"""

import re
from typing import Final

NAMES: Final = (b"content-security-policy", b"content-security-policy-report-only")

_SCRIPTS: Final = (b"script-src-elem", b"script-src", b"default-src")
_CALLS: Final = (b"connect-src", b"default-src")
"""The first of them that a policy has is what counts."""
_BY_NONCE: Final = re.compile(rb"'(?:nonce-[^']*|sha(?:256|384|512)-[^']*|strict-dynamic)'", re.IGNORECASE)
_NOTHING: Final = b"'none'"
_OWN_ORIGIN: Final = b"'self'"
_HOST: Final = re.compile(rb"[a-z0-9.-]+(?::[0-9]+)?", re.IGNORECASE)

Directives = dict[bytes, list[bytes]]
"""A policy's directives, by name in lower case, each with its values."""


def allowing(value: bytes, host: bytes, nonce: bytes, script: bytes, calls: bytes) -> bytes:
    """A header's value in which every policy lets the script run that has `nonce` and the path `script`, and lets
    it call what lies below the path `calls`, both at `host`."""
    return b", ".join([_allowing(policy, host, nonce, script, calls) for policy in value.split(b",")])


def _allowing(policy: bytes, host: bytes, nonce: bytes, script: bytes, calls: bytes) -> bytes:
    directives = _read(policy)
    ruling = _first(directives, _SCRIPTS)
    if ruling is not None:
        if _lives_by_nonces(directives[ruling]):
            _add(directives, ruling, b"script-src", b"'nonce-%b'" % nonce)
        elif not _allows_own(directives[ruling]):
            _add(directives, ruling, b"script-src", _at(host, script))
    ruling = _first(directives, _CALLS)
    if ruling is not None and not _allows_own(directives[ruling]):
        _add(directives, ruling, b"connect-src", _at(host, calls))
    return b"; ".join([b" ".join((name, *values)) for name, values in directives.items()])


def _read(policy: bytes) -> Directives:
    directives: Directives = {}
    for directive in policy.split(b";"):
        words = directive.split()
        if words:
            # Of several only the first counts (CSP §2.2.1).
            directives.setdefault(words[0].lower(), words[1:])
    return directives


def _first(directives: Directives, names: tuple[bytes, ...]) -> bytes | None:
    return next((name for name in names if name in directives), None)


def needs_nonce(value: bytes) -> bool:
    """Whether a header's value has a policy that lets a script run by a nonce alone."""
    found = map(_read, value.split(b","))
    return any(
        ruling is not None and _lives_by_nonces(policy[ruling])
        for policy in found
        for ruling in (_first(policy, _SCRIPTS),)
    )


def _lives_by_nonces(values: list[bytes]) -> bool:
    return any(_BY_NONCE.fullmatch(each) for each in values)


def _allows_own(values: list[bytes]) -> bool:
    """Whether all of the page's own origin is allowed."""
    return any(each.lower() in (_OWN_ORIGIN, b"*") for each in values)


def _add(directives: Directives, ruling: bytes, own: bytes, source: bytes) -> None:
    """Add a source to a directive; what `default-src` says is not widened for everything, but said anew."""
    values = [each for each in directives[ruling] if each.lower() != _NOTHING]
    directives[own if ruling == b"default-src" else ruling] = [*values, source]


def _at(host: bytes, path: bytes) -> bytes:
    """A path on the page's own host. CSP has no way to write an IPv6 address."""
    return host + path if _HOST.fullmatch(host) else _OWN_ORIGIN
