"""The vendor as what can be asked: which calls there are, rated or not. Pure.

`POST /v1/request/query-clickhouse` and `/v1/request/count/query` (controllers/public/requestController.ts),
filters as packages/filters/filterDefs.ts has them, rows as lib/stores/request/request.ts gives them.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from proxy import half_characters
from proxy.errors import HeliconeError
from proxy.helicone_api import BOOLEAN_SUFFIX, RATING_SCORE, leaf, texts_of, whole_numbers
from proxy.search.found import FoundCall
from proxy.search.wanted import Wanted

MOST_ROWS: Final = 1000
"""Of one page."""
SESSION: Final = "Helicone-Session-Id"
"""The property that says a call's session."""
_LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999: there is no date behind it."""
_NONE: Final = "null"
"""As what a model or a user equals, that is taken for "has none" (packages/filters/filters.ts)."""
_SOMETHING_ELSE: Final = "Helicone's API answered a search with something else."
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)


class Place(NamedTuple):
    """Where a page begins: behind `offset` rows of those that came before that moment, or in the same second."""

    before: float | None
    offset: int = 0


def page_of(wanted: Wanted, place: Place, rows: int) -> tuple[str, Mapping[str, Any]]:
    """Path and payload that ask for at most so many rows, the newest first.

    Nothing is asked about the thumb itself. `equals: false` finds all that nobody has rated, too; and of several
    versions of a row, the one that still has the other thumb. So all that are scored come, and are looked at here.
    """
    scored = {"isScored": True} if wanted.wants_scores else {}
    return "/v1/request/query-clickhouse", {
        "filter": _filter(wanted, place.before),
        "limit": rows,
        "offset": place.offset,
        "sort": {"created_at": "desc"},
        **scored,
    }


def count_of(wanted: Wanted) -> tuple[str, Mapping[str, Any]]:
    """Path and payload that ask how many calls there are, whatever their rating is."""
    return "/v1/request/count/query", {"filter": _filter(wanted, wanted.until)}


def is_countable(wanted: Wanted) -> bool:
    """Whether a count has no other calls: rows are looked at once more here, and a number cannot be."""
    return _NONE not in (wanted.model, wanted.user)


def _filter(wanted: Wanted, before: float | None) -> dict[str, Any]:
    # Rows have milliseconds, and what they are compared with is cut to whole seconds (ClickhouseWrapper.ts).
    conditions = [leaf("request_created_at", "gte", _moment(math.floor(wanted.since)))]
    if before is not None:
        conditions.append(leaf("request_created_at", "lt", _moment(math.ceil(before))))
    for column, value in (("model", wanted.model), ("user_id", wanted.user)):
        if value not in (None, _NONE):
            conditions.append(leaf(column, "equals", value))
    if wanted.session is not None:
        conditions.append(leaf("properties", SESSION, {"equals": wanted.session}))
    conditions += [_has_property(name, value) for name, value in wanted.properties.items()]
    tree = conditions[0]
    for each in conditions[1:]:
        tree = {"left": tree, "operator": "and", "right": each}
    return tree


def _has_property(name: str, value: str) -> dict[str, Any]:
    """The gateway writes names in lower case; one that was put onto a call later keeps its own, as ours do."""
    ours = "-".join([part.capitalize() for part in name.split("-")])
    tree, *others = [
        leaf("properties", each, {"equals": value}) for each in dict.fromkeys((name.lower(), name, ours))
    ]
    for other in others:
        tree = {"left": tree, "operator": "or", "right": other}
    return tree


def _moment(unix_time: int) -> str:
    """A time as filters have it."""
    return datetime.fromtimestamp(min(unix_time, _LAST_SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class _Row(msgspec.Struct):
    """A row, as far as it says anything of a call; its bodies are passed over."""

    request_id: str
    request_created_at: str
    updated_at: str | None = None
    model: str | None = None
    request_model: str | None = None
    provider: str | None = None
    response_status: int | None = None
    delay_ms: float | str | None = None
    time_to_first_token: float | str | None = None
    prompt_tokens: float | str | None = None
    completion_tokens: float | str | None = None
    cost: float | str | None = None
    request_user_id: str | None = None
    properties: dict[str, Any] | None = None
    scores: dict[str, Any] | None = None


class _Rows(msgspec.Struct):
    data: list[msgspec.Raw]


_read_rows = msgspec.json.Decoder(_Rows).decode


class _Count(msgspec.Struct):
    data: int | str


class Version(NamedTuple):
    """A row of an answer: of one call there may be several, of which the newest counts."""

    time: float
    updated_at: str
    row: _Row


def rows_in(body: bytes) -> list[msgspec.Raw]:
    """The rows of an answer to `page_of`, in their order, each still to be read. Raises HeliconeError.

    To read a thousand at once would stop every relayed call for 15 ms, and 60 where their bodies are in them.
    """
    try:
        return half_characters.read(_read_rows, body).data
    except _UNREADABLE:
        raise HeliconeError(_SOMETHING_ELSE) from None


def version_in(raw: msgspec.Raw) -> Version:
    """What one of these rows says. Raises HeliconeError."""
    try:
        row = msgspec.json.decode(raw, type=_Row)
        return Version(_unix_time(row.request_created_at), row.updated_at or "", row)
    except _UNREADABLE:
        raise HeliconeError(_SOMETHING_ELSE) from None


def count_in(body: bytes) -> int:
    """The number in an answer to `count_of`. Raises HeliconeError."""
    try:
        return int(msgspec.json.decode(body, type=_Count).data)
    except _UNREADABLE:
        raise HeliconeError("Helicone's API answered a count with something else.") from None


def newest(versions: Iterable[Version]) -> list[Version]:
    """One row of each call, the newest version of it, in the order of the first of them.

    The last one of those that were written in the same second: which of them Helicone keeps is not known.
    """
    found: dict[str, Version] = {}
    for each in versions:
        request_id = each.row.request_id.lower()
        known = found.get(request_id)
        if known is None or known.updated_at <= each.updated_at:
            found[request_id] = each
    return [*found.values()]


def call_of(version: Version) -> FoundCall:
    """What a row says of its call."""
    row = version.row
    properties = texts_of(row.properties or {})
    scores = whole_numbers(row.scores or {})
    thumb = scores.pop(RATING_SCORE, None)
    return FoundCall(
        id=row.request_id.lower(),
        time=version.time,
        model=row.model or row.request_model or None,
        provider=row.provider or None,
        status=row.response_status,
        latency_ms=_number(row.delay_ms),
        first_token_ms=_number(row.time_to_first_token),
        input_tokens=_whole(row.prompt_tokens),
        output_tokens=_whole(row.completion_tokens),
        cost=_number(row.cost),
        user=row.request_user_id or None,
        session=properties.pop(SESSION, None) or None,
        properties=properties,
        scores=dict(_named(name, value) for name, value in scores.items()),
        rating=None if thumb is None else thumb == 1,
    )


def _named(name: str, value: int) -> tuple[str, int | bool]:
    """A score as it was given: one that is yes or no is kept as a number, with a word behind its name."""
    own = name.removesuffix(BOOLEAN_SUFFIX)
    return (name, value) if own == name else (own, value != 0)


def _unix_time(text: str) -> float:
    """ClickHouse's times have a space and no zone: they are UTC."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _number(value: float | str | None) -> float | None:
    """64-bit numbers are texts where older servers quote them."""
    try:
        number = None if value is None else float(value)
    except ValueError:
        return None
    return number if number is None or math.isfinite(number) else None


def _whole(value: float | str | None) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
