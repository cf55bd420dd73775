"""What a rule can have, what is wrong with one, and what its conditions mean."""

from typing import Any

import pytest

from proxy.config.loading import advice, load_settings
from proxy.config.rule_problems import RULES
from proxy.config.settings import Settings
from proxy.errors import ConfigurationError
from proxy.rules.content_tests import ContentTest
from proxy.rules.contents import Content
from proxy.rules.facts import Facts, FactsTest


def problems(*rules: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, {"rules": list(rules)})
    return [each.removeprefix("rules: ") for each in caught.value.problems]


def rule(**said: object) -> dict[str, Any]:
    return {"name": "a", "rating": "down", **said}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"when": {"text_max_lenght": 1}},
            "when.text_max_lenght names no setting; did you mean when.text_max_length?",
        ),
        ({"when": 3}, "when must be a table"),
        ({"when": {"status": 99}}, "when.status must be a status such as 429"),
        ({"when": {"path": "v1"}}, "when.path must begin with / and have no query"),
        ({"when": {"model": "a*b"}}, "when.model may have a * at its end only"),
        ({"when": {"properties": {"A": 3}}}, "when.properties must have texts in quotes as its values"),
        (
            {"when": {"properties": {"App": "x", "app": "y"}}},
            "when.properties must name each property once, in capitals or not: Helicone takes them for the same",
        ),
        ({"when": {"calls_tool": 3}}, "when.calls_tool must be true, false, or the name of a tool"),
        ({"when": {"is_json": 1}}, "when.is_json must be true or false"),
        (
            {"when": {"tokens_in_min": 3, "tokens_in_max": 2}},
            "when.tokens_in_min is above when.tokens_in_max",
        ),
        (
            {"when": {"status": "5xx", "is_json": False}},
            "when.status can never hold beside what is asked of the text",
        ),
        ({"when": {"text_max_length": 0, "is_json": True}}, "when.is_json can never hold"),
        ({"when": {"text_matches": "(?=a)b"}}, "when.text_matches is no pattern that RE2 knows"),
        ({"when": {"text_matches": r"(a)\1"}}, "when.text_matches is no pattern that RE2 knows"),
        (
            {"when": {"text_matches": "((a{100}){100}){100}"}},
            "when.text_matches is no pattern that RE2 knows",
        ),
        ({"when": {"route": "elsewhere"}}, "when.route names no route; there is default"),
        ({}, "has no condition, so it would rate every call alike"),
        ({"rating": "maybe"}, "rating must be 'up' or 'down'"),
        ({"sample": 0}, "sample must be a number above 0"),
        ({"scores": {"tone": 1.5}}, "scores is nothing that a rating can say"),
        ({"tags": ["a,b"]}, "tags is nothing that a rating can say"),
        ({"call": "nothing"}, 'call must name a function as "package.module:function"'),
        ({"call": "a:b"}, "rating has no effect beside call"),
        ({"timeout_seconds": 1, "sample": 0.5}, "timeout_seconds has no effect without call"),
    ],
)
def test_what_is_wrong_is_said_with_the_rule_and_the_setting(given: dict[str, Any], said: str) -> None:
    [problem] = problems(rule(**given))
    assert problem.startswith(f'the rule "a": {said}')


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = problems(
        {"name": "x", "when": {"status": 200}}, {"rating": 3, "sample": 7}, rule(sample=0.5), rule(sample=0.1)
    )
    assert wrong == [
        'the rule "x": has no effect: give it rating, scores, comment, tags or call',
        "rule 2: rating must be 'up' or 'down'",
        "rule 2: sample must be a number above 0, and 1 at most: 0.1 is one call in ten",
        "rule 2: name is missing: ratings by the rule carry it",
        'the name "a" stands there twice',
    ]


def test_a_function_that_cannot_be_found_is_worth_a_note_and_none_is_imported() -> None:
    rules = RULES.accept(
        [{"name": "a", "call": "no_such_package.rules:grade"}, {"name": "b", "call": "this:that"}]
    )
    said = [each for each in advice(Settings(rules=rules), {}) if "calls" in each]
    assert len(said) == 1
    assert "no no_such_package is found" in said[0]


FACTS = Facts(
    path="/v1/chat/completions",
    model="gpt-4o",
    route="eu",
    properties={"experiment": "x"},
    status=429,
    complete=False,
    duration_seconds=2.0,
    first_byte_seconds=1.0,
    tokens_in=10,
)


@pytest.mark.parametrize(
    ("holds", "fails"),
    [
        ({"path": "/v1/*"}, {"path": "/v1/messages"}),
        ({"model": "gpt-4o"}, {"model": "gpt-4"}),
        ({"model": "gpt-*"}, {"model": "claude-*"}),
        ({"route": "eu"}, {"route": "default"}),
        ({"properties": {"Experiment": "x"}}, {"properties": {"Experiment": "x", "Other": "y"}}),
        ({"status": 429}, {"status": 200}),
        ({"status": "4xx"}, {"status": "5xx"}),
        ({"complete": False}, {"complete": True}),
        ({"duration_min_seconds": 2}, {"duration_min_seconds": 2.1}),
        ({"duration_max_seconds": 2}, {"duration_max_seconds": 1.9}),
        ({"first_byte_min_seconds": 1}, {"first_byte_min_seconds": 1.1}),
        ({"first_byte_max_seconds": 1}, {"first_byte_max_seconds": 0.9}),
        ({"tokens_in_min": 10}, {"tokens_in_min": 11}),
        ({"tokens_in_max": 10}, {"tokens_in_max": 9}),
        ({"path": "/v1/*", "status": 429}, {"tokens_out_min": 0}),
        ({"path": "/v1/*", "status": 429}, {"tokens_out_max": 9}),
    ],
)
def test_conditions_on_what_is_known_of_a_call(holds: dict[str, Any], fails: dict[str, Any]) -> None:
    for when, expected in ((holds, True), (fails, False)):
        [each] = RULES.accept([rule(when=when)])
        assert (FactsTest(each.when).why_not(FACTS) is None) is expected


CONTENT = Content("Hello [error]\nsearch({})", "tool_calls", has_refusal=False, tools=("search",))


@pytest.mark.parametrize(
    ("holds", "fails"),
    [
        ({"text_min_length": 24}, {"text_min_length": 25}),
        ({"text_max_length": 24}, {"text_max_length": 23}),
        ({"text_matches": r"\[error\]\s"}, {"text_matches": r"^search"}),
        ({"text_matches": r"(?m)^search"}, {"text_matches": "HELLO"}),
        ({"finish_reason": "tool_*"}, {"finish_reason": "stop"}),
        ({"is_json": False}, {"is_json": True}),
        ({"has_refusal": False}, {"has_refusal": True}),
        ({"calls_tool": True}, {"calls_tool": False}),
        ({"calls_tool": "search"}, {"calls_tool": "weigh"}),
    ],
)
def test_conditions_on_what_an_answer_says(holds: dict[str, Any], fails: dict[str, Any]) -> None:
    for when, expected in ((holds, True), (fails, False)):
        [each] = RULES.accept([rule(when=when)])
        assert (ContentTest(each.when).why_not(CONTENT) is None) is expected


def test_a_text_that_is_json_is_seen() -> None:
    [each] = RULES.accept([rule(when={"is_json": True})])
    assert ContentTest(each.when).why_not(Content('{"a": [1]}')) is None
