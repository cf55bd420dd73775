"""Arguments that fit a JSON schema, for tool calls and for structured outputs."""

from .answer import JsonObject
from .seeds import Seed

DEPTH_LIMIT = 8
"""A schema may refer to itself."""


def fitting(schema: object, seed: Seed, path: str = "$") -> object:
    """A value for `schema`: its first enum value, default or branch, required properties only."""
    return _value(schema, schema, seed, path)


def _value(schema: object, root: object, seed: Seed, path: str) -> object:
    schema = _resolved(schema, root)
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][seed.number(path, len(schema["enum"]))]
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword):
            return _value(schema[keyword][0], root, seed, path)
    kind = schema.get("type", "object")
    return _of_kind(kind[0] if isinstance(kind, list) else kind, schema, root, seed, path)


def _of_kind(kind: str, schema: JsonObject, root: object, seed: Seed, path: str) -> object:
    match kind:
        case "string":
            return f"{path.rpartition('.')[2]}-{seed.number(path, 100)}"
        case "integer":
            return schema.get("minimum", seed.number(path, 100))
        case "number":
            return schema.get("minimum", seed.number(path, 1000) / 10)
        case "boolean":
            return seed.number(path, 2) == 1
        case "null":
            return None
        case "array":
            count = schema.get("minItems", 1) if path.count(".") < DEPTH_LIMIT else 0
            return [_value(schema.get("items", {}), root, seed, f"{path}.{index}") for index in range(count)]
        case _:
            return _object(schema, root, seed, path)


def _object(schema: JsonObject, root: object, seed: Seed, path: str) -> JsonObject:
    if path.count(".") >= DEPTH_LIMIT:
        return {}
    properties = schema.get("properties", {})
    names = schema.get("required", list(properties))
    return {name: _value(properties.get(name, {}), root, seed, f"{path}.{name}") for name in names}


def _resolved(schema: object, root: object) -> JsonObject:
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found: object = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}
