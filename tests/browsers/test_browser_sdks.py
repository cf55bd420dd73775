"""The SDKs of OpenAI and Anthropic in a page of a listed origin: they call, read ids, see errors, and streams."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from browsers.chromium import Profile, Tab, needs_chromium
from browsers.pages import MODULES, Server
from harness.benches import AT_ONCE, Bench, StartBench
from harness.loops import LoopThread
from harness.standins import running_standin
from proxy.demo import GatewayFault, StandIn

TOKEN = "a-token-of-forty-letters-for-this-sidecar"
PROVIDER_KEY = "sk-provider-of-the-sidecar"

pytestmark = [
    pytest.mark.system,
    needs_chromium,
    pytest.mark.skipif(not MODULES.exists(), reason="npm's packages are not installed (`make node-app`)"),
]

OPENAI = """async ([baseURL, apiKey, stream]) => {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ baseURL, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 });
  const messages = [{ role: "user", content: "Hi" }];
  try {
    const { data, response } = await client.chat.completions.create({ model: "gpt-4o-mini", messages, stream })
      .withResponse();
    let text = "";
    if (stream) for await (const chunk of data) text += chunk.choices[0]?.delta?.content ?? "";
    else text = data.choices[0].message.content;
    return { text, id: response.headers.get("helicone-id"), feedback: response.headers.get("feedback-id") };
  } catch (error) {
    return { error: error.constructor.name, status: error.status, words: error.message };
  }
}"""
ANTHROPIC = """async ([baseURL, apiKey, stream]) => {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 });
  const messages = [{ role: "user", content: "Hi" }];
  const asked = { model: "claude-sonnet-4-5", max_tokens: 100, messages, stream };
  try {
    const { data, response } = await client.messages.create(asked).withResponse();
    let text = "";
    if (stream) for await (const event of data) text += event.delta?.text ?? "";
    else text = data.content[0].text;
    return { text, id: response.headers.get("helicone-id"), feedback: response.headers.get("feedback-id") };
  } catch (error) {
    return { error: error.constructor.name, status: error.status, words: error.message };
  }
}"""
SDKS = pytest.mark.parametrize(
    ("script", "path", "header"),
    [(OPENAI, "/v1", "Authorization"), (ANTHROPIC, "/anthropic", "x-api-key")],
    ids=["openai", "anthropic"],
)


@pytest.fixture
def start_app(
    profile: Profile, pages: Server, start_bench: StartBench, loop: LoopThread, scope: contextlib.ExitStack
) -> Callable[..., tuple[Bench, StandIn, Tab]]:
    """Starts a sidecar, Anthropic's own gateway behind it, and a page that may call."""

    def start(**settings: object) -> tuple[Bench, StandIn, Tab]:
        origin = f"http://app.test:{pages.port}"
        anthropic = scope.enter_context(running_standin(loop, AT_ONCE))
        route = {"routes.anthropic.url": anthropic.gateway_url, "routes.anthropic.preset": "anthropic"}
        bench = start_bench(**{"guard.allowed_origins": [origin], **route, **settings})
        return bench, anthropic, profile.open(f"{origin}/app.html")

    return start


def assert_answered(said: dict[str, Any]) -> None:
    assert said.get("text"), said
    assert said["id"] == said["feedback"]


@SDKS
def test_an_sdk_in_the_browser_calls_streams_and_sees_errors(
    start_app: Callable[..., tuple[Bench, StandIn, Tab]], script: str, path: str, header: str
) -> None:
    bench, anthropic, tab = start_app()
    base = f"http://localhost:{bench.sidecar.address[1]}{path}"
    for stream in (False, True):
        assert_answered(tab.run(script, [base, "sk-of-the-page", stream]))
    standin = anthropic if path == "/anthropic" else bench.standin
    # Anthropic's SDK of this version says its key there, too; `header` is where the sidecar puts its own.
    assert standin.gateway.last.header("Authorization") == "Bearer sk-of-the-page"
    standin.faults.gateway.next(GatewayFault(status=429))
    failed = tab.run(script, [base, "sk-of-the-page", False])
    assert (failed["error"], failed["status"]) == ("RateLimitError", 429)


@SDKS
def test_a_token_takes_the_place_of_the_providers_key_in_a_page(
    start_app: Callable[..., tuple[Bench, StandIn, Tab]], script: str, path: str, header: str
) -> None:
    guarded = {
        "guard.token": TOKEN,
        "routes.default.provider_key": PROVIDER_KEY,
        "routes.anthropic.provider_key": PROVIDER_KEY,
    }
    bench, anthropic, tab = start_app(**guarded)
    base = f"http://localhost:{bench.sidecar.address[1]}{path}"
    assert_answered(tab.run(script, [base, TOKEN, False]))
    assert_answered(tab.run(script, [base, TOKEN, True]))
    standin = anthropic if path == "/anthropic" else bench.standin
    for each in standin.gateway.all():
        assert PROVIDER_KEY in (each.header(header) or "")
        assert TOKEN not in repr(each.headers) + repr(each.target) + repr(each.body)
    # Without it the page is told so, and can read it.
    refused = tab.run(script, [base, "sk-of-the-page", False])
    assert (refused["error"], refused["status"]) == ("AuthenticationError", 401)
