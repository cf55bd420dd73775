"""Found calls as lines that a program or a spreadsheet reads: JSON, one each, or CSV."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from proxy.search.found import FoundCall

COLUMNS: Final = (
    "id",
    "time",
    "rating",
    "model",
    "provider",
    "status",
    "latency_ms",
    "first_token_ms",
    "input_tokens",
    "output_tokens",
    "cost",
    "user",
    "session",
    "route",
    "scores",
    "properties",
)
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection)."""


class Format(NamedTuple):
    """How calls are written: what stands before all, and each call's line."""

    content_type: str
    head: bytes
    line: Callable[[FoundCall], bytes]


def _json_line(call: FoundCall) -> bytes:
    return msgspec.json.encode(call.as_document()) + b"\n"


def _csv_line(call: FoundCall) -> bytes:
    document = call.as_document()
    return _row([_cell(document[name]) for name in COLUMNS])


def _row(cells: Sequence[str]) -> bytes:
    """RFC 4180: CRLF ends a line, and a quote within quotes is doubled."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:  # noqa: ANN401  # whatever JSON has
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULAS) else value
    return "" if value is None else str(value)


FORMATS: Final = MappingProxyType(
    {
        "ndjson": Format("application/x-ndjson", b"", _json_line),
        "csv": Format("text/csv", _row(COLUMNS), _csv_line),
    }
)
