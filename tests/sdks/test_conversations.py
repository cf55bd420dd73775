"""A conversation is several calls: each is rated by its own id, and their session lists them all."""

import openai

from proxy.demo import StandIn
from sdks.feedback import Feedback
from sdks.finding import Held, assert_each_is_found, requests_with


def three_turns(client: openai.OpenAI, topic: str) -> list[Held]:
    """A conversation that the provider remembers: each turn names the answer before it."""
    held: list[Held] = []
    for number in range(3):
        words = f"{topic}, turn {number}"
        before = held[-1].id if held else None
        made = client.responses.create(model="gpt-4o", input=words, previous_response_id=before)
        assert made.previous_response_id == before
        held.append(Held(words, words, made.id))
    return held


def meant_by(standin: StandIn, held: list[Held]) -> list[str]:
    """The Helicone ids of these calls, each of which was one request."""
    return [found for each in held for found in requests_with(standin, each.words)]


def test_each_turn_is_rated_by_its_own_response(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    assert_each_is_found(standin, feedback, three_turns(openai_client, "a walk"))


def test_answers_that_go_on_from_one_another_are_one_session(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    conversations = [three_turns(openai_client, topic) for topic in ("a walk", "a swim")]
    for held in conversations:
        for each in held:
            assert feedback.session(each.id) == (held[0].id, meant_by(standin, held))


def test_a_session_that_the_app_names_lists_the_calls_that_it_named(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    sessions = {}
    for name in ("walk-1", "swim-2"):
        client = openai_client.with_options(default_headers={"Helicone-Session-Id": name})
        sessions[name] = three_turns(client, name)
    for name, held in sessions.items():
        assert feedback.session(held[1].id) == (name, meant_by(standin, held))


def test_a_response_outside_any_session_is_listed_by_itself(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    three_turns(openai_client, "a walk")
    made = openai_client.responses.create(model="gpt-4o", input="alone")
    assert feedback.session(made.id) == (None, requests_with(standin, "alone"))
