"""The stand-in, a sidecar in front of it, and SDKs that differ in their base URL alone."""

import contextlib
from collections.abc import Iterator

import anthropic
import openai
import pytest

from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar
from harness.standins import running_standin
from proxy.demo import StandIn, StandInSettings
from sdks.feedback import Feedback
from sdks.recording import OWN_KEY


@pytest.fixture(autouse=True)
def past_every_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What README tells people whose machine has an HTTP proxy."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")


@pytest.fixture
def standin(request: pytest.FixtureRequest, scope: contextlib.ExitStack, sound_loop: LoopThread) -> StandIn:
    """A stand-in that ingests at once and streams quickly. Its parameter: whether it compresses every answer."""
    settings = StandInSettings(
        ingestion_delay_seconds=0.0,
        token_interval_seconds=0.0005,
        gzip=getattr(request, "param", "plain") == "gzip",
    )
    return scope.enter_context(running_standin(sound_loop, settings))


@pytest.fixture
def sidecar(start_sidecar: StartSidecar, standin: StandIn) -> RunningSidecar:
    """A sidecar in front of the stand-in, with a Helicone key of its own."""
    return start_sidecar(
        standin.gateway_url,
        **{"helicone.api_url": standin.api_url, "helicone.api_key": OWN_KEY},
    )


@pytest.fixture
def feedback(sidecar: RunningSidecar) -> Feedback:
    """The sidecar's own API."""
    return Feedback(sidecar.address)


@pytest.fixture
def openai_client(sidecar: RunningSidecar) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK as an app has it that knows nothing of Helicone, with its base URL set to the sidecar."""
    with openai.OpenAI(base_url=f"{url_of(sidecar)}/v1", api_key="sk-demo", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(sidecar: RunningSidecar) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, in the same way."""
    with anthropic.Anthropic(base_url=url_of(sidecar), api_key="sk-ant-demo", max_retries=0) as client:
        yield client


def url_of(sidecar: RunningSidecar) -> str:
    """Where `sidecar` is."""
    return f"http://{sidecar.authority.decode()}"
