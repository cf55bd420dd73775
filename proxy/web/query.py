"""What a query asks for, one name at a time. Each raises CallerError with a sentence that shows how to ask."""

from typing import TypeVar

from aiohttp import web

from proxy.errors import CallerError
from proxy.model import seconds_of

W = TypeVar("W", bound=str)

_LARGEST_LIMIT = 1000


def refuse_unknown_query(request: web.Request, *known: str) -> None:
    """A mistyped name must not rate or show another call than the one that was meant."""
    unknown = [name for name in request.query if name not in known]
    if unknown:
        takes = f"it takes {listed(known, 'and')}" if known else "it takes none"
        raise CallerError(f"This path does not know all of the query's names; {takes}.")


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
