"""The vendor as the API: what is posted for a rating, what is read of a call, and what a refusal means. Pure.

Facts come from Helicone's public source (valhalla/jawn); each file is named where it is used.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import msgspec

from proxy import half_characters
from proxy.errors import HeliconeBusy, HeliconeError, HeliconeRejected, HeliconeUnauthorized, NotIngested
from proxy.helicone import API_URLS, api_url_for, is_european
from proxy.model import Rating

# --- a rating as scores (managers/request/RequestManager.ts feedbackRequest, managers/score/ScoreManager.ts) --

RATING_SCORE: Final = "helicone-score-feedback"
BOOLEAN_SUFFIX: Final = "-hcone-bool"
_LONGEST_SCORE_NAME: Final = 100
_UNSPEAKABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

LARGEST_SCORE: Final = 2**53 - 1
"""Beyond it, either way, JavaScript does not keep an integer."""


def usable_score_name(name: str) -> str | None:
    """Why a score cannot have that name, as what follows 'the name'; None if it can."""
    if not name.strip():
        return "is empty"
    if len(name) > _LONGEST_SCORE_NAME:
        return f"has more than {_LONGEST_SCORE_NAME} characters"
    if _UNSPEAKABLE.search(name):
        return "has a control character or half a character in it"
    if re.sub(r"[\s_-]+", "-", name.strip()).lower() == RATING_SCORE:
        return "is that of the rating itself"
    if name.strip().lower().endswith(BOOLEAN_SUFFIX):
        return f"ends in {BOOLEAN_SUFFIX}, which Helicone appends to the names of yes-or-no scores"
    if name == "__proto__":
        # ScoreManager.mapScores assigns names to a plain object, which drops this one.
        return "is one that JavaScript does not keep"
    return None


def post_of(request_id: str, rating: Rating) -> tuple[str, Mapping[str, Any]] | None:
    """Path and payload that carry the thumb and the scores of a rating; None where there is neither.

    Both leave in one post: of two messages in one batch, ScoreManager.procesScores keeps the newer. There the
    thumb has to be an integer: a boolean would be stored as another score.
    """
    if rating.scores:
        thumb = {} if rating.up is None else {RATING_SCORE: int(rating.up)}
        return f"/v1/request/{request_id}/score", {"scores": {**rating.scores, **thumb}}
    if rating.up is not None:
        return f"/v1/request/{request_id}/feedback", {"rating": rating.up}
    return None


def _stored_scores(rating: Rating) -> dict[str, int]:
    """Name and number of all that Helicone has to hold of a rating."""
    expected = {
        f"{name}{BOOLEAN_SUFFIX}" if isinstance(value, bool) else name: int(value)
        for name, value in rating.scores.items()
    }
    if rating.up is not None:
        expected[RATING_SCORE] = int(rating.up)
    return expected


# --- its words as properties (controllers/public/requestController.ts putProperty) ----------------------------


def properties_of(rating: Rating) -> dict[str, str]:
    """The words of a rating by the name of their property."""
    said = {
        "comment": rating.comment,
        "rater": rating.rater,
        "source": rating.source,
        "tags": ",".join(rating.tags) or None,
        "rule": rating.rule,
    }
    # A property cannot be taken away, only be empty.
    words = dict.fromkeys(rating.overruled, "") | {
        name: value for name, value in said.items() if value is not None
    }
    return {f"Feedback-{name.capitalize()}": value for name, value in words.items()}


def property_put(request_id: str, name: str, value: str) -> tuple[str, Mapping[str, Any]]:
    """Path and payload that put one property onto a call."""
    return f"/v1/request/{request_id}/property", {"key": name, "value": value}


# --- what is stored (lib/stores/request/request.ts getRequestsClickhouse) -------------------------------------

MOST_IDS: Final = 100
_MOST_ROWS: Final = 1000
_ROWS_OF_A_CALL: Final = 10
_LOOK_BACK_SECONDS: Final = 62 * 86_400.0
"""A call may be 30 days old when it is rated, and is looked for during 30 days more."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What Helicone holds of a call."""

    scores: Mapping[str, int]
    properties: Mapping[str, str]


def holds_scores(rating: Rating, stored: Stored) -> bool:
    """Whether thumb and scores are stored, all of them and with our values."""
    return all(stored.scores.get(name) == value for name, value in _stored_scores(rating).items())


def missing_properties(rating: Rating, stored: Stored) -> dict[str, str]:
    """The words that are not stored, or not as ours. A property that is not there is the empty text."""
    return {
        name: value
        for name, value in properties_of(rating).items()
        if stored.properties.get(name, "") != value
    }


def look_for(request_ids: Sequence[str], now: float) -> tuple[str, Mapping[str, Any]]:
    """Path and payload that ask for calls, at most 100 of them. `now`: Unix time.

    The limit leaves room for several rows of one call, see `rows_of`. Without a bound in time the query would
    read everything that the organisation has ever logged.
    """
    if not 0 < len(request_ids) <= MOST_IDS:
        raise ValueError(f"{len(request_ids)} ids; 1 to {MOST_IDS} can be asked for at once")
    since = datetime.fromtimestamp(now - _LOOK_BACK_SECONDS, UTC)
    recent = leaf("request_created_at", "gte", since.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    return "/v1/request/query-clickhouse", {
        "filter": {"left": recent, "operator": "and", "right": _any_of(request_ids)},
        "limit": min(_MOST_ROWS, len(request_ids) * _ROWS_OF_A_CALL),
        "offset": 0,
        "sort": {"created_at": "desc"},
    }


def _any_of(request_ids: Sequence[str]) -> dict[str, Any]:
    """A tree as flat as can be: tsoa and packages/filters walk it by recursion."""
    if len(request_ids) == 1:
        return leaf("request_id", "equals", request_ids[0])
    middle = len(request_ids) // 2
    return {"left": _any_of(request_ids[:middle]), "operator": "or", "right": _any_of(request_ids[middle:])}


def leaf(column: str, operator: str, value: str | Mapping[str, str]) -> dict[str, Any]:
    """One condition of a filter (packages/filters/filterDefs.ts)."""
    return {"request_response_rmt": {column: {operator: value}}}


class _Row(msgspec.Struct):
    """What matters of a row. Its bodies, which may be long, are passed over."""

    request_id: str
    updated_at: Any = None
    scores: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class _Rows(msgspec.Struct):
    data: list[_Row]


_read_rows = msgspec.json.Decoder(_Rows).decode


def rows_of(body: bytes) -> dict[str, Stored]:
    """What an answer to `look_for` says of each call that Helicone knows. Raises HeliconeError.

    The query has no FINAL, so earlier versions of a row may come along. The newest `updated_at` counts: Helicone
    builds the next version on that one (ScoreStore.putScoresIntoClickhouse). It has a resolution of one second;
    of versions of the same second ClickHouse keeps one of its own choice, so only what all of them say counts.
    """
    try:
        rows = half_characters.read(_read_rows, body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HeliconeError("Helicone's API answered a look for calls with something else.") from None
    newest: dict[str, tuple[str, Stored]] = {}
    for row in rows:
        request_id, version = row.request_id.lower(), str(row.updated_at or "")
        stored = Stored(whole_numbers(row.scores or {}), texts_of(row.properties or {}))
        known = newest.get(request_id)
        if known is not None and known[0] == version:
            stored = _common(known[1], stored)
        if known is None or known[0] <= version:
            newest[request_id] = (version, stored)
    return {request_id: stored for request_id, (_, stored) in newest.items()}


def _common(one: Stored, other: Stored) -> Stored:
    return Stored(
        {name: value for name, value in one.scores.items() if other.scores.get(name) == value},
        {name: value for name, value in one.properties.items() if other.properties.get(name) == value},
    )


def whole_numbers(given: Mapping[str, Any]) -> dict[str, int]:
    """Scores as integers: older ClickHouse servers write them as texts. What is no integer is left out."""
    return {name: int(value) for name, value in given.items() if _is_whole(value)}


def _is_whole(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch("-?[0-9]{1,19}", value) is not None
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def texts_of(given: Mapping[str, Any]) -> dict[str, str]:
    """Properties, as far as they are texts."""
    return {name: value for name, value in given.items() if isinstance(value, str)}


# --- what Helicone grants (middleware/ratelimitter.ts) --------------------------------------------------------

_USUAL_WINDOW_SECONDS: Final = 300.0
_POLICY: Final = re.compile(r"([0-9]{1,9})\s*;\s*w=([0-9]{1,9})\b")


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many API calls the whole organisation may make, in how long."""

    calls: int
    seconds: float


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """What an answer's `RateLimit-…` fields grant. `headers` knows no case, as aiohttp's does."""
    windows = {
        int(calls): float(seconds)
        for calls, seconds in _POLICY.findall(headers.get("RateLimit-Policy", ""))
        if int(seconds)
    }
    said = headers.get("RateLimit-Limit", "").strip()
    if re.fullmatch("[0-9]{1,9}", said):
        calls = int(said)
    elif windows:
        calls = next(iter(windows))
    else:
        return None
    return Allowance(calls, windows.get(calls, _USUAL_WINDOW_SECONDS)) if calls else None


# --- what a refusal means (requestController.ts, middleware/auth.ts, middleware/ratelimitter.ts) --------------

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {"Accept": "application/json", "Content-Type": "application/json"}
)
"""Of every request, with the key. Nothing of the app's call travels along: an `Origin` would get a 500."""

_LONGEST_WAIT_SECONDS: Final = 3600
_MAY_NOT_WRITE: Final = re.compile(r'"error"\s*:\s*null')
"""The whole explanation that a key gets which may only read."""
_NOT_INGESTED: Final = ("Request not found", "Could not find previous version of request")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no 201: its status, the beginning of its body, and the fields of its head."""

    status: int
    said: str
    headers: Mapping[str, str]


def error_of(refusal: Refusal, *, base_url: str, key: str, is_own: bool, now: float) -> HeliconeError:
    """A refusal as an error with a sentence, in which the key is not. `is_own`: it is not an app's."""
    status, said = refusal.status, refusal.said
    wait = retry_after(refusal.headers.get("Retry-After"), now)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or (
        status == HTTPStatus.BAD_REQUEST and "Invalid token." in said
    ):
        return HeliconeUnauthorized(_about_the_key(status, _why_refused(said, base_url, key), is_own=is_own))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        told = "" if wait is None else f" It asks to wait for {wait} s."
        return HeliconeBusy(
            f"Helicone's limit on API calls is reached; the whole organisation shares it.{told}", wait
        )
    failed = status == HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.UNPROCESSABLE_ENTITY or (failed and "valid UUID" in said):
        return HeliconeRejected(
            f"Helicone refused the form of what was sent with {status}. That is a bug of "
            "helicone-feedback-proxy, not of your request; please report it."
        )
    if failed and any(words in said for words in _NOT_INGESTED):
        # The property route alone says so; a rating of an unknown call gets its 201.
        return NotIngested("Helicone does not know this call, or not yet.")
    if 200 <= status < 400:
        what = "a redirect" if status >= 300 else "a success"
        return HeliconeError(
            f"{base_url} answered with {what} of a kind ({status}) that Helicone's API never sends; "
            "is api_url right, in [helicone] or in the route's table?"
        )
    return HeliconeError(f"Helicone's API answered {status}.", wait)


def _about_the_key(status: int, why: str, *, is_own: bool) -> str:
    whose = "HELICONE_API_KEY" if is_own else "the key that the app sends itself (Helicone-Auth)"
    return (
        f"Helicone refused the key with {status}: {why}. Check {whose}, "
        "its write permission, and api_url, in [helicone] or in the route's table."
    )


def _why_refused(said: str, base_url: str, key: str) -> str:
    """As much as can be told of it."""
    region = (
        f"{'a European key' if is_european(key) else 'a key that is not European'} was sent to {base_url}"
    )
    own_api = api_url_for(key)
    if base_url in API_URLS and base_url != own_api:
        return f"{region}, and the API of its region is {own_api}"
    if _MAY_NOT_WRITE.search(said):
        return f"{base_url} knows it, and it may not write"
    return f"it is unknown or deleted, it may not write, or it belongs to the other region ({region})"


def retry_after(value: str | None, now: float) -> int | None:
    """`Retry-After` in seconds, as a number or a date (RFC 9110 10.2.3): at least one, at most an hour."""
    if value is None or not value.isascii():
        return None
    if value.isdigit():
        seconds = int(value[:10])
    else:
        try:
            seconds = round(parsedate_to_datetime(value).timestamp() - now)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(1, seconds), _LONGEST_WAIT_SECONDS)
