"""What an address says: as it came, and what its query asks for, one name at a time.

What reads a query raises CallerError, with a sentence that shows how to ask.
"""

from types import MappingProxyType
from typing import TypeVar
from urllib.parse import unquote

from aiohttp import web

from proxy import ratings
from proxy.errors import CallerError
from proxy.model import seconds_of
from proxy.relay import targets
from proxy.relay.targets import Target

W = TypeVar("W", bound=str)

_LARGEST_LIMIT = 1000
_TRUTHS = MappingProxyType({"1": True, "0": False, "true": True, "false": False})


def target_of(request: web.Request) -> Target:
    """Path and query as they came, of an absolute target, too; the front door has read them before."""
    return targets.parse(request.raw_path.encode("latin-1"))


def query_of(request: web.Request) -> str:
    """The query as it came."""
    return target_of(request).origin.partition(b"?")[2].decode("latin-1")


def refuse_unknown_query(request: web.Request, *known: str, repeatable: tuple[str, ...] = ()) -> None:
    """A mistyped name must not rate or show another call than the one that was meant; nor one that is said twice,
    unless it is `repeatable`.
    """
    names = [_declared(name) for name in request.query]
    if not set(names).issubset(known):
        takes = f"it takes {listed(known, 'and')}" if known else "it takes none"
        raise CallerError(f"This path does not know all of the query's names; {takes}.")
    # Whoever takes a rating looks for fields that are said twice, in the body, too.
    several = {*ratings.PLAIN_FIELDS, *repeatable}
    once = [name.lower() for name, _ in request.query.items() if name not in several]
    if len(set(once)) < len(once):
        raise CallerError("The query says one of its names twice.")


def _declared(name: str) -> str:
    """A name as it is declared: `property.<Name>` stands for many."""
    start, dot, rest = name.partition(".")
    return f"{start}.<Name>" if dot and rest else name


def secrets_said(request: web.Request, name: str) -> list[bytes]:
    """What the query says under that name, where it stands for a secret: none has a space, so a plus is a plus."""
    pairs = [part.partition("=") for part in query_of(request).split("&")]
    return [unquote(value).encode("utf-8", "replace") for said, _, value in pairs if unquote(said) == name]


def number(request: web.Request, name: str, default: int) -> int:
    """The query's `name` as a whole number from 0."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise CallerError(f"{name} has to be a whole number from 0, as in ?{name}={default}.")
    return int(text)


def limited(request: web.Request, default: int) -> int:
    """The query's `limit`: how many are shown at once. More would make a call wait meanwhile."""
    limit = number(request, "limit", default)
    if not 1 <= limit <= _LARGEST_LIMIT:
        raise CallerError(f"limit has to be from 1 to {_LARGEST_LIMIT}.")
    return limit


def seconds(request: web.Request, name: str, default: float, *, most: float) -> float:
    """The query's `name` as a time span: `2`, `2s`, `0.5`, `1500ms`, `1m`."""
    text = request.query.get(name)
    if text is None:
        return default
    found = seconds_of(text)
    if found is None or found > most:
        raise CallerError(
            f"{name} has to be a time span of at most {most:g} s, as in ?{name}=2s, ?{name}=500ms or ?{name}=1m."
        )
    return found


def truth(request: web.Request, name: str, *, default: bool) -> bool:
    """The query's `name` as yes or no."""
    return _TRUTHS[word(request, name, "1" if default else "0", tuple(_TRUTHS))]


def word(request: web.Request, name: str, default: W, known: tuple[W, ...]) -> W:
    """The query's `name` as one of the words that are known."""
    text = request.query.get(name, default)
    for each in known:
        if each == text:
            return each
    raise CallerError(f"{name} has to be {listed(known, 'or')}, as in ?{name}={known[0]}.")


def listed(words: tuple[str, ...], last: str) -> str:
    """Words as a sentence has them: `one, two and three`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
