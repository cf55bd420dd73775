"""The description of the local API, held against what it answers."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from harness.wire import Message

_WHERE = "urn:description"
_STRANGERS = {404: "no_such_route", 405: "method_not_allowed"}
"""What is answered where nothing is described, unless the guard says no before."""


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_FORMATS = FormatChecker(())
_FORMATS.checks("date-time", raises=ValueError)(_is_moment)


@cache
def description() -> Mapping[str, Any]:
    """What the package says of its API."""
    found: dict[str, Any] = json.loads(resources.files("proxy.web").joinpath("openapi.json").read_bytes())
    return found


def wrong_with(method: str, target: str, answer: Message) -> list[str]:
    """What an answer of the local API has that is not described, or lacks, one sentence each."""
    if method == "OPTIONS" and answer.status == 204 and b"access-control-allow-methods" in answer.names:
        # A preflight asks about CORS, not about the API.
        return [] if not answer.body else ["a preflight's answer has a body"]
    path = described_path(target)
    operation = description()["paths"].get(path, {}).get("get" if method == "HEAD" else method.lower())
    if operation is None:
        return _wrong_with_stranger(answer)
    said = operation["responses"].get(str(answer.status))
    if said is None:
        return [f"status {answer.status} is not described for {method} {path}"]
    said = _resolved(said)
    found = _wrong_headers(said.get("headers", {}), answer)
    if method == "HEAD" or answer.status == 304:
        return found
    if "content" not in said:
        return [*found, "a body came that is not described"] if answer.body else found
    label = (answer.value(b"content-type") or b"").partition(b";")[0].decode("latin-1")
    if label not in said["content"]:
        return [*found, f"content type {label} is not described for {answer.status} of {method} {path}"]
    if label == "application/json":
        found += _errors_of(json.dumps(said["content"][label]["schema"]), answer.body)
    return found


def described_path(target: str) -> str:
    """The path of the description that a target takes: one that is there as it is, else the one with a name."""
    path = re.sub(r"^https?://[^/]*", "", target).partition("?")[0]
    paths = description()["paths"]
    if path in paths:
        return path
    for each in paths:
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/{}]+", re.escape(each)), path):
            return str(each)
    return path


def _wrong_with_stranger(answer: Message) -> list[str]:
    found = _errors_of('{"$ref": "#/components/schemas/Error"}', answer.body) if answer.body else []
    code = (answer.value(b"feedback-error") or b"").decode()
    if answer.status in _STRANGERS and code != _STRANGERS[answer.status]:
        found.append(f"nothing is described here, and yet it is {answer.status} {code}")
    if answer.status < 400:
        found.append(f"nothing is described here, and yet it is answered with {answer.status}")
    return found


def _wrong_headers(described: Mapping[str, Any], answer: Message) -> list[str]:
    found = []
    for name, header in described.items():
        value = answer.value(name.encode())
        rules = _resolved(header)
        if value is None:
            found += [f"the header {name} is missing"] if rules.get("required") else []
        else:
            as_said = int(value) if rules["schema"].get("type") == "integer" else value.decode()
            found += _errors_of(json.dumps(rules["schema"]), json.dumps(as_said).encode())
    return found


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    found: Mapping[str, Any] = description()["components"][kind][name]
    return found


def _errors_of(schema: str, body: bytes) -> list[str]:
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in _validator(schema).iter_errors(json.loads(body))
    ]


@cache
def _validator(schema: str) -> Draft202012Validator:
    whole = DRAFT202012.create_resource(description())
    return Draft202012Validator(
        json.loads(schema.replace('"#/', f'"{_WHERE}#/')),
        registry=Registry().with_resource(_WHERE, whole),
        format_checker=_FORMATS,
    )
