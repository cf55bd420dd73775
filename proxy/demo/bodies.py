"""How the API reads request bodies: Express's parsers, then tsoa's validation with its coercions.

tsoa runs with `bodyCoercion: true` and `noImplicitAdditionalProperties: "throw-on-extras"`.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from .replies import Refused, internal_error, invalid

LIMIT_BYTES = 10 * 1024 * 1024
"""body-parser's limit in Helicone's `index.ts`."""

BODY = "requestBody"


def parsed(content_type: str, body: bytes) -> dict[str, Any] | None:
    """The fields of a body; `None` for what no parser understands (it stays raw bytes, which have no field)."""
    kind = content_type.partition(";")[0].strip().lower()
    if len(body) > LIMIT_BYTES:
        raise Refused(internal_error())
    if kind == "application/json":
        return _json(body)
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return None


def _json(body: bytes) -> dict[str, Any] | None:
    if not body:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        # Not a 400: the parser's error ends in the handler for everything.
        raise Refused(internal_error()) from error
    if isinstance(document, dict):
        return document
    if isinstance(document, list):
        return None
    raise Refused(internal_error())


def rating(fields: Mapping[str, Any] | None) -> bool:
    """The thumb of a feedback body. `null` is a thumbs-down: tsoa coerces it."""
    fields = fields or {}
    if "rating" not in fields:
        raise invalid(f"{BODY}.rating", "'rating' is required")
    value = _boolean(f"{BODY}.rating", fields["rating"])
    _no_extras(fields, {"rating"})
    return value


def scores(fields: Mapping[str, Any] | None) -> dict[str, int]:
    """The scores of a score body as they are stored. Whatever is no integer and no boolean throws."""
    fields = fields or {}
    if "scores" not in fields:
        raise invalid(f"{BODY}.scores", "'scores' is required")
    given = fields["scores"]
    if not isinstance(given, dict):
        raise invalid(f"{BODY}.scores", "invalid object", given)
    _no_extras(fields, {"scores"})
    stored = {}
    for name, value in given.items():
        if isinstance(value, bool):
            stored[f"{name}-hcone-bool"] = int(value)
        elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
            # JSON of JavaScript knows one kind of number: 4.0 is an integer.
            stored[name] = int(value)
        else:
            raise Refused(internal_error())
    return stored


def property_of(fields: Mapping[str, Any] | None) -> tuple[str, str]:
    """Key and value of a property body; the form in the docs, `{"Environment": "production"}`, is a 422."""
    fields = fields or {}
    return _text(fields, "key"), _text(fields, "value", last_of={"key", "value"})


def wants_bodies(query: Mapping[str, Any]) -> bool:
    """Whether a GET asks for what was said, too."""
    return _boolean("includeBody", query["includeBody"]) if "includeBody" in query else False


def _text(fields: Mapping[str, Any], name: str, last_of: set[str] | None = None) -> str:
    if name not in fields:
        raise invalid(f"{BODY}.{name}", f"'{name}' is required")
    value = fields[name]
    if not isinstance(value, str):
        raise invalid(f"{BODY}.{name}", "invalid string value", value)
    if last_of is not None:
        _no_extras(fields, last_of)
    return value


def _boolean(field: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise invalid(field, "invalid boolean value", value)


def _no_extras(fields: Mapping[str, Any], known: set[str]) -> None:
    extras = {name: value for name, value in fields.items() if name not in known}
    if extras:
        names = ",".join(extras)
        raise invalid(BODY, f'"{names}" is an excess property and therefore is not allowed', extras)
