"""Rules rate calls by themselves, over real sockets."""

import contextlib
import os
import random
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.benches import CHAT_PATH, JSON, chat_body, document, request
from harness.clients import Client
from harness.codings import CODINGS
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import Message, head, wait_until
from rules.answers import FORMS

KEY = "sk-helicone-aaaaaaa-bbbbbbb-ccccccc-ddddddd"
GUIDE = [
    {"name": "too short", "when": {"text_max_length": 50}, "rating": "down"},
    {"name": "error marked", "when": {"text_matches": r"\[error\]"}, "rating": "down"},
]
"""The example of Helicone's guide."""


class Answer:
    """An answer of a gateway's."""

    def __init__(self, body: bytes, *, streamed: bool = False, coding: str = "", status: int = 200) -> None:
        self.body = CODINGS[coding][1](body) if coding else body
        kind = b"text/event-stream" if streamed else b"application/json"
        lines = [b"Content-Type: " + kind]
        if coding:
            lines.append(b"Content-Encoding: " + CODINGS[coding][0])
        self.bytes = (
            head(b"HTTP/1.1 %d OK" % status, *lines, b"Content-Length: %d" % len(self.body)) + self.body
        )


def gateway(answers: dict[str, Answer]) -> Callable[[UpstreamWire], None]:
    """Gives the answer that a call's `X-Answer` names."""

    def script(connection: UpstreamWire) -> None:
        while True:
            asked = connection.read_request()
            connection.send(answers[(asked.value(b"x-answer") or b"").decode()].bytes)

    return script


class Bench:
    """A gateway with answers, and a sidecar with rules before it."""

    def __init__(self, sidecar: RunningSidecar) -> None:
        self.sidecar = sidecar

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        client = self.sidecar.connect()
        yield client
        client.close()

    def get(self, target: str, method: str = "GET", body: bytes = b"") -> Message:
        with self.client() as client:
            return client.ask(request(method, target, body, JSON))

    def call(self, name: str, *lines: bytes, client: Client | None = None) -> str:
        """One call; its id."""
        asked = request("POST", CHAT_PATH, chat_body(), JSON, b"X-Answer: " + name.encode(), *lines)
        if client is not None:
            answer = client.ask(asked)
        else:
            with self.client() as own:
                answer = own.ask(asked)
        return (answer.value(b"feedback-id") or b"").decode()

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = document(self.get("/feedback/health"))["rules"]
        return found

    def wait_until_judged(self, number: int) -> dict[str, Any]:
        def is_done() -> bool:
            report = self.report()
            done = report["judged"] + report["unratable"] >= number
            return bool(
                done and report["rated"] + report["overruled"] + report["failed"] >= len(self.ratings())
            )

        wait_until(is_done, f"{number} calls are judged")
        return self.report()

    def ratings(self) -> dict[str, dict[str, Any]]:
        """All ratings, by call."""
        listed = document(self.get("/feedback/outbox?limit=500"))
        return {each["id"]: each for each in listed["ratings"]}

    def rating(self, request_id: str) -> dict[str, Any] | None:
        found = document(self.get(f"/feedback/{request_id}"))
        rating: dict[str, Any] | None = found["rating"]
        return rating


StartRules = Callable[..., Bench]


@pytest.fixture
def start_rules(start_upstream: StartUpstream, start_sidecar: StartSidecar) -> StartRules:
    def start(answers: dict[str, Answer], rules: list[dict[str, Any]], **dotted: object) -> Bench:
        upstream = start_upstream(gateway(answers))
        given = {"helicone.api_key": KEY, "routes.default.helicone": True, "rules": rules, **dotted}
        return Bench(start_sidecar(upstream.url, **given))

    return start


def chat(text: str) -> Answer:
    return Answer(FORMS["chat"][0](text, {}, "stop"))


def test_the_guides_example_is_two_rules(start_rules: StartRules) -> None:
    long = "All is well, and there is much to be said about it: " * 2
    texts = {"short": "Hm.", "fine": long, "error": f"{long}[error] {long}", "both": "[error]"}
    bench = start_rules({name: chat(text) for name, text in texts.items()}, GUIDE)
    ids = {name: bench.call(name) for name in texts}

    bench.wait_until_judged(4)
    wait_until(lambda: bench.report()["rated"] == 3, "three are rated")
    found = {name: bench.rating(ids[name]) for name in texts}
    assert found["fine"] is None
    by = {name: (each["rating"], each["source"], each["rule"]) for name, each in found.items() if each}
    assert by == {
        "short": (False, "automated", "too short"),
        "error": (False, "automated", "error marked"),
        "both": (False, "automated", "too short"),
    }
    assert bench.report()["rules"] == [{"name": "too short", "held": 2}, {"name": "error marked", "held": 2}]


MANY = int(os.environ.get("RULES_ANSWERS", "1000"))
"""How many answers are judged; 10,000 take a minute."""

WORDS = ["[error]", "well", "naïve", "{}", "👍", "a fairly long word that fills the line", "\n"]


def any_answer(chance: random.Random) -> tuple[Answer, str | None]:
    """An answer in any form and coding, and the rule of the guide that it meets first."""
    text = " ".join(chance.choices(WORDS, k=chance.randrange(12)))
    tools = {"search": '{"q":1}'} if chance.random() < 0.2 else {}
    form, coding = chance.choice(sorted(FORMS)), chance.choice(["", "", *CODINGS])
    make, streamed = FORMS[form]
    said = "\n".join([*([text] if text else []), *(f"{name}({given})" for name, given in tools.items())])
    rule = "too short" if len(said) <= 50 else "error marked" if "[error]" in said else None
    return Answer(make(text, tools, "stop"), streamed=streamed, coding=coding), rule


def test_rules_are_right_on_each_of_many_answers(start_rules: StartRules) -> None:
    chance = random.Random(8)
    made = {str(number): any_answer(chance) for number in range(200)}
    settings = {"calls.capacity": MANY + 1, "delivery.burst": 1}
    bench = start_rules({name: answer for name, (answer, _) in made.items()}, GUIDE, **settings)
    expected: dict[str, str | None] = {}
    with bench.client() as client:
        for number in range(MANY):
            name = str(number % len(made))
            expected[bench.call(name, client=client)] = made[name][1]
    rated = sum(rule is not None for rule in expected.values())
    wait_until(
        lambda: bench.report()["judged"] == MANY and bench.report()["rated"] == rated, "all are judged"
    )

    found = {request_id: bench.rating(request_id) for request_id in expected}
    assert {each: None if said is None else said["rule"] for each, said in found.items()} == expected
    assert {said["rating"] for said in found.values() if said} == {False}
    report = bench.report()
    assert [report[each] for each in ("too_long", "unreadable", "dropped", "failed", "overruled")] == [0] * 5


FUNCTIONS = """
import time


def length(facts, text):
    return {"rating": "up", "scores": {"length": len(text or "")}, "tags": [facts["model"]], "rater": "me"}


def sleeps(facts, text):
    time.sleep(3600)


def up(facts, text):
    return True if facts["status"] == 200 and facts["tools"] == [] else None


def raises(facts, text):
    raise ValueError(text)


def gives_nonsense(facts, text):
    return {"rating": text}


def gives_nothing(facts, text):
    return {"rater": "me", "tags": []}


def gives_no_data(facts, text):
    return {"rating": b"up"}


def gives_odd_names(facts, text):
    return {"scores": {("odd", "name"): 1}}


def ends(facts, text):
    raise SystemExit
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of somebody's own, found by the process that runs it."""
    (tmp_path / "my_rules.py").write_text(textwrap.dedent(FUNCTIONS), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "my_rules"


def test_a_function_says_what_a_person_could(start_rules: StartRules, functions: str) -> None:
    rules = [
        {"name": "mine", "call": f"{functions}:length"},
        {"name": "second", "call": f"{functions}:up"},
        {"name": "third", "when": {"status": "2xx"}, "comment": "seen", "tags": ["b"]},
    ]
    bench = start_rules({"a": chat("Hello")}, rules)
    request_id = bench.call("a")
    wait_until(lambda: bench.rating(request_id) is not None, "it is rated")
    rating = bench.rating(request_id) or {}
    assert (rating["rating"], rating["scores"], rating["rule"]) == (True, {"length": 5}, "mine")
    assert (rating["comment"], rating["tags"], rating["rater"]) == ("seen", ["gpt-4o-mini", "b"], "me")
    assert rating["source"] == "automated"


@pytest.mark.parametrize(
    "function",
    ["raises", "gives_nonsense", "gives_nothing", "gives_no_data", "gives_odd_names", "ends", "is_not_there"],
)
def test_a_function_that_fails_is_counted_and_the_next_call_is_judged(
    start_rules: StartRules, functions: str, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [
        {"name": "bad", "when": {"text_matches": "canary"}, "call": f"{functions}:{function}"},
        {"name": "good", "call": f"{functions}:up"},
    ]
    bench = start_rules({"a": chat("canary")}, rules)
    for number in (1, 2):
        request_id = bench.call("a")
        wait_until(lambda: bench.report()["rated"] == number, "the other function rates it")  # noqa: B023
        assert (bench.rating(request_id) or {})["rule"] == "good"
        assert bench.report()["failed"] == number
    assert "canary" not in caplog.text


def test_a_function_that_sleeps_delays_no_call(start_rules: StartRules, functions: str) -> None:
    rules = [
        {"name": "slow", "when": {"model": "gpt-*"}, "call": f"{functions}:sleeps", "timeout_seconds": 0.3},
        {"name": "hostile", "when": {"text_matches": "(x+x+)+y"}, "rating": "down"},
        {"name": "plain", "when": {"text_min_length": 1}, "tags": ["seen"]},
    ]
    bench = start_rules({"a": chat("x" * 200_000)}, rules)
    ids = [bench.call("a") for _ in range(5)]
    # Each is answered before the first function is ended.
    assert bench.report()["timed_out"] < 5
    wait_until(lambda: bench.report()["timed_out"] == 5, "the functions are ended")
    wait_until(lambda: bench.report()["rated"] == 5, "the other rules have rated them")
    assert {(bench.rating(each) or {})["rule"] for each in ids} == {"plain"}


def test_a_person_wins_whoever_comes_first(start_rules: StartRules) -> None:
    rules = [{"name": "all", "when": {"status": 200}, "rating": "down", "comment": "bad", "tags": ["t"]}]
    bench = start_rules({"a": chat("Hello")}, rules)
    first = bench.call("a")
    wait_until(lambda: bench.rating(first) is not None, "the rule has rated it")
    bench.get(f"/feedback/{first}", "POST", b'{"rating": true}')
    rating = bench.rating(first) or {}
    assert (rating["rating"], rating.get("rule"), rating.get("comment"), rating.get("tags")) == (
        True,
        None,
        None,
        None,
    )

    answer = bench.get(f"/feedback/{first}", "POST", b'{"rating": false, "source": "automated"}')
    assert "That is what a person said" in document(answer)["message"]
    assert (bench.rating(first) or {})["rating"] is True


def test_what_cannot_be_rated_is_counted(start_rules: StartRules) -> None:
    rules = [{"name": "all", "when": {"path": "/v1/*"}, "rating": "down"}]
    bench = start_rules({"a": chat("Hello")}, rules, **{"helicone.api_key": None})
    bench.call("a")
    wait_until(lambda: bench.report()["unratable"] == 1, "it is counted")
    assert bench.report()["rated"] == bench.report()["failed"] == 0


def test_what_is_too_long_is_counted_and_not_judged(start_rules: StartRules) -> None:
    answers = {
        "long": chat("x" * 300_000),
        "packed": Answer(FORMS["chat"][0]("x" * 300_000, {}, "stop"), coding="gzip"),
    }
    rules = [{"name": "any", "when": {"text_min_length": 1}, "rating": "up"}]
    bench = start_rules(answers, rules)
    for name in answers:
        bench.call(name)
    wait_until(lambda: bench.report()["too_long"] == 2, "both are counted")
    assert bench.report()["rated"] == 0


def test_a_sample_is_a_share_of_the_calls(start_rules: StartRules) -> None:
    rules = [{"name": "half", "when": {"status": 200}, "rating": "up", "sample": 0.5}]
    bench = start_rules({"a": chat("Hello")}, rules)
    with bench.client() as client:
        for _ in range(300):
            bench.call("a", client=client)
    wait_until(lambda: bench.report()["judged"] == 300, "all are judged")
    # Less likely to be outside than that a disk breaks.
    assert 75 < bench.report()["rules"][0]["held"] < 225


def test_a_folder_with_our_name_where_it_was_started_is_not_taken_for_ours(
    start_rules: StartRules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "__init__.py").write_text("raise SystemExit")
    (tmp_path / "graders.py").write_text("def up(facts, text):\n    return 'up'\n")
    monkeypatch.chdir(tmp_path)
    bench = start_rules({"a": chat("Hello")}, [{"name": "own", "call": "graders:up"}])
    request_id = bench.call("a")
    wait_until(lambda: bench.rating(request_id) is not None, "the function beside it has rated the call")
    assert bench.report()["failed"] == 0


def test_what_is_under_way_is_judged_before_a_stop(
    start_rules: StartRules, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [{"name": "short", "when": {"text_max_length": 50}, "rating": "down"}]
    bench = start_rules({"a": chat("Hello")}, rules, **{"server.grace_seconds": 10})
    judge = bench.sidecar.sidecar.parts.judge
    ids = [bench.call("a") for _ in range(20)]
    bench.sidecar.begin_stop().result(30)
    assert judge is not None
    assert judge.counts["rated"] == len(ids)
    assert "left unjudged" not in caplog.text
