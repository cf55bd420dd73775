"""Whether an id that an app holds leads to its own request: the thumb is looked for at the stand-in."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.loops import DEADLINE_SECONDS
from harness.programs import environment
from harness.wire import wait_until
from proxy.demo import StandIn
from sdks.feedback import Feedback

APPS = Path(__file__).parent / "apps"
NODE = Path(__file__).parent / "node"
START_SECONDS = 60.0
"""Importing a framework takes seconds on a busy machine."""

QUIET = {"OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}
"""Frameworks that report to their makers are told not to."""


@dataclass(frozen=True)
class Held:
    """An id that an app was given: that of the request with these words, or of one such `turn` among several."""

    how: str
    words: str
    id: str | None
    turn: int = -1


def requests_with(standin: StandIn, words: str) -> list[str]:
    """The Helicone ids of those requests that had exactly these words in their body, in the order of arrival."""
    sent = [each for each in standin.gateway.all() if json.dumps(words).encode() in each.body]
    return [each.values("Helicone-Request-Id")[0] for each in sent]


def thumbs_of(standin: StandIn) -> dict[str, bool]:
    """The stored thumbs by Helicone id."""
    rows = standin.ledger.rows
    return {row.request_id: row.rating for row in rows if row.rating is not None}


def assert_each_is_found(standin: StandIn, feedback: Feedback, held: Iterable[Held]) -> None:
    """Rate by each id, the newest first, thumbs alternating: each is where it belongs, and none elsewhere."""
    meant: dict[str, tuple[str, bool]] = {}
    said: dict[str, tuple[str, bool]] = {}
    for number, each in enumerate(reversed(list(held))):
        up = number % 2 == 0
        answer = feedback.ask("POST", f"/{each.id}", {"rating": up})
        assert answer.status == 200, (each, answer.document)
        said[each.how] = answer.document["rated"]["id"], answer.document["rating"]
        meant[each.how] = requests_with(standin, each.words)[each.turn], up
    assert said == meant
    wait_until(lambda: len(thumbs_of(standin)) >= len(meant), "the stand-in has every thumb")
    assert thumbs_of(standin) == dict(meant.values())


def run_app(command: Sequence[str | Path], url: str) -> list[Held]:
    """Run an app whose base URL is `url` and give what it has written: one id a line, as JSON.

    It may speak to nobody else: what goes elsewhere would go through the proxy that it is told of.
    """
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        proxy = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
        told = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "localhost,127.0.0.1", **QUIET}
        ran = subprocess.run(
            [*command, url],
            env=environment({**told, "OPENAI_API_KEY": "sk-demo", "LANGSMITH_API_KEY": "demo"}),
            capture_output=True,
            encoding="utf-8",
            timeout=START_SECONDS + DEADLINE_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        elsewhere.setblocking(False)
        try:
            _, who = elsewhere.accept()
        except BlockingIOError:
            return [Held(**json.loads(line)) for line in ran.stdout.splitlines()]
        raise AssertionError(f"the app spoke to somebody else ({who})")


def run_python_app(name: str, url: str) -> list[Held]:
    """Run one of `apps/`."""
    return run_app([sys.executable, APPS / name], url)


def missing_programs(*names: str) -> list[str]:
    """Which of these programs are not installed."""
    return [name for name in names if shutil.which(name) is None]
