"""What a person or a program sent, as a rating. Pure.

A person with curl comes first: the body is looked at, not its label, and a word will do. A browser has to label
its body as JSON, because that is what a foreign page cannot do without asking first (CSRF).
"""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from proxy.errors import InvalidField, InvalidRating, JsonRequired
from proxy.model import Rating
from proxy.rating_fields import FIELDS, Pairs, quoted, read_field

PLAIN_FIELDS: Final = tuple(name for name in FIELDS if name != "scores")
"""The fields that a form or a query can hold."""

LARGEST_BATCH: Final = 1000

_EXAMPLE = """Try: curl -d '{"rating": true}' %s (or false, up, down)."""
_BATCH_EXAMPLE = """A batch is JSON, as in [{"id": "...", "rating": true}, {"id": "...", "rating": false}]."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One rating of a batch: the id as it was sent, and the rating, or what is wrong with either."""

    request_id: str | None
    rating: Rating | InvalidRating


def require_json(content_type: str, *, browser: bool) -> None:
    """A browser has to say that it sends JSON. Raises JsonRequired."""
    if browser and content_type.partition(";")[0].strip().lower() != "application/json":
        raise JsonRequired("A browser has to send this as JSON, with Content-Type: application/json.")


def parse_rating(body: bytes, query: str, host: str) -> Rating:
    """The rating in a request.

    It may stand in the body, as JSON or as a form, or in the query. Raises InvalidRating when it is missing,
    unknown or said twice differently. `host`: where the sidecar was asked, for the example.
    """
    try:
        return _rating([*_from_query(query), *_from_body(body)])
    except InvalidField:
        raise
    except InvalidRating as error:
        example = _EXAMPLE % shlex.quote(f"{host}/feedback/last")
        raise InvalidRating(f"{error.message} {example}") from None


def parse_batch(body: bytes) -> list[BatchItem]:
    """The ratings in a batch, each of them with its own mistakes. Raises InvalidRating for what is no batch."""
    try:
        items = _items(_json(_text(body)))
    except InvalidRating as error:
        raise InvalidRating(f"{error.message} {_BATCH_EXAMPLE}") from None
    return [_item(item) for item in items]


def parse_retry(body: bytes) -> str | None:
    """The id whose rating is to be sent again; None means all. Raises InvalidRating."""
    text = _text(body)
    fields = _json(text) if text else Pairs()
    if not isinstance(fields, Pairs) or any(
        name != "id" or not isinstance(value, str) for name, value in fields
    ):
        raise InvalidRating("""The body has to be {"id": "..."} for the rating of one call, or {} for all.""")
    ids = {value for _, value in fields}
    if len(ids) > 1:
        raise InvalidRating("The request names two different ids.")
    return ids.pop() if ids else None


def has_rating(query: str) -> bool:
    """Whether a query tries to rate."""
    return any(name in PLAIN_FIELDS for name, _ in _pairs(query))


# --- where the fields come from ---------------------------------------------------------------------------


def _from_query(query: str) -> list[tuple[str, Any]]:
    return [(name, _plain(name, value)) for name, value in _pairs(query) if name in PLAIN_FIELDS]


def _from_body(body: bytes) -> list[tuple[str, Any]]:
    text = _text(body)
    if not text:
        return []
    if text[0] in '{["':
        fields = _json(text)
        if not isinstance(fields, Pairs):
            raise InvalidRating("The body has to be a JSON object.")
        _refuse_unknown((name for name, _ in fields), FIELDS)
        return fields
    pairs = _pairs(text)
    _refuse_no_form(text, pairs)
    _refuse_unknown((name for name, _ in pairs), PLAIN_FIELDS)
    return [(name, _plain(name, value)) for name, value in pairs]


def _refuse_no_form(text: str, pairs: Sequence[tuple[str, str]]) -> None:
    """What people send in a form's place: each has a sentence of its own."""
    if text.startswith("--") and "content-disposition" in text.lower():
        raise InvalidRating(
            "A multipart form is not read here: send JSON, or a plain form such as rating=up."
        )
    if text.startswith("<"):
        raise InvalidRating("XML is not read here: send JSON, or a form such as rating=up.")
    if "=" not in text and len(pairs) == 1:
        try:
            word = "up" if read_field("rating", text) else "down"
        except InvalidRating:
            return
        raise InvalidRating(f"A rating has a name before it: send rating={word}.")


def _pairs(text: str) -> list[tuple[str, str]]:
    # `?rating=+1` arrives as a space and a 1, since a plus in a query is a space.
    return parse_qsl(text, keep_blank_values=True)


def _plain(name: str, value: str) -> object:
    """A value of a form or a query as JSON would have it."""
    return [each for each in value.split(",") if each.strip()] if name == "tags" else value


def _text(body: bytes) -> str:
    try:
        # Editors on Windows put a mark before it, which says nothing (RFC 8259 §8.1).
        return body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InvalidRating("The body is not UTF-8.") from None


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        raise InvalidRating("The body is not valid JSON.") from None


def _items(document: object) -> list[Any]:
    if isinstance(document, Pairs):
        if [name for name, _ in document] != ["ratings"]:
            raise InvalidRating(
                "The body has to be a list of ratings, or an object with nothing but ratings."
            )
        document = document[0][1]
    if not isinstance(document, list) or isinstance(document, Pairs):
        raise InvalidRating("The body has to be a list of ratings.")
    if not 1 <= len(document) <= LARGEST_BATCH:
        raise InvalidRating(f"A batch has 1 to {LARGEST_BATCH} ratings; this one has {len(document)}.")
    return document


def _item(item: object) -> BatchItem:
    if not isinstance(item, Pairs):
        return BatchItem(None, InvalidRating("A rating in a batch has to be a JSON object."))
    ids = [value for name, value in item if name == "id"]
    if not all(isinstance(each, str) for each in ids) or len(set(ids)) != 1:
        return BatchItem(None, InvalidRating("A rating in a batch needs one id, as text."))
    try:
        fields = [(name, value) for name, value in item if name != "id"]
        _refuse_unknown((name for name, _ in fields), FIELDS)
        return BatchItem(ids[0], _rating(fields))
    except InvalidRating as error:
        return BatchItem(ids[0], error)


# --- what they say together -------------------------------------------------------------------------------


def _refuse_unknown(names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            # Taking the rating and dropping the rest would lose what somebody meant to say.
            form = "" if "scores" in known else " in a form"
            raise InvalidRating(
                f"{quoted(name)} is not known here; known{form} are {', '.join(known[:-1])} and {known[-1]}."
            )


def _rating(fields: Iterable[tuple[str, Any]]) -> Rating:
    found = defaultdict(list)
    for name, value in fields:
        found[name].append(read_field(name, value))
    for name, values in found.items():
        if len(values) > 1 and _differ(values):
            how = "both up and down" if name == "rating" else f"{name} twice, and differently"
            raise (InvalidRating if name == "rating" else InvalidField)(f"The request says {how}.")
    said = {name: values[0] for name, values in found.items()}
    if not any(said.get(name) not in (None, {}) for name in ("rating", "scores", "comment")):
        raise InvalidRating("There is no rating in the request, and neither scores nor a comment.")
    up = said.pop("rating", None)
    return Rating(up=up, **said)


def _differ(values: Iterable[Any]) -> bool:
    """Whether values are not all the same, as JSON: to Python, True is 1."""
    return len({json.dumps(value, sort_keys=True) for value in values}) > 1
