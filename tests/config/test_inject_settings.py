"""The listener before a chat app, as the configuration says it."""

import re
from collections.abc import Mapping

import pytest

from harness.programs import Program, run_command
from harness.upstreams import StartUpstream, answering
from proxy.config.loading import advice, load_settings
from proxy.errors import ConfigurationError

APP = {"inject.upstream": "http://127.0.0.1:3000"}
TOKEN = {"guard.token": "a-SECRET-token-of-24-bytes"}


def problems(**flags: object) -> list[str]:
    """What is wrong with these settings."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, flags)
    return caught.value.problems


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"inject.upstream": "http://127.0.0.1:3000/chat"}, "inject.upstream: must be a URL without a path"),
        (
            {"inject.upstream": "127.0.0.1:3000"},
            "inject.upstream: must be a URL that begins with http:// or https://",
        ),
        ({"inject.user_cookie": "a b", **APP}, "inject.user_cookie: must be the name of a cookie"),
        ({"inject.user_header": "", **APP}, "inject.user_header: must be the name of a header"),
        (
            {"inject.user_header": "Cookie", **APP},
            "inject.user_header: must be a header without secrets in it",
        ),
        ({"inject.port": 8000}, "inject.port: has no effect without inject.upstream"),
        ({"inject.session_cookie": "sid"}, "inject.session_cookie: has no effect without inject.upstream"),
        (
            {"inject.upstream": "http://localhost:8748"},
            "inject.upstream: is the address that the app is to be opened at (inject.port)",
        ),
        (
            {"inject.upstream": "http://[::1]:8747"},
            "inject.upstream: is the sidecar's own address (server.port), which has no pages",
        ),
        ({**APP, "inject.port": 8747}, "inject.port: inject.port and server.port are the same"),
        ({**APP, "server.port": 8748}, "--port: inject.port and server.port are the same"),
        ({**APP, "inject.host": []}, "inject.host: must name at least one address"),
        (
            {**APP, "inject.host": ["192.0.2.7"]},
            "inject.host: names an address that other machines may reach",
        ),
        ({**APP, **TOKEN, "inject.host": ["0.0.0.0"]}, "inject.host: names all addresses of this machine"),
    ],
)
def test_what_cannot_be_is_said_in_words(flags: Mapping[str, object], said: str) -> None:
    [found] = problems(**flags)
    assert found.startswith(said)


def test_all_addresses_for_the_app_need_the_same_switch_as_elsewhere() -> None:
    flags = {**APP, **TOKEN, "inject.host": ["0.0.0.0"], "guard.dangerously_bind_all_interfaces": True}
    settings = load_settings(None, {}, flags)
    said = "\n".join(advice(settings, {}))
    assert "say who is at a page, as in inject.user_cookie" in said
    assert "answers only to localhost until guard.allowed_hosts" in said
    settings = load_settings(None, {}, {**flags, "inject.user_cookie": "user"})
    assert "who is at a page" not in "\n".join(advice(settings, {}))


def test_check_says_where_the_app_is_opened_and_whose_answers_are_rated() -> None:
    env = {"HELICONE_PROXY_INJECT__UPSTREAM": "http://127.0.0.1:3000"}
    said = run_command("check", env=env).stdout
    whose = "an answer to rate is the newest one, whoever asked."
    assert f"http://127.0.0.1:3000 is opened with thumbs on port 8748; {whose}" in said
    named = {"HELICONE_PROXY_INJECT__USER_COOKIE": "uid", "HELICONE_PROXY_INJECT__SESSION_HEADER": "X-Chat"}
    said = run_command("check", env=env | named).stdout
    assert "an answer to rate is those of the user in uid and the session in X-Chat." in said


def test_serve_says_where_and_a_port_that_is_taken_is_named(start_upstream: StartUpstream) -> None:
    app = start_upstream(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))
    env = {"HELICONE_PROXY_INJECT__UPSTREAM": app.url, "HELICONE_PROXY_OUTBOX__PATH": ":memory:"}
    with Program("serve", "--port", "0", env=env | {"HELICONE_PROXY_INJECT__PORT": "0"}) as program:
        program.wait_for(rf"^   {re.escape(app.url)} is opened with thumbs at http://localhost:[0-9]+ \(")
        assert program.stop() == 0
    other = env | {"HELICONE_PROXY_INJECT__UPSTREAM": "http://127.0.0.1:9"}
    done = run_command("serve", "--port", "0", env=other | {"HELICONE_PROXY_INJECT__PORT": str(app.port)})
    assert done.returncode == 1
    assert "choose another port with [inject] port (0 picks a free one)" in done.stderr
