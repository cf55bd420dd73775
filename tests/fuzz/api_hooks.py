"""What schemathesis is told besides the description: what a request has to be that no schema can say.

It imports this by itself (`SCHEMATHESIS_HOOKS`). Requests that are to be wrong go out as they are drawn.
"""

import itertools
from typing import Any

import schemathesis
from schemathesis.core import NOT_SET

CALLS = tuple(f"0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b1{digit}" for digit in "012")
"""Calls that went through the sidecar before."""
_SCOPES = ("user", "session", "model", "path", "client", "route", "by", "property.<Name>")
_SAID_ONCE = ("rating", "comment", "rater", "source", "tags")
_numbers = itertools.count()


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Change a request that is to be taken where it could only be refused, or would find or show nothing."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    names = {parameter.name for parameter in case.operation.iter_parameters()}
    number = next(_numbers)
    if "Idempotency-Key" in case.headers:
        # The same key with another request is refused.
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:180]}{number}"
    if "rating" in names:
        # A rating stands in the body or in the query; in both, it has to be the same.
        if case.body is not NOT_SET:
            case.query = {name: value for name, value in case.query.items() if name not in _SAID_ONCE}
        elif not {"rating", "comment"} & set(case.query):
            case.query["rating"] = "up"
    if "timeout" in names:
        # Nobody wants to wait a minute for what will not be stored.
        case.query["timeout"] = "50ms"
    _mean_calls(case, number)
    _mean_a_time(case)


def _mean_calls(case: schemathesis.Case[Any], number: int) -> None:
    """Say which call is meant as it can be said of one that is there."""
    for name in _SCOPES:
        if name in case.query:
            # What is printable is more than a pattern can say.
            case.query[name] = "".join(filter(str.isprintable, case.query[name])) or "x"
    if case.operation.path == "/feedback/batch":
        body: Any = case.body
        items = body["ratings"] if isinstance(body, dict) else body
        for index, item in enumerate(items):
            item["id"] = CALLS[index % len(CALLS)]
    if "id" in case.path_parameters and number % 2:
        # Ids that are drawn are never those of calls.
        case.path_parameters["id"] = CALLS[number // 2 % len(CALLS)]


def _mean_a_time(case: schemathesis.Case[Any]) -> None:
    """Say a time that is one, within a year, and each thing that has to hold once."""
    if "since" in case.query:
        case.query["since"] = "7d"
    if "until" in case.query:
        case.query["until"] = "1m"
    if isinstance(where := case.query.get("where"), list):
        case.query["where"] = [f"property.x{number}=y" for number, _ in enumerate(where)]


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any]) -> bool:
    """Leave out a list of nothing but an empty text: it is written as an empty list is, which is all states."""
    return not query or query.get("state") not in ([""], "")


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Draw no batches of a thousand, which take most of the time: tests/web/test_batch.py has them. Nor a stream
    that does not end: tests/web/test_events.py has those.
    """
    del raw_schema["paths"]["/feedback/events"]
    del raw_schema["components"]["schemas"]["Batch"]["maxItems"]
