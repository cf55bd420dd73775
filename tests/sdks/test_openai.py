"""OpenAI's SDK gets the same through the sidecar as directly, with nothing changed but its base URL."""

from collections.abc import Callable

import openai
import pytest

from harness.sidecars import RunningSidecar
from proxy.demo import GatewayFault, StandIn
from sdks.comparing import assert_same
from sdks.conftest import url_of
from sdks.openai_calls import CALLS, HELLO, chat
from sdks.recording import SEEDED, Recorder, Run

Call = Callable[[openai.OpenAI], object]

plain_and_gzip = pytest.mark.parametrize("standin", ["plain", "gzip"], indirect=True)


def run(url: str, call: Call) -> Run:
    """Make `call` against the gateway at `url`, and keep what passed."""
    recorder = Recorder()
    with openai.OpenAI(
        base_url=f"{url}/v1",
        api_key="sk-demo",
        default_headers=SEEDED,
        max_retries=0,
        http_client=openai.DefaultHttpxClient(transport=recorder),
    ) as client:
        return Run(call(client), recorder.passed)


@plain_and_gzip
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_results_and_bodies_are_those_of_a_direct_run(
    call: Call, standin: StandIn, sidecar: RunningSidecar
) -> None:
    direct = run(standin.gateway_url, call)
    through = run(url_of(sidecar), call)
    assert through.passed[0].down.size > 0
    assert_same(direct, through, standin)


@pytest.mark.parametrize("standin", ["gzip"], indirect=True)
def test_an_answer_is_compressed_when_the_sdk_asks_for_it(standin: StandIn, sidecar: RunningSidecar) -> None:
    assert run(url_of(sidecar), chat).passed[0].coding == "gzip"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_error_answer_raises_the_exception_that_it_raises_directly(
    status: int, kind: type[openai.APIStatusError], standin: StandIn, sidecar: RunningSidecar
) -> None:
    def call(client: openai.OpenAI) -> object:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
        assert type(caught.value) is kind
        return caught.value.status_code, str(caught.value), caught.value.body

    standin.faults.gateway.next(GatewayFault(status=status), GatewayFault(status=status))
    direct = run(standin.gateway_url, call)
    assert_same(direct, run(url_of(sidecar), call), standin)


def test_what_the_provider_refuses_by_itself_is_the_same_sentence(
    standin: StandIn, sidecar: RunningSidecar
) -> None:
    def call(client: openai.OpenAI) -> object:
        with pytest.raises(openai.NotFoundError, match="does not exist") as unknown:
            client.models.retrieve("gpt-0")
        with pytest.raises(openai.BadRequestError, match="Missing required parameter") as missing:
            client.post("/chat/completions", body={}, cast_to=object)
        return unknown.value.body, missing.value.body

    direct = run(standin.gateway_url, call)
    assert_same(direct, run(url_of(sidecar), call), standin)


def test_the_wait_that_the_provider_asks_for_reaches_the_sdk(
    standin: StandIn, openai_client: openai.OpenAI
) -> None:
    standin.faults.gateway.next(GatewayFault(status=429, headers=(("Retry-After-Ms", "10"),)))
    completion = openai_client.with_options(max_retries=1).chat.completions.create(
        model="gpt-4o", messages=HELLO
    )
    assert completion.choices[0].message.content
    assert standin.gateway.total == 2
