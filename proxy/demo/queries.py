"""`POST /v1/request/query-clickhouse`: the filter tree, paging and sorting, with their quirks.

Shapes from `packages/filters/filterDefs.ts`; only the columns that a rating's life touches are understood.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any

from .bodies import BODY
from .ledger import RATING, Row
from .replies import Refused, internal_error, invalid

Predicate = Callable[[Row], bool]

TABLE = "request_response_rmt"
LIMIT_DEFAULT = 10
LIMIT_MOST = 1_000

COLUMNS: Mapping[str, Callable[[Row], Any]] = MappingProxyType(
    {
        "request_id": lambda row: row.request_id,
        "model": lambda row: row.model,
        "user_id": lambda row: row.user_id,
        "target_url": lambda row: row.target,
        "status": lambda row: row.status,
        "prompt_tokens": lambda row: row.prompt_tokens,
        "completion_tokens": lambda row: row.completion_tokens,
        "request_created_at": lambda row: row.created_at,
        "response_created_at": lambda row: row.finished_at,
    }
)
TEXTS = frozenset({"request_id", "model", "user_id", "target_url"})
TIMES = frozenset({"request_created_at", "response_created_at"})

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "equals": eq,
        "not-equals": ne,
        "gt": gt,
        "gte": ge,
        "lt": lt,
        "lte": le,
        "contains": lambda held, wanted: wanted in held,
        "not-contains": lambda held, wanted: wanted not in held,
    }
)
TEXT_OPERATORS = frozenset({"equals", "not-equals", "contains", "not-contains"})

FIELDS = frozenset(
    {"filter", "offset", "limit", "sort", "isCached", "includeInputs", "isPartOfExperiment", "isScored"}
)
SORTS: Mapping[str, Callable[[Row], Any]] = MappingProxyType(
    {
        "created_at": lambda row: row.created_at,
        "latency": lambda row: row.finished_at - row.created_at,
        "last_active": lambda row: row.updated_at,
        "completion_tokens": lambda row: row.completion_tokens,
    }
)


@dataclass(frozen=True, slots=True)
class Query:
    """What to select. `scored` is a condition only when it is not `None`."""

    matches: Predicate
    scored: bool | None
    offset: int
    limit: int
    sort: tuple[str, bool]
    """The column, and whether the largest comes first."""
    ids: frozenset[str] | None = None
    """No row under another id matches; None: any may. It says where to look: `matches` still decides."""

    def run(self, rows: list[Row]) -> list[Row]:
        """The page of `rows` that was asked for."""
        found = [row for row in rows if self.matches(row) and self.scored in {None, bool(row.scores)}]
        column, descending = self.sort
        found.sort(key=SORTS[column], reverse=descending)
        return found[self.offset : self.offset + self.limit]


def query_of(fields: Mapping[str, Any] | None) -> Query:
    """Read a query's body; raises `Refused` with tsoa's 422."""
    fields = fields or {}
    if "filter" not in fields:
        raise invalid(f"{BODY}.filter", "'filter' is required")
    for name in fields:
        if name not in FIELDS:
            raise invalid(
                f"{BODY}.{name}", f'"{name}" is an excess property and therefore is not allowed', fields[name]
            )
    # Where exactly Helicone cuts off was not seen; no page is ever longer than this.
    limit = min(_whole(fields, "limit", LIMIT_DEFAULT), LIMIT_MOST)
    scored = fields.get("isScored")
    if not isinstance(scored, bool | None):
        raise invalid(f"{BODY}.isScored", "invalid boolean value", scored)
    return Query(
        _node(fields["filter"]),
        scored,
        _whole(fields, "offset", 0),
        limit,
        _sort(fields.get("sort") or {}),
        _named(fields["filter"]),
    )


def count_query_of(fields: Mapping[str, Any] | None) -> Predicate:
    """Read the body of a count."""
    fields = fields or {}
    if "filter" not in fields:
        raise invalid(f"{BODY}.filter", "'filter' is required")
    return _node(fields["filter"])


def _whole(fields: Mapping[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid(f"{BODY}.{name}", "invalid float number", value)
    return value


def _sort(given: object) -> tuple[str, bool]:
    if not isinstance(given, dict):
        raise invalid(f"{BODY}.sort", "invalid object", given)
    for column, direction in given.items():
        if column not in SORTS:
            raise invalid(
                f"{BODY}.sort.{column}", f'"{column}" is an excess property and therefore is not allowed'
            )
        return column, direction == "desc"
    return "created_at", True


def _node(node: object) -> Predicate:
    match node:
        case "all" | {} if not node or node == "all":
            return lambda _: True
        case {"left": left, "operator": "and" | "or" as operator, "right": right, **rest} if not rest:
            one, other = _node(left), _node(right)
            if operator == "and":
                return lambda row: one(row) and other(row)
            return lambda row: one(row) or other(row)
        case {"request_response_rmt": dict(leaf), **rest} if not rest and len(leaf) == 1:
            column, condition = next(iter(leaf.items()))
            return _leaf(column, condition)
    raise invalid(f"{BODY}.filter", "Could not match the union against any of the items.", node)


def _named(node: object) -> frozenset[str] | None:
    """The ids that a filter, which `_node` has understood, names. None if rows under others may match, too."""
    match node:
        case {"left": left, "operator": operator, "right": right}:
            one, other = _named(left), _named(right)
            if operator == "and":
                return (
                    one & other if one is not None and other is not None else one if other is None else other
                )
            return None if one is None or other is None else one | other
        case {"request_response_rmt": {"request_id": {"equals": str(wanted)}}}:
            return frozenset({wanted.lower()})
    return None


def _leaf(column: str, condition: object) -> Predicate:
    if column == RATING:
        return _rating_is(_only(condition, {"equals"}, bool)[1])
    if column in {"properties", "search_properties"} and isinstance(condition, dict) and len(condition) == 1:
        name, inner = next(iter(condition.items()))
        operator, wanted = _only(inner, TEXT_OPERATORS, str)
        # A missing key of a map reads as the empty string.
        return lambda row: OPERATORS[operator](row.properties.get(name, ""), wanted)
    if column == "scores":
        # ClickHouse cannot compare the map's numbers with the text that the schema demands.
        raise Refused(internal_error())
    if column not in COLUMNS:
        raise invalid(
            f"{BODY}.filter", "Could not match the union against any of the items.", {column: condition}
        )
    read = COLUMNS[column]
    if column in TEXTS:
        operator, wanted = _only(condition, TEXT_OPERATORS, str)
        if column == "request_id":
            wanted = wanted.lower()
    else:
        operator, wanted = _only(condition, set(OPERATORS) - {"contains", "not-contains"}, (int, float, str))
        wanted = _moment(wanted) if column in TIMES else wanted
    return lambda row: OPERATORS[operator](read(row), wanted)


def _rating_is(wanted: bool) -> Predicate:  # noqa: FBT001 - it is the value compared with
    # A missing key of the map reads as 0: `equals: false` finds every unrated request too.
    return lambda row: row.scores.get(RATING, 0) == int(wanted)


def _only(
    condition: object, operators: set[str] | frozenset[str], kind: type | tuple[type, ...]
) -> tuple[str, Any]:
    if isinstance(condition, dict) and len(condition) == 1:
        operator, wanted = next(iter(condition.items()))
        if operator in operators and isinstance(wanted, kind):
            return operator, wanted
    raise invalid(f"{BODY}.filter", "Could not match the union against any of the items.", condition)


def _moment(text: object) -> float:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise invalid(
            f"{BODY}.filter", "invalid ISO 8601 datetime format, i.e. YYYY-MM-DDTHH:mm:ss", text
        ) from None
    # Compared with rows that have milliseconds, what was asked for is cut to the second (ClickhouseWrapper.ts).
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0).timestamp()
