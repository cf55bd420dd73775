"""Connections that leave this machine: which proxy they take, and that ratings take it too."""

import contextlib
import json

import pytest

from harness.authorities import Authority
from harness.loops import LoopThread
from harness.proxies import ConnectProxy, saying
from harness.sidecars import RunningSidecar, settings_of
from harness.upstreams import ScriptedUpstream, answering
from harness.wire import Message, head
from proxy.outbound import named_proxy, proxy_for
from relay.loops import needs_openssl

URL = "https://eu.api.example.test"
PROXY = {"HTTPS_PROXY": "http://proxy.test:3128"}
API = "api.example.test"
RATING = b'{"rating": true}'
ID = b"0175b24e-678c-4c03-ab2b-15e7ec47b6bc"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("proxy.test:3128", "http://proxy.test:3128"),
        ("HTTP://proxy.test/", "http://proxy.test"),
        ("http://user:p%40ss@proxy.test:3128", "http://user:p%40ss@proxy.test:3128"),
        (" http://[::1]:3128 ", "http://[::1]:3128"),
        ("", None),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_environment_names_a_proxy(name: str, given: str, expected: str | None) -> None:
    assert proxy_for(URL, {name: given}) == expected


def test_the_small_name_goes_first_and_an_empty_one_hides_the_other() -> None:
    assert proxy_for(URL, PROXY | {"https_proxy": "http://small.test"}) == "http://small.test"
    assert proxy_for(URL, PROXY | {"https_proxy": ""}) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.test",
        "https://localhost",
        "https://llm.localhost:1",
        "https://127.9.9.9",
        "https://[::1]:8",
    ],
)
def test_clear_text_and_this_machine_need_none(url: str) -> None:
    assert proxy_for(url, PROXY) is None


@pytest.mark.parametrize(
    ("url", "entry", "is_covered"),
    [
        (URL, "*", True),
        (URL, "eu.api.example.test", True),
        (URL, "EU.API.Example.Test", True),
        (URL, "example.test", True),
        (URL, ".example.test", True),
        (URL, "*.example.test", True),
        (URL, "other.test, example.test ,x", True),
        (URL, "example.test:443", True),
        (URL, "example.test:80", False),
        (f"{URL}:8443", "example.test:8443", True),
        (URL, "ample.test", False),
        (URL, "test.eu.api.example.test", False),
        (URL, "", False),
        (URL, ",", False),
        (URL, ".", False),
        (URL, "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "11.0.0.0/8", False),
        ("https://10.1.2.3", "2001:db8::/32", False),
        ("https://[2001:db8::1]:8443", "2001:db8::1", True),
        ("https://[2001:db8::1]", "2001:db8::/32", True),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_those_that_are_reached_directly(
    url: str, entry: str, is_covered: bool, name: str
) -> None:
    assert (named_proxy(url, PROXY | {name: entry}) is None) is is_covered


def test_a_proxy_that_cannot_be_used_is_told_without_its_password() -> None:
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: must name a proxy that is spoken to over") as caught:
        proxy_for(URL, {"HTTPS_PROXY": "https://user:canary@proxy.test"})
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


# --- ratings --------------------------------------------------------------------------------------------------


def rated(
    scope: contextlib.ExitStack, loop: LoopThread, api_url: str, environ: dict[str, str], **dotted: object
) -> Message:
    """The answer to a rating that leaves for that API."""
    given = {
        "helicone.api_url": api_url,
        "helicone.api_key": "sk-helicone-a-key-for-this-test",
        "upstream.trust_env": True,
        **dotted,
    }
    sidecar = scope.enter_context(RunningSidecar(loop, settings_of("http://127.0.0.1:9", **given), environ))
    request = head(
        b"POST /feedback/" + ID + b" HTTP/1.1",
        b"Host: localhost",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(RATING),
    )
    return sidecar.connect().ask(request + RATING)


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


@needs_openssl[1]
def test_ratings_go_through_the_proxy_and_trust_the_same_authorities(
    scope: contextlib.ExitStack, sound_loop: LoopThread, authority: Authority
) -> None:
    created = head(b"HTTP/1.1 201 Created", b"Content-Length: 2") + b"{}"
    api = scope.enter_context(ScriptedUpstream(answering(created), tls=authority.server(f"DNS:{API}")))
    proxy = scope.enter_context(ConnectProxy(api.port))
    environ = {"HTTPS_PROXY": proxy.url.replace("http://", "http://user:canary@")}
    answer = rated(
        scope, sound_loop, f"https://{API}:8443", environ, **{"upstream.ca_file": str(authority.certificate)}
    )
    assert answer.status == 200
    assert json.loads(answer.body)["state"] == "accepted"
    assert proxy.requests[0].start == b"CONNECT api.example.test:8443 HTTP/1.1"
    assert proxy.requests[0].value(b"proxy-authorization") == b"Basic dXNlcjpjYW5hcnk="
    assert proxy.requests[0].values(b"authorization") == []
    assert api.requests[0].target == b"/v1/request/" + ID + b"/feedback"
    assert api.requests[0].values(b"proxy-authorization") == []


def test_a_proxy_that_refuses_a_rating_is_told(scope: contextlib.ExitStack, sound_loop: LoopThread) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(head(b"HTTP/1.1 407 No", b"Content-Length: 0"))))
    environ = {"HTTPS_PROXY": proxy.url.replace("http://", "http://user:canary@")}
    answer = rated(scope, sound_loop, f"https://{API}", environ)
    assert answer.status == 202
    assert b"the proxy in HTTPS_PROXY answered 407 to CONNECT" in answer.body
    assert b"canary" not in answer.body


@needs_openssl[1]
def test_an_api_whose_certificate_is_refused_is_told_with_the_reason(
    scope: contextlib.ExitStack, sound_loop: LoopThread, authority: Authority
) -> None:
    api = scope.enter_context(ScriptedUpstream(answering(b""), tls=authority.server("IP:127.0.0.1")))
    answer = rated(scope, sound_loop, api.url, {})
    assert answer.status == 202
    assert (
        f"{api.url} cannot be reached: its certificate comes from an authority that is not".encode()
        in answer.body
    )
