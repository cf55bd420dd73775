"""What the stand-in keeps of questions and answers, and how it shows them: as Helicone does, within a bound."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import anthropic
import openai
import pytest

from demo.conftest import StartStandIn
from demo.wire import API_AUTH, CHAT, GATEWAY_AUTH, Answer, ask, chat
from harness.benches import AT_ONCE
from proxy.demo import DEMO_KEY, StandIn, StandInSettings
from proxy.demo.assembled import shown_response
from proxy.demo.kept_bodies import LONGEST_BYTES, Bodies, Copied, KeptBodies

OTHER_KEY = "sk-helicone-otherke-otherke-otherke-otherke"
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


def asked(standin: StandIn, request_id: str, query: str = "?includeBody=true") -> Answer:
    return ask(standin.api_url, "GET", f"/v1/request/{request_id}{query}", headers=API_AUTH)


def shown(standin: StandIn, request_id: str) -> tuple[Any, Any]:
    answer = asked(standin, request_id)
    assert (answer.status, answer.json["error"]) == (200, None)
    found = answer.json["data"]
    assert found["request_id"] == request_id
    return found["request_body"], found["response_body"]


def openai_at(standin: StandIn) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{standin.gateway_url}/v1", api_key="sk", default_headers=GATEWAY_AUTH, max_retries=0
    )


def test_question_and_answer_are_shown_as_they_were(standin: StandIn) -> None:
    answered = chat(standin.gateway_url)
    assert shown(standin, answered.request_id) == (CHAT, answered.json)


def test_they_are_shown_only_where_they_are_asked_for(standin: StandIn) -> None:
    request_id = chat(standin.gateway_url).request_id
    for query in ("", "?includeBody=false"):
        found = asked(standin, request_id, query)
        assert "What is a proxy?" not in found.body.decode()
        assert found.json["data"]["request_id"] == request_id
    assert asked(standin, request_id, "?includeBody=perhaps").status == 422


@pytest.mark.parametrize("settings", [replace(AT_ONCE, gzip=True), AT_ONCE], ids=["gzip", "plain"])
def test_a_streamed_chat_is_put_together(start: StartStandIn, settings: StandInSettings) -> None:
    standin = start(settings)
    create = openai_at(standin).chat.completions.with_streaming_response.create
    with create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "What is a proxy?"}],
        stream=True,
        stream_options={"include_usage": True},
    ) as response:
        request_id = response.headers["helicone-id"]
        chunks = list(response.parse())
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    request, answer = shown(standin, request_id)
    assert (request["messages"], request["stream"]) == (CHAT["messages"], True)
    assert (answer["id"], answer["model"]) == (chunks[0].id, "gpt-4o")
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": text, "refusal": None}
    assert answer["usage"]["total_tokens"] > 0
    assert len(answer["streamed_data"]) == len(chunks)


def test_a_streamed_tool_call_is_put_together(standin: StandIn) -> None:
    answered = chat(standin.gateway_url, stream=True, tools=[{"type": "function", "function": TOOL}])
    message = shown(standin, answered.request_id)[1]["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["name"] == "weather"
    assert set(json.loads(message["tool_calls"][0]["function"]["arguments"])) == {"city"}


@pytest.mark.parametrize("tools", [[], [{"name": "weather", "input_schema": TOOL["parameters"]}]])
def test_a_streamed_message_is_put_together(standin: StandIn, tools: list[Any]) -> None:
    client = anthropic.Anthropic(
        base_url=standin.gateway_url, api_key="sk", default_headers=GATEWAY_AUTH, max_retries=0
    )
    with client.messages.stream(
        model="claude-sonnet-5", max_tokens=99, messages=[{"role": "user", "content": "Hi"}], tools=tools
    ) as stream:
        whole = stream.get_final_message()
        request_id = stream.response.headers["helicone-id"]
    answer = shown(standin, request_id)[1]
    assert answer.pop("streamed_data").startswith("event: message_start")
    known = whole.model_dump(mode="json", exclude_unset=True)
    assert answer == {**answer, **{name: known[name] for name in ("id", "model", "content", "stop_reason")}}
    assert answer["usage"]["output_tokens"] == whole.usage.output_tokens > 0


def test_a_streamed_completion_and_a_streamed_response_are_found_in_what_is_shown(standin: StandIn) -> None:
    client = openai_at(standin)
    with client.completions.with_streaming_response.create(
        model="gpt-3.5-turbo-instruct", prompt="Hi", stream=True
    ) as first:
        text = "".join(chunk.choices[0].text for chunk in first.parse())
    with client.responses.with_streaming_response.create(model="gpt-4o", input="Hi", stream=True) as second:
        *_, last = second.parse()
    assert shown(standin, first.headers["helicone-id"])[1]["choices"][0]["text"] == text
    answer = shown(standin, second.headers["helicone-id"])[1]
    assert last.type == answer["type"] == "response.completed"
    assert answer["response"]["output"][0]["content"][0]["text"] == last.response.output_text


def test_what_is_neither_json_nor_events_is_an_error_in_its_place() -> None:
    assert shown_response(b"") == {}
    assert shown_response(b"<html>") == {"helicone_error": "error parsing response"}


def test_nobody_sees_what_was_said_in_another_organisation(start: StartStandIn) -> None:
    standin = start(StandInSettings(ingestion_delay_seconds=0.0, keys={DEMO_KEY: "one", OTHER_KEY: "two"}))
    foreign = chat(standin.gateway_url, {"Helicone-Auth": f"Bearer {OTHER_KEY}"}).request_id
    for request_id in (foreign, str(uuid4())):
        answer = asked(standin, request_id)
        assert (answer.status, answer.json) == (200, {"data": None, "error": None})


def test_a_call_that_is_not_ingested_shows_nothing(start: StartStandIn) -> None:
    standin = start(StandInSettings(ingestion_delay_seconds=60.0))
    assert asked(standin, chat(standin.gateway_url).request_id).json == {"data": None, "error": None}


def test_of_many_calls_the_newest_are_kept(standin: StandIn) -> None:
    standin.ledger.bodies.limit_bytes = 4_000
    ids = [chat(standin.gateway_url).request_id for _ in range(20)]
    statuses = [asked(standin, each).status for each in ids]
    assert statuses == sorted(statuses, reverse=True)
    assert {statuses[0], statuses[-1]} == {200, 500}
    assert asked(standin, ids[0]).json == {"data": None, "error": "Error fetching request body"}
    assert 2_000 < standin.ledger.bodies.kept_bytes <= 4_000


def test_a_long_question_is_kept_whole_and_one_that_is_too_long_not_at_all(standin: StandIn) -> None:
    long = [{"role": "user", "content": "long " * 50_000}]
    assert shown(standin, chat(standin.gateway_url, messages=long).request_id)[0]["messages"] == long
    longer = [{"role": "user", "content": "x" * (LONGEST_BYTES + 1)}]
    assert asked(standin, chat(standin.gateway_url, messages=longer).request_id).status == 500


def test_a_copy_is_given_up_when_it_becomes_too_long() -> None:
    copied = Copied([b"x" * LONGEST_BYTES, b"y"])
    passed = iter(copied)
    next(passed)
    assert copied.read() == b"x" * LONGEST_BYTES
    assert next(passed) == b"y"
    assert copied.read() is None


def test_an_id_that_is_used_again_takes_the_place_of_the_first() -> None:
    kept = KeptBodies()
    kept.keep("A", Bodies(b"1", b"22"))
    kept.keep("a", Bodies(b"333", b"4"))
    assert (kept.find("A"), kept.kept_bytes) == (Bodies(b"333", b"4"), 4)
