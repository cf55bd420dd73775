"""The chat page in a browser: an answer streams in, a thumb beside it is clicked, and Helicone has it."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browsers.chromium import Chromium, Profile, needs_chromium
from harness.demos import EXAMPLES, Demo
from harness.loops import DEADLINE_SECONDS


@pytest.fixture
def address(demo: Demo, tmp_path: Path) -> Iterator[str]:
    """The example's server, running."""
    with subprocess.Popen(
        [sys.executable, "-P", EXAMPLES / "chat_page" / "server.py", "0"],
        env=demo.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as server:
        assert server.stdout is not None
        try:
            said = re.search(r"http://localhost:\d+", server.stdout.readline())
            assert said
            yield said[0]
        finally:
            server.kill()


@pytest.fixture
def profile() -> Iterator[Profile]:
    """A browser of its own."""
    with Chromium(public_port=1) as chromium, chromium.open_profile() as opened:
        yield opened


@pytest.mark.system
@needs_chromium
def test_a_thumb_on_the_page_is_verified(demo: Demo, address: str, profile: Profile) -> None:
    tab = profile.open(address)
    tab.run(
        """() => document.addEventListener("feedback-verified", (event) => { self.verified = event.detail })"""
    )
    tab.type("Is it raining?")
    tab.press("Enter")
    # While it streams there is text, and no thumb yet.
    tab.wait("() => document.querySelector('.answer div')?.textContent.length > 10")
    assert tab.run("() => document.querySelector('helicone-feedback')") is None
    # Nobody has to wait here for whether the thumb is taken back.
    tab.wait("() => document.querySelector('helicone-feedback')")
    tab.run("() => document.querySelector('helicone-feedback').setAttribute('hold', '0s')")
    tab.click("helicone-feedback >> button.down")
    assert "Is it raining?" in tab.run("() => document.querySelector('.answer div').textContent")
    tab.wait("() => self.verified")
    verified = tab.run("() => self.verified")
    assert verified["rating"] is False
    assert demo.stored(verified["call"]) == "👎"
    assert tab.complaints == []


def asked(address: str, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=DEADLINE_SECONDS)
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "rating": True}).encode()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_server_hands_on_what_its_page_needs_and_nothing_else(address: str) -> None:
    assert asked(address, "GET", "/feedback/widget.js")[0] == 200
    assert asked(address, "POST", "/chat")[0] == 200
    for method, path in (
        ("POST", "/feedback/last"),
        ("POST", "/feedback/batch"),
        ("DELETE", "/feedback/last"),
        ("GET", "/feedback"),
        ("GET", "/feedback/outbox"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/../server.py"),
    ):
        assert asked(address, method, path)[0] == 404, path
    for site in ("cross-site", "same-site"):
        assert asked(address, "POST", "/chat", **{"Sec-Fetch-Site": site})[0] == 403
    unknown = "00000000-0000-4000-8000-000000000000"
    status, said = asked(address, "DELETE", f"/feedback/{unknown}")
    assert (status, json.loads(said)["error"]["code"]) == (404, "unknown_rating")
