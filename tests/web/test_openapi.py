"""GET /feedback/openapi.json: what programs are told of the local API. Bench.ask holds every answer against it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import proxy
from harness.benches import Bench, document, error_of
from harness.descriptions import described_path, description, wrong_with
from harness.wire import Message, head
from proxy.web.application import ROUTES

BASES = {"CallFacts", "ErrorFacts", "Progress", "Standing"}
"""Schemas that others say more about, and close."""
METHODS = {"get", "post", "delete"}


def parts(value: object, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """All objects of a document, and where each stands."""
    if isinstance(value, dict):
        yield where, value
        for name, each in value.items():
            yield from parts(each, f"{where}/{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from parts(each, f"{where}/{number}")


def test_every_route_and_method_is_described_and_nothing_else() -> None:
    described = {
        (method.upper(), path, operation["operationId"])
        for path, operations in description()["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }
    assert described == {(method, path, handler.__name__) for method, path, handler in ROUTES}


def test_the_description_names_this_version_and_the_address_by_which_the_client_came(bench: Bench) -> None:
    served = document(bench.get("/feedback/openapi.json", b"Host: sidecar.localhost:1234"))
    assert served["servers"] == [{"url": "http://sidecar.localhost:1234"}]
    assert served["info"]["version"] == proxy.__version__
    assert served["openapi"] == "3.1.0"
    assert {**served, "servers": [], "info": {**served["info"], "version": ""}} == description()
    asked = document(bench.get("http://localhost:8/feedback/openapi.json", b"Host: example.com"))
    assert asked["servers"] == [{"url": "http://localhost:8"}]


def test_the_description_takes_no_query_and_is_only_read(bench: Bench) -> None:
    assert error_of(bench.get("/feedback/openapi.json?x=1"))[:2] == (400, "bad_request")
    assert error_of(bench.rate("/feedback/openapi.json"))[:2] == (405, "method_not_allowed")


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for _, part in parts(description()):
        for name in ("schema", "items", "additionalProperties"):
            if isinstance(part.get(name), dict):
                Draft202012Validator.check_schema(part[name])
        if "$ref" in part:
            found: Any = description()
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step]
    Draft202012Validator.check_schema({"$defs": description()["components"]["schemas"]})


def test_every_part_is_used() -> None:
    used = {part["$ref"] for _, part in parts(description()) if "$ref" in part}
    used |= {
        f"#/components/securitySchemes/{name}"
        for _, part in parts(description())
        for each in part.get("security", [])
        for name in each
    }
    there = {
        f"#/components/{kind}/{name}" for kind, named in description()["components"].items() for name in named
    }
    assert used == there


def test_every_object_is_closed_so_that_a_field_that_is_not_described_is_seen() -> None:
    described = [
        (where, part)
        for where, part in parts(description())
        if part.get("type") == "object" and where.rpartition("/")[2] not in BASES
    ]
    assert len(described) > 20
    for where, part in described:
        assert "additionalProperties" in part or part.get("unevaluatedProperties") is False, where


# -- the check itself


def answered(bench: Bench, target: str, **changed: object) -> Message:
    """The answer to a GET, with other fields."""
    answer = bench.get(target)
    return Message(answer.head, json.dumps({**json.loads(answer.body), **changed}).encode())


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"age_seconds": "old"}, "age_seconds"),
        ({"state": "lost"}, "lost"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "2026-11-23T03:12:26"}, "started_at"),
        ({"rating": {"thumb": "👍"}}, "not valid"),
    ],
)
def test_an_answer_that_is_not_as_described_is_seen(
    bench: Bench, changed: dict[str, object], wrong: str
) -> None:
    bench.chat()
    assert wrong_with("GET", "/feedback/last", answered(bench, "/feedback/last")) == []
    said = {**document(bench.get("/feedback"))["calls"][0], **changed}
    found = wrong_with("GET", "/feedback", answered(bench, "/feedback", calls=[said]))
    assert wrong in "\n".join(found)


@pytest.mark.parametrize(
    ("method", "target", "lines", "body", "wrong"),
    [
        ("GET", "/feedback", (b"HTTP/1.1 418 I'm a teapot",), b"", "status 418"),
        ("GET", "/feedback", (b"HTTP/1.1 200 OK", b"Content-Type: text/html"), b"", "content type text/html"),
        (
            "GET",
            "/feedback",
            (b"HTTP/1.1 403 Forbidden", b"Content-Type: application/json"),
            b'{"error": {"message": "No.", "type": "sidecar_error", "code": "cross_site"}}',
            "Feedback-Error is missing",
        ),
        ("PUT", "/feedback", (b"HTTP/1.1 200 OK",), b"", "nothing is described here"),
        (
            "GET",
            "/feedback/a/b",
            (b"HTTP/1.1 404 Not Found", b"Feedback-Error: unknown_call"),
            b"",
            "nothing",
        ),
    ],
)
def test_an_answer_of_another_kind_is_seen(
    method: str, target: str, lines: tuple[bytes, ...], body: bytes, wrong: str
) -> None:
    assert wrong in "\n".join(wrong_with(method, target, Message(head(*lines), body)))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/feedback/last?back=1", "/feedback/last"),
        ("http://localhost/feedback", "/feedback"),
        ("/feedback/0175b24e", "/feedback/{id}"),
        ("/feedback/a/b", "/feedback/a/b"),
    ],
)
def test_a_target_is_looked_up_under_its_path(target: str, path: str) -> None:
    assert described_path(target) == path


def test_generated_clients_can_say_the_token_and_every_route_may_ask_for_one() -> None:
    schemes = description()["components"]["securitySchemes"]
    assert {
        (each["type"], each.get("scheme"), each.get("in"), each.get("name")) for each in schemes.values()
    } == {
        ("http", "bearer", None, None),
        ("apiKey", None, "header", "Feedback-Proxy-Token"),
        ("apiKey", None, "cookie", "helicone-proxy-8747"),
        ("apiKey", None, "header", "Feedback-Token"),
        ("apiKey", None, "query", "secret"),
    }
    # Most sidecars have no token.
    assert {} in description()["security"]
    for path, operations in description()["paths"].items():
        described = [each for name, each in operations.items() if name != "parameters"]
        assert described
        for operation in described:
            assert operation["responses"]["401"] == {"$ref": "#/components/responses/Unauthorized"}, path
