"""What an app's user does: a call, a thumb, and the thumb stands on the right row."""

import anthropic
import openai
import pytest

from harness.sidecars import RunningSidecar
from proxy.demo import DEMO_KEY, ScoreEvent, StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.openai_calls import HELLO
from sdks.test_anthropic import HELLO as ANTHROPIC_HELLO


def chat_id(client: openai.OpenAI, headers: dict[str, str] | None = None) -> str:
    """One chat; the id that the SDK's user can see."""
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=HELLO, extra_headers=headers
    )
    assert raw.parse().choices[0].message.content
    return raw.headers["Feedback-Id"]


@pytest.mark.parametrize("up", [True, False])
def test_a_thumb_by_the_id_in_the_head_lands_on_its_row(
    up: bool, standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    events: list[ScoreEvent] = []
    standin.ledger.listeners.append(events.append)
    ids = [chat_id(openai_client) for _ in range(3)]
    said = feedback.rate(ids[1], up=up)
    assert said["rated"] == {**said["rated"], "id": ids[1], "known": True, "model": "gpt-4o", "status": 200}
    assert [standin.ledger.rating_of(each) for each in ids] == [None, up, None]
    assert [(event.request_id, event.rating, event.loss) for event in events] == [(ids[1], up, None)]


def test_last_is_the_answer_that_just_came(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    first, second = chat_id(openai_client), chat_id(openai_client)
    openai_client.embeddings.create(model="text-embedding-3-small", input="one")
    list(openai_client.models.list())
    assert feedback.rate("last", up=True)["rated"]["id"] == second
    assert [standin.ledger.rating_of(each) for each in (first, second)] == [None, True]
    assert feedback.rate("last?back=1", up=False)["rated"]["id"] == first
    assert [standin.ledger.rating_of(each) for each in (first, second)] == [False, True]


def test_the_url_in_the_head_is_where_to_rate(
    standin: StandIn, openai_client: openai.OpenAI, sidecar: RunningSidecar
) -> None:
    raw = openai_client.responses.with_raw_response.create(model="gpt-4o", input="hello")
    url, request_id = raw.headers["Feedback-URL"], raw.headers["Feedback-Id"]
    assert url == f"{url_of(sidecar)}/feedback/{request_id}"
    assert Feedback(sidecar.address).rate(url.rpartition("/")[2], up=True)
    assert standin.ledger.rating_of(request_id) is True


def test_a_stream_is_rated_after_its_end_by_the_id_that_came_before_its_first_event(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    with openai_client.chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=HELLO, stream=True
    ) as raw:
        request_id = raw.headers["Feedback-Id"]
        assert feedback.call(request_id)["status"] == 200
        assert len(list(raw.iter_lines())) > 10
    feedback.rate(request_id, up=False)
    assert standin.ledger.rating_of(request_id) is False


def test_anthropics_answers_are_rated_the_same_way(
    standin: StandIn, anthropic_client: anthropic.Anthropic, feedback: Feedback
) -> None:
    with anthropic_client.messages.stream(
        model="claude-sonnet-5", max_tokens=9, messages=ANTHROPIC_HELLO
    ) as stream:
        request_id = stream.response.headers["Feedback-Id"]
        stream.until_done()
    rated = feedback.rate("last", up=True)["rated"]
    assert (rated["id"], rated["model"], rated["path"]) == (request_id, "claude-sonnet-5", "/v1/messages")
    assert standin.ledger.rating_of(request_id) is True


def test_the_id_is_helicones_and_an_app_that_chooses_it_keeps_its_own(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    assert raw.headers["Feedback-Id"] == raw.headers["Helicone-Id"]
    own = "0b5c9a7e-6f6b-4a56-9d49-3a4b5c6d7e8f"
    assert chat_id(openai_client, {"Helicone-Request-Id": own}) == own
    feedback.rate("last", up=True)
    assert standin.ledger.rating_of(own) is True


def test_an_app_that_sends_its_own_key_is_rated_under_it(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    request_id = chat_id(openai_client, {"Helicone-Auth": f"Bearer {DEMO_KEY}"})
    feedback.rate(request_id, up=True)
    assert standin.gateway.last.values("Helicone-Auth") == [f"Bearer {DEMO_KEY}"]
    assert standin.api.last.values("Authorization") == [f"Bearer {DEMO_KEY}"]
    assert standin.ledger.rating_of(request_id) is True


def test_an_answer_that_was_an_error_can_be_rated_by_its_id_and_is_not_the_last(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    good = chat_id(openai_client)
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.post("/chat/completions", body={}, cast_to=object)
    bad = caught.value.response.headers["Feedback-Id"]
    assert feedback.call("last")["id"] == good
    feedback.rate(bad, up=False)
    assert [standin.ledger.rating_of(each) for each in (good, bad)] == [None, False]


def test_an_upload_and_speech_which_helicone_does_not_log_cannot_be_rated(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    openai_client.files.create(file=("a.bin", b"abc"), purpose="batch")
    openai_client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello").read()
    calls = feedback.ask("GET", "").document["calls"]
    assert [call["path"] for call in calls] == ["/v1/audio/speech", "/v1/files"]
    for call in calls:
        said = feedback.ask("POST", f"/{call['id']}", {"rating": True})
        assert (said.status, said.document["error"]["code"]) == (409, "not_ratable")
    assert standin.api.total == 0
    # Raw paths go to the provider as they are: the Helicone key must not go along.
    assert [received.values("Helicone-Auth") for received in standin.gateway.all()] == [[], []]
