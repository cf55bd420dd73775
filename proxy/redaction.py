"""The last net under everything that is logged: it knows the secrets, and strikes them out.

Nothing should ever be caught here: what is said is said without secrets. But a library's message, a traceback and
a bug ask nobody.
"""

import binascii
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple

Redact = Callable[[str], str]

MASK: Final = "***"
_SHORTEST: Final = 8
"""What is shorter is a word that stands where a key goes ("none", "test"), and would be missed elsewhere."""
_MOST_SEEN: Final = 100
"""Of keys that apps sent: there is a handful. Somebody who makes keys up must slow nobody down."""

_KEY: Final = re.compile(
    r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2}))[sp]k-[^\s\"'`\\,;<>()\[\]{}|]+"
    r"|\b(?:[Bb]earer|BEARER)(?:\s|%20|\+)+[A-Za-z0-9._~+/=%-]{8,}"
)
"""What looks like a key, whoever's it is: in brackets and quotes, so that JSON stays JSON."""


class Redaction:
    """Strikes out secrets: call it with a text. May be called from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._own = frozenset(secrets)
        self._seen: dict[str, None] = {}
        self._known: _Known | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Redaction of {len(self._own)} secrets, {len(self._seen)} seen>"

    def learn(self, secret: str) -> None:
        """Know one more, which somebody has sent."""
        if secret in self._seen or secret in self._own:
            return
        with self._lock:
            if len(self._seen) >= _MOST_SEEN:
                del self._seen[next(iter(self._seen))]
            self._seen[secret] = None
            self._known = None

    def keep(self, secret: str) -> None:
        """Know one more of our own, and never forget it."""
        with self._lock:
            self._own |= {secret}
            self._known = None

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for form in (self._known or self._made()).forms:
            text = text.replace(form, MASK)
        return _KEY.sub(MASK, text)

    def lines(self, text: str) -> str:
        """The same for lines of calls, which hold no header: they are looked at closely only if need be."""
        for mark in (self._known or self._made()).marks:
            if text.find(mark) >= 0:
                return self(text)
        return text

    def _made(self) -> "_Known":
        with self._lock:
            forms = {form for each in (*self._own, *self._seen) for form in _forms(each)}
            # The longest first: one secret may begin as another does.
            self._known = known = _Known(
                tuple(sorted(forms, key=len, reverse=True)), tuple({*_KEYS_MARKS, *map(_mark, forms)})
            )
        return known


class _Known(NamedTuple):
    """What is struck out, and what a text has in it that may hold any of that."""

    forms: tuple[str, ...]
    marks: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<{len(self.forms)} forms>"


_SELDOM: Final = "kzxjQZXJWYVKUFBNHDCLRIM"
"""These are in hardly any line of a call, and one character is found thirty times faster than several."""
_KEYS_MARKS: Final = ("k", "B", "earer")
"""What is in all that `_KEY` finds: `sk-`, `pk-`, `Bearer` and `bearer`."""


def _mark(form: str) -> str:
    return next((each for each in _SELDOM if each in form), form)


_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""What stands for itself in a URL (RFC 3986 §2.3)."""


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in a text: as it is, in a URL, in JSON, and in a `repr`."""
    if len(secret) < _SHORTEST:
        return
    yield secret
    encoded = secret.encode("utf-8", "surrogateescape")
    for form in ("%%%02X", "%%%02x"):
        yield "".join(chr(each) if chr(each) in _UNRESERVED else form % each for each in encoded)
    yield repr(secret)[1:-1]
    yield secret.replace("\\", "\\\\").replace('"', '\\"')


# --- secrets of the environment ------------------------------------------------------------------------------

_PROXY: Final = re.compile(r"(?:https?|all)_proxy", re.IGNORECASE)
_OURS: Final = re.compile(r"HELICONE_\w*(?:KEY|TOKENS?|HEADERS)", re.IGNORECASE)
_LIKE_A_SECRET: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,}")
_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")


def secrets_of_environment(environ: Mapping[str, str]) -> Iterator[str]:
    """What may be secret in the variables that we read, before anybody has understood them.

    Names and addresses are guessed to be secret, too: once there are settings, those know better.
    """
    yield from passwords_of_proxies(environ)
    for name, value in environ.items():
        if _OURS.fullmatch(name):
            yield value.strip()
            yield from _LIKE_A_SECRET.findall(value)


def passwords_of_proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """The passwords of forward proxies: these variables are everybody's, and no settings."""
    for name, value in environ.items():
        userinfo = value.rpartition("://")[2].rpartition("@")[0] if _PROXY.fullmatch(name) else ""
        if userinfo:
            password = userinfo.partition(":")[2]
            yield from (f"{userinfo}@", password, _unescaped(password), _as_credentials(userinfo))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def _as_credentials(userinfo: str) -> str:
    """As `Proxy-Authorization` says it (RFC 7617)."""
    plain = _unescaped(userinfo).encode("latin-1", "replace")
    return binascii.b2a_base64(plain, newline=False).decode("ascii")


# --- what a program says when it fails ------------------------------------------------------------------------


def keep_out_of_last_words(redact: Redact) -> None:
    """From now on what nobody caught is told on standard error without secrets, in whichever thread it was."""

    def tell(heading: str, error: BaseException | None, trace: TracebackType | None) -> None:
        # The text is made here, not caught from Python's own hooks: standard error is everybody's, and whoever put
        # another in its place for a moment would take it from a thread that fails in the same moment.
        if sys.stderr is not None:
            lines = [] if error is None else traceback.format_exception(type(error), error, trace)
            sys.stderr.write(redact(heading + "".join(lines)))

    def uncaught(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        tell("", error, trace)

    def uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
        # A thread that ends itself has nothing to tell.
        if arguments.exc_type is not SystemExit:
            name = "" if arguments.thread is None else arguments.thread.name
            tell(f"Exception in thread {name}:\n", arguments.exc_value, arguments.exc_traceback)

    def unraisable(arguments: Any) -> None:  # noqa: ANN401  # its type is there for type checkers only
        # Not by its `repr`: what is being torn down may have none any more.
        what = getattr(arguments.object, "__qualname__", type(arguments.object).__qualname__)
        heading = f"{arguments.err_msg or 'Exception ignored in'}: {what}\n"
        tell(heading, arguments.exc_value, arguments.exc_traceback)

    # Where somebody else listens already (a test, say), he is not sent away.
    if _is_free(sys.excepthook, sys.__excepthook__):
        sys.excepthook = uncaught
    if _is_free(threading.excepthook, threading.__excepthook__):
        threading.excepthook = uncaught_in_thread
    if _is_free(sys.unraisablehook, sys.__unraisablehook__):
        sys.unraisablehook = unraisable


def _is_free(hook: Callable[..., object], usual: Callable[..., object]) -> bool:
    """Whether a hook is Python's own, or one of ours that knows less."""
    return hook is usual or hook.__module__ == __name__
