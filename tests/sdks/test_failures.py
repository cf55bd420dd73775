"""When there is no answer, the SDK raises its own exception with our sentence in it, and retries as anywhere."""

import socket
from collections.abc import Iterator

import anthropic
import openai
import pytest

from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import head
from proxy.demo import GatewayFault, StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.openai_calls import HELLO
from sdks.test_anthropic import message

BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"well"},"finish_reason":"stop"}]}'
)
ANSWER = head(b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % len(BODY)) + BODY


@pytest.fixture
def nowhere(start_sidecar: StartSidecar) -> Iterator[RunningSidecar]:
    """A sidecar whose gateway is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield start_sidecar(f"http://127.0.0.1:{taken.getsockname()[1]}")


def chat(client: openai.OpenAI) -> str | None:
    """One chat; what the model says."""
    made = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    return made.choices[0].message.content


def openai_at(sidecar: RunningSidecar, *, max_retries: int) -> openai.OpenAI:
    """OpenAI's SDK, with its base URL set to `sidecar`."""
    return openai.OpenAI(base_url=f"{url_of(sidecar)}/v1", api_key="sk-demo", max_retries=max_retries)


def test_an_unreachable_gateway_is_the_sdks_server_error_with_our_sentence(nowhere: RunningSidecar) -> None:
    with (
        openai_at(nowhere, max_retries=0) as client,
        pytest.raises(
            openai.InternalServerError, match="cannot be reached: the connection was refused"
        ) as caught,
    ):
        chat(client)
    assert caught.value.status_code == 502
    assert (caught.value.type, caught.value.code) == ("sidecar_error", "upstream_unreachable")
    assert caught.value.response.headers["Feedback-Error"] == "upstream_unreachable"


def test_an_unreachable_gateway_is_anthropics_server_error_with_our_sentence(nowhere: RunningSidecar) -> None:
    with (
        anthropic.Anthropic(base_url=url_of(nowhere), api_key="x", max_retries=0) as client,
        pytest.raises(anthropic.InternalServerError, match="cannot be reached"),
    ):
        message(client)


def test_an_sdk_retries_an_unreachable_gateway_as_often_as_it_is_told(nowhere: RunningSidecar) -> None:
    with openai_at(nowhere, max_retries=1) as client, pytest.raises(openai.InternalServerError):
        chat(client)
    calls = Feedback(nowhere.address).ask("GET", "").document["calls"]
    assert [(call["status"], call["state"]) for call in calls] == [(502, "failed")] * 2


def dropping_a_reused_connection(connection: UpstreamWire) -> None:
    """A gateway whose first connection times out just as it is used for the second time."""
    connection.read_request()
    connection.send(ANSWER)
    connection.read_request()
    if connection.number > 0:
        connection.send(ANSWER)


def test_a_connection_that_timed_out_at_the_gateway_says_that_a_retry_is_safe(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    sidecar = start_sidecar(start_upstream(dropping_a_reused_connection).url)
    with openai_at(sidecar, max_retries=0) as client:
        assert chat(client) == "well"
        with pytest.raises(
            openai.InternalServerError, match="closed the connection before it answered"
        ) as caught:
            chat(client)
    assert caught.value.response.headers["x-should-retry"] == "true"


def test_the_sdk_obeys_and_succeeds_and_the_sidecar_itself_has_sent_nothing_twice(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    upstream = start_upstream(dropping_a_reused_connection)
    sidecar = start_sidecar(upstream.url)
    with openai_at(sidecar, max_retries=1) as client:
        assert [chat(client), chat(client)] == ["well", "well"]
    calls = Feedback(sidecar.address).ask("GET", "").document["calls"]
    assert [call["status"] for call in calls] == [200, 502, 200]
    assert len(upstream.requests) == 3


def test_a_gateway_that_dies_before_its_answer_is_a_server_error(
    standin: StandIn, openai_client: openai.OpenAI
) -> None:
    standin.faults.gateway.next(GatewayFault(die_before_head=True))
    with pytest.raises(
        openai.InternalServerError, match="closed the connection before it answered"
    ) as caught:
        chat(openai_client)
    assert "x-should-retry" not in caught.value.response.headers
    assert standin.gateway.total == 1


def test_an_answer_that_is_no_http_is_a_server_error(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(b"SSH-2.0-OpenSSH_9.9\r\n")

    with (
        openai_at(start_sidecar(start_upstream(script).url), max_retries=0) as client,
        pytest.raises(openai.InternalServerError, match="cannot be passed on"),
    ):
        chat(client)


def test_a_page_of_another_origin_is_refused_in_words_and_nothing_is_sent(
    standin: StandIn, openai_client: openai.OpenAI
) -> None:
    with pytest.raises(openai.PermissionDeniedError, match=r"Pages of https://attacker\.test"):
        chat(openai_client.with_options(default_headers={"Origin": "https://attacker.test"}))
    assert standin.gateway.total == 0
