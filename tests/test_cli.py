"""The commands, as people and scripts use them: against a real sidecar, and as programs of their own."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner
from rich.console import Console

from harness.benches import JSON, Bench, StartBench, chat_body, document, id_of, request
from harness.clients import Client
from harness.programs import Program, environment, run_command
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import wait_until
from proxy import __version__, commands
from proxy.calls import recorder
from proxy.cli import COMMANDS, main
from proxy.commands import outbox
from proxy.commands.recent import table
from proxy.demo import DEMO_KEY, ApiFault, GatewayFault

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
CANARY = "sk-helicone-canaryx-canaryx-canaryx-canaryx"
READY = r"^helicone-proxy listens on http://localhost:(\d+) \((.+)\) and relays to (\S+)$"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """What it printed as JSON."""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found


def command(*arguments: str, **env: str) -> Outcome:
    """Run a command in this process, with its own environment; a traceback is a failure of the test."""
    ours = {name: None for name in os.environ if name.upper().startswith("HELICONE")}
    result = CliRunner().invoke(main, list(arguments), env={**ours, **env})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def asked(bench: Bench, *arguments: str) -> Outcome:
    """Run a command that talks to `bench`."""
    return command(*arguments, HELICONE_PROXY_URL=f"http://127.0.0.1:{bench.sidecar.sidecar.port}")


def one_sentence(outcome: Outcome, status: int = 1) -> str:
    """The one line with which a command fails."""
    assert (outcome.status, outcome.stdout) == (status, ""), outcome
    (line,) = outcome.stderr.splitlines()
    return line


# -- rate


@pytest.mark.parametrize(("word", "up"), [("up", True), ("down", False), ("UP", True)])
def test_rate_rates_the_newest_answer_and_says_which(bench: Bench, word: str, up: bool) -> None:
    request_id = id_of(bench.chat(model="gpt-4o"))
    outcome = asked(bench, "rate", word)
    thumb = "👍" if up else "👎"
    said = outcome.stdout
    assert (outcome.status, outcome.stderr) == (0, "")
    assert said.startswith(f"{thumb} for the answer of gpt-4o, just now. Helicone accepted it. Whether it is")
    assert said.endswith(f"\n   {request_id}\n")
    assert [(event.request_id, event.rating) for event in bench.events] == [(request_id, up)]


def test_rate_takes_an_id_or_counts_back(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    assert asked(bench, "rate", "up", ids[0].upper()).status == 0
    assert asked(bench, "rate", "down", "--back", "1").status == 0
    assert [(event.request_id, event.rating) for event in bench.events] == [(ids[0], True), (ids[1], False)]


def test_rate_prints_json_for_scripts(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    said = asked(bench, "rate", "up", "--json").document
    assert (said["rated"]["id"], said["rating"], said["state"]) == (request_id, True, "accepted")


def test_rate_takes_an_id_that_is_not_remembered(bench: Bench) -> None:
    assert UNKNOWN in asked(bench, "rate", "up", UNKNOWN).stdout
    assert asked(bench, "rate", "up", UNKNOWN, "--json").document["rated"] == {"id": UNKNOWN, "known": False}


def test_commands_mean_the_calls_that_they_are_told_of(bench: Bench) -> None:
    lines = (b"Helicone-User-Id: ann", b"Helicone-Session-Id: s1", b"Helicone-Property-App: shop=1")
    wanted = id_of(bench.chat(*lines, b"User-Agent: curl/8", model="gpt-4o"))
    bench.chat(b"Helicone-User-Id: bob")
    for scope in (
        ("--user", "ann"),
        ("--session", "s1", "--back", "0"),
        ("--model", "gpt-4o", "--strict"),
        ("--client", "CURL"),
        ("--property", "App=shop=1"),
        ("--path", "/v1/chat", "--user", "ann", "--no-strict"),
    ):
        said = asked(bench, "rate", "up", *scope, "--wait", "queued", "--hold", "60s", "--json")
        assert said.document["rated"]["id"] == wanted, scope
        assert wanted in asked(bench, "withdraw", *scope).stdout
        filters = [each for each in scope if each not in ("--strict", "--no-strict", "--back", "0")]
        assert [call["id"] for call in asked(bench, "recent", "--json", *filters).document["calls"]] == [
            wanted
        ]
    assert asked(bench, "recent", "--user", "carl").stdout == "No such call is remembered.\n"
    assert "user=carl" in one_sentence(asked(bench, "rate", "up", "--user", "carl"))
    for name in ("rate", "withdraw"):
        arguments = ("up", "--strict") if name == "rate" else ("--strict",)
        sentence = one_sentence(asked(bench, name, *arguments))
        assert "2 conversations" in sentence
        assert wanted in sentence
    assert asked(bench, "rate", "up", "--property", "App").status == 2
    for option in (("--user", "ann"), ("--strict",), ("--property", "a=b")):
        assert asked(bench, "rate", "up", wanted, *option).status == 2
    assert bench.posted == []


@pytest.mark.parametrize(
    "arguments",
    [("rate", "up", "\udcff"), ("rate", "up", "--user", "\udcff"), ("recent", "--property", "\udcff=1")],
)
def test_bytes_that_are_no_text_are_a_mistake(bench: Bench, arguments: tuple[str, ...]) -> None:
    outcome = asked(bench, *arguments)
    assert outcome.status == 2
    assert "is not valid text" in outcome.stderr


@pytest.mark.parametrize("arguments", [("rate", "up"), ("withdraw",), ("outbox", "show")])
def test_an_empty_id_is_a_mistake(bench: Bench, arguments: tuple[str, ...]) -> None:
    """A variable of a script that was never set, say."""
    bench.chat()
    for empty in ("", " "):
        outcome = asked(bench, *arguments, empty)
        assert outcome.status == 2
        assert "The ID is empty" in outcome.stderr
    assert bench.posted == []


def test_rate_with_an_id_and_back_is_a_mistake(bench: Bench) -> None:
    outcome = asked(bench, "rate", "up", UNKNOWN, "--back", "1")
    assert outcome.status == 2
    assert "so they go without an ID" in outcome.stderr
    assert bench.posted == []


@pytest.mark.parametrize(
    "arguments", [(), ("sideways",), ("up", "--back", "-1"), ("up", "--back", "x"), ("up", "a", "b")]
)
def test_rate_without_a_proper_thumb_is_a_mistake(bench: Bench, arguments: tuple[str, ...]) -> None:
    outcome = asked(bench, "rate", *arguments)
    assert outcome.status == 2
    assert "Usage:" in outcome.stderr
    assert bench.posted == []


def test_rate_repeats_the_sidecars_sentence(bench: Bench) -> None:
    assert "No answer has come through the sidecar since it was started" in one_sentence(
        asked(bench, "rate", "up")
    )
    bench.chat()
    assert "not 5 remembered" in one_sentence(asked(bench, "rate", "up", "--back", "5"))
    bench.standin.faults.api.next(ApiFault(status=422))
    assert "It can never arrive." in one_sentence(asked(bench, "rate", "up", "--json"))


def test_rate_says_what_keeps_a_rating(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(ApiFault(status=401)):
        outcome = asked(bench, "rate", "up")
    assert outcome.status == 0
    assert "It is queued, and waits for its key." in outcome.stdout
    assert "HELICONE_API_KEY" in outcome.stdout


def test_rate_takes_words_scores_and_more(bench: Bench) -> None:
    bench.chat()
    said = asked(
        bench, "rate", "down", "--comment", "too long", "--score", "tone=-4", "--score", "a=b=true", "--tag", "x",
        "--tag", "y z", "--rater", "ada", "--source", "developer", "--wait", "queued", "--json",
    ).document  # fmt: skip
    assert (said["rating"], said["comment"], said["tags"]) == (False, "too long", ["x", "y z"])
    assert said["scores"] == {"tone": -4, "a=b": True}
    assert (said["rater"], said["source"], said["state"]) == ("ada", "developer", "queued")


def test_rate_needs_no_thumb_where_there_are_words_or_scores(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(2)]
    assert asked(bench, "rate", "--comment", "so so", "--wait", "queued", "--json").document["rating"] is None
    said = asked(bench, "rate", ids[0], "--score", "tone=0", "--wait", "queued", "--json").document
    assert (said["rated"]["id"], said["scores"]) == (ids[0], {"tone": 0})


def test_rate_waits_and_holds_as_it_is_told(bench: Bench) -> None:
    bench.chat()
    outcome = asked(bench, "rate", "up", "--hold", "30s", "--back", "0")
    assert "It leaves in 30 s; until then" in outcome.stdout
    assert bench.posted == []
    assert "It leaves in 1 min; until then" in asked(bench, "rate", "up", "--hold", "1m").stdout


@pytest.mark.parametrize(
    ("option", "value"), [("--hold", "1 day"), ("--hold", "2h"), ("--timeout", "61s"), ("--timeout", "-1")]
)
def test_rate_says_in_its_own_words_what_a_time_span_is(bench: Bench, option: str, value: str) -> None:
    bench.chat()
    outcome = asked(bench, "rate", "up", option, value)
    assert outcome.status == 2
    assert "is needed, as in 5s, 500ms or 1m." in outcome.stderr
    assert option in outcome.stderr
    assert "?" not in outcome.stderr
    assert bench.posted == []


def test_the_help_of_rate_tells_what_it_takes() -> None:
    said = " ".join(command("rate", "--help").stdout.split())
    for words in ("true and false", "thumbs_down", "may be given several times", "--timeout"):
        assert words in said


@pytest.mark.parametrize("score", ["tone", "tone=", "tone=4.5", "tone=yes", "tone=True", "tone=" + "9" * 20])
def test_rate_takes_no_other_score(bench: Bench, score: str) -> None:
    bench.chat()
    outcome = asked(bench, "rate", "up", "--score", score)
    assert outcome.status == 2
    assert "NAME=VALUE" in outcome.stderr
    assert bench.posted == []


def test_rate_refuses_an_empty_comment_rather_than_to_drop_it(bench: Bench) -> None:
    bench.chat()
    assert "comment is empty" in one_sentence(asked(bench, "rate", "up", "--comment", ""))


# -- withdraw


def test_withdraw_takes_back_what_has_not_left(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    for request_id in ids:
        asked(bench, "rate", "up", request_id, "--hold", "30s")
    outcome = asked(bench, "withdraw")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("Taken back: 👍 for the answer of gpt-4o-mini, just now.")
    assert outcome.stdout.endswith(f"\n   {ids[2]}\n")
    assert asked(bench, "withdraw", "--back", "1", "--json").document["rated"]["id"] == ids[1]
    assert asked(bench, "withdraw", ids[0]).status == 0
    assert bench.posted == []


def test_withdraw_says_why_it_cannot(bench: Bench) -> None:
    bench.chat()
    assert "no rating" in one_sentence(asked(bench, "withdraw"))
    asked(bench, "rate", "up")
    assert "Helicone cannot remove a rating" in one_sentence(asked(bench, "withdraw"))
    assert asked(bench, "withdraw", UNKNOWN, "--back", "1").status == 2


# -- outbox


def test_outbox_lists_what_is_kept(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    asked(bench, "rate", "up", ids[0])
    asked(bench, "rate", "down", ids[1], "--hold", "30s")
    bench.standin.faults.api.next(ApiFault(status=422))
    asked(bench, "rate", "up", ids[2])
    outcome = asked(bench, "outbox", "list")
    assert (outcome.status, outcome.stderr) == (0, "")
    header, refused, held, accepted = outcome.stdout.splitlines()
    assert header.split() == ["rating", "state", "posts", "next", "id", "why"]
    assert re.search(rf"👍 +refused +1 +{ids[2]} +Helicone", refused)
    assert re.search(rf"👎 +held +0 +(30|29) s +{ids[1]}", held)
    assert re.search(rf"👍 +accepted +1 +(20|19) s +{ids[0]}", accepted)
    few = asked(bench, "outbox", "list", "--state", "held", "--state", "refused", "--limit", "1", "--json")
    assert [each["id"] for each in few.document["ratings"]] == [ids[2]]


def test_outbox_says_when_there_is_nothing(bench: Bench) -> None:
    assert asked(bench, "outbox", "list") == Outcome(0, "Nothing has been rated yet.\n", "")
    assert asked(bench, "outbox", "list", "--state", "held").stdout == "There is no such rating.\n"
    assert asked(bench, "outbox", "export") == Outcome(0, "", "")
    assert asked(bench, "outbox", "retry").stdout.startswith("Nothing was refused there")


def test_outbox_shows_one_call(bench: Bench) -> None:
    request_id = id_of(bench.chat(model="gpt-4o"))
    asked(bench, "rate", "up", "--hold", "30s")
    asked(bench, "rate", "down", "--comment", "too long", "--score", "tone=1", "--hold", "30s")
    outcome = asked(bench, "outbox", "show", request_id)
    assert (outcome.status, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert lines[:2] == [f"{request_id}  gpt-4o", "👎 held, posted 0 times"]
    assert "comment: too long" in lines
    assert 'scores: {"tone": 1}' in lines
    assert [line.split()[1:] for line in lines[-2:]] == [["👎", "held"], ["👍", "superseded"]]
    assert asked(bench, "outbox", "show", request_id, "--json").document["id"] == request_id
    assert UNKNOWN in one_sentence(asked(bench, "outbox", "show", UNKNOWN))


def test_outbox_shows_a_call_of_which_nothing_stands(bench: Bench) -> None:
    asked(bench, "rate", "up", UNKNOWN, "--hold", "30s")
    asked(bench, "withdraw", UNKNOWN)
    lines = asked(bench, "outbox", "show", UNKNOWN).stdout.splitlines()
    assert lines[:2] == [UNKNOWN, "There is no rating that stands."]


def test_outbox_sends_refused_ratings_again(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    bench.standin.faults.api.next(ApiFault(status=422))
    asked(bench, "rate", "up")
    assert asked(bench, "outbox", "retry", request_id).stdout == "1 rating is on the way again.\n"
    assert asked(bench, "outbox", "retry", "--json").document["retried"] == 0
    assert one_sentence(asked(bench, "outbox", "retry", UNKNOWN))
    wait_until(lambda: bench.standin.ledger.rating_of(request_id) is True, "it has arrived")


def test_outbox_exports_everything_line_by_line(bench: Bench) -> None:
    ids = [f"0b50d0d5-6a8d-4f9e-8d43-{number:012}" for number in range(205)]
    batch = json.dumps([{"id": each, "rating": True} for each in ids])
    bench.ask("POST", "/feedback/batch?hold=3600", batch.encode(), JSON)
    asked(bench, "rate", "down", ids[0], "--comment", "ä\nb", "--hold", "30s")
    outcome = asked(bench, "outbox", "export")
    assert (outcome.status, outcome.stderr) == (0, "")
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [line["id"] for line in lines] == [ids[0], *ids[:0:-1]]
    assert lines[0]["comment"] == "ä\nb"
    assert [entry["state"] for entry in lines[0]["history"]] == ["held", "superseded"]


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "not an id",
        "é",
        "👍",
        "a/b",
        "..",
        "last/x",
        "x?rating=down",
        "x#y",
        "%41",
        "a\nb",
        "x" * 9000,
    ],
)
def test_rate_with_what_is_no_id_is_a_sentence(bench: Bench, name: str) -> None:
    bench.chat()
    assert one_sentence(asked(bench, "rate", "up", name)).endswith((".", ">."))
    assert bench.posted == []


@pytest.mark.parametrize("name", ["last?back=1", "last#x", "./last"])
def test_an_id_is_never_read_as_more_than_an_id(bench: Bench, name: str) -> None:
    bench.chat()
    bench.chat()
    assert asked(bench, "rate", "up", name).status == 1
    assert bench.posted == []


# -- recent


def test_recent_shows_a_table(bench: Bench) -> None:
    first = id_of(bench.chat(model="gpt-4o"))
    asked(bench, "rate", "down")
    bench.standin.faults.gateway.next(GatewayFault(status=500))
    second = id_of(bench.chat())
    bench.get("/v1/models")
    outcome = asked(bench, "recent")
    assert (outcome.status, outcome.stderr) == (0, "")
    header, models, failed, rated = outcome.stdout.splitlines()
    assert header.split() == ["age", "rating", "status", "model", "path", "first", "total", "tokens", "id"]
    assert models.split()[:4] == ["0", "s", "200", "-"]
    assert "/v1/models" in models
    assert re.search(rf" 500 +gpt-4o-mini +/v1/chat/completions +\d+ ms +\d+ ms +{second}", failed)
    rest = rf"\d+ ms +\d+ ms +\d+ → \d+ +{first}"
    assert re.search(rf" 👎 accepted +200 +gpt-4o +/v1/chat/completions +{rest}", rated)


def test_recent_shows_previews_where_they_are_on_and_there_is_room(start_bench: StartBench) -> None:
    bench = start_bench(**{"calls.preview": True})
    bench.get("/v1/models")
    bench.chat(messages=[{"role": "user", "content": "[red] Which\x1b[31m colour?"}])
    header, chat, models = asked(bench, "recent").stdout.splitlines()
    assert header.split()[-1] == "preview"
    assert re.search(r"  \[red\] Which \[31m colour\? → \w", chat)
    assert "→" not in models
    calls = document(bench.get("/feedback"))["calls"]
    narrow = Console(width=100, file=io.StringIO(), record=True)
    narrow.print(table(calls, columns=100))
    assert "colour" not in narrow.export_text()


def test_recent_shows_how_a_call_ended_when_it_did_not_end_well(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(die_after_events=1))
    bench.stream().read_to_end()
    assert " 200 cut " in asked(bench, "recent").stdout


def test_recent_shows_as_many_as_asked_for(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    lines = asked(bench, "recent", "--limit", "2").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["id", ids[2], ids[1]]


def test_recent_prints_json_for_scripts(bench: Bench) -> None:
    bench.chat()
    said = asked(bench, "recent", "--json").document
    shown = document(bench.get("/feedback"))
    assert {**said["calls"][0], "age_seconds": 0} == {**shown["calls"][0], "age_seconds": 0}
    assert said["remembered"] == 1


def test_recent_says_when_there_is_nothing(bench: Bench) -> None:
    assert asked(bench, "recent") == Outcome(0, "No call has come through the sidecar yet.\n", "")
    assert asked(bench, "recent", "--json").document["calls"] == []


@pytest.mark.parametrize("model", ["[red]model", "[/red]", "[link=x]y", ":smile:", "a" * 200, "модель"])
def test_recent_shows_a_model_as_it_is(bench: Bench, model: str) -> None:
    request_id = id_of(bench.chat(model=model))
    shown = asked(bench, "recent").stdout
    assert model[:20] in shown
    assert request_id in shown


def test_recent_shows_a_path_as_it_is(bench: Bench) -> None:
    bench.get("/v1/[/red]/[b]x")
    assert "/v1/[/red]/[b]x" in asked(bench, "recent").stdout


# -- where the sidecar is


def test_the_sidecar_is_found_by_its_configured_port(bench: Bench, tmp_path: Path) -> None:
    port = bench.sidecar.sidecar.port
    file = tmp_path / "config.toml"
    file.write_text(f"[server]\nport = {port}\n")
    nothing = "No call has come through the sidecar yet.\n"
    assert command("recent", "--config", str(file)).stdout == nothing
    assert command("recent", HELICONE_PROXY_SERVER__PORT=str(port)).stdout == nothing
    assert command("recent", HELICONE_PROXY_URL=f"http://localhost:{port}/").stdout == nothing
    # As people type it for curl.
    assert command("recent", HELICONE_PROXY_URL=f"localhost:{port}").stdout == nothing


@pytest.mark.parametrize("arguments", [("recent",), ("outbox", "list"), ("outbox", "export"), ("rate", "up")])
def test_a_sidecar_can_be_named_for_one_command(bench: Bench, arguments: tuple[str, ...]) -> None:
    bench.chat()
    elsewhere = {"HELICONE_PROXY_URL": "http://127.0.0.1:9"}
    outcome = command(*arguments, "--url", f"localhost:{bench.sidecar.sidecar.port}", **elsewhere)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert "HELICONE_PROXY_URL" in command(*arguments[:-1], arguments[-1], "--help").stdout


def test_the_states_of_a_list_may_stand_together(bench: Bench) -> None:
    bench.chat()
    asked(bench, "rate", "up", "--hold", "30s")
    for given in (("--state", "held,refused"), ("--state", "refused", "--state", "held")):
        assert " held " in asked(bench, "outbox", "list", *given).stdout
    outcome = asked(bench, "outbox", "list", "--state", "held,gone")
    assert (outcome.status, "'gone' is not one of held, queued" in outcome.stderr) == (2, True)


def test_show_counts_as_people_do_and_says_where_it_stops(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    asked(bench, "rate", "up")
    shown = asked(bench, "outbox", "show", request_id).stdout
    assert "posted once\n" in shown
    assert "are kept" not in shown
    for _ in range(20):
        asked(bench, "rate", "up", request_id, "--hold", "30s")
    shown = asked(bench, "outbox", "show", request_id).stdout
    assert "posted 0 times\n" in shown
    assert shown.endswith("   (the newest 20 are kept)\n")


def test_no_sidecar_is_a_sentence_that_says_where_it_was_looked_for() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for arguments in (
            ("recent",),
            ("rate", "up"),
            ("rate", "down", UNKNOWN, "--json"),
            ("withdraw",),
            ("outbox", "list"),
            ("outbox", "export"),
        ):
            sentence = one_sentence(command(*arguments, HELICONE_PROXY_URL=url))
            assert sentence.startswith(f"No sidecar answers at {url}. ")
            assert "helicone-proxy serve" in sentence
            assert "HELICONE_PROXY_URL" in sentence


@pytest.mark.parametrize(
    "url",
    [
        "localhost",
        "8747",
        "x",
        "http://",
        "http:localhost",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "http://[::1",
        "http://local host",
        "http://é.invalid",
        "http://no-such-host.invalid",
        "http://localhost\n",
    ],
)
def test_an_address_that_is_none_is_a_sentence(url: str) -> None:
    assert one_sentence(command("recent", HELICONE_PROXY_URL=url)).endswith(".")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b'HTTP/1.1 500 X\r\nContent-Length: 13\r\n\r\n{"error":"x"}',
        b"HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_another_program_in_the_sidecars_place_is_a_sentence(
    start_upstream: StartUpstream, said: bytes
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(said)

    url = start_upstream(script).url
    for arguments in (("recent",), ("rate", "up"), ("withdraw",), ("outbox", "list")):
        assert url in one_sentence(command(*arguments, HELICONE_PROXY_URL=url))


def test_a_proxy_in_the_environment_is_not_asked_for_localhost(
    bench: Bench, start_upstream: StartUpstream
) -> None:
    request_id = id_of(bench.chat())
    proxy = start_upstream(answering(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"))
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    env = {
        **dict.fromkeys(names, proxy.url),
        "HELICONE_PROXY_URL": f"http://localhost:{bench.sidecar.sidecar.port}",
    }
    done = run_command("rate", "up", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert request_id in done.stdout
    assert proxy.connections == []


def test_a_rating_is_told_on_an_output_that_knows_no_emoji(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    env = {
        "PYTHONIOENCODING": "ascii",
        "HELICONE_PROXY_URL": f"http://localhost:{bench.sidecar.sidecar.port}",
    }
    done = run_command("rate", "up", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert request_id in done.stdout


# -- check


def test_check_says_that_all_is_fine_and_starts_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        outcome = command("check", "--port", port, HELICONE_API_KEY=CANARY)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        f"The configuration is fine (no file was read): port {port}, a Helicone key is configured; ratings go to "
        "https://api.helicone.ai.\n"
        "   Who may call: anybody on this machine.\n"
        "   / goes to https://oai.helicone.ai, the Helicone key in Helicone-Auth; realtime sessions to "
        "https://api.helicone.ai/v1/gateway/oai/realtime\n"
    )


def test_check_says_who_may_call_and_where_the_providers_key_goes() -> None:
    said = command(
        "check",
        HELICONE_PROXY_GUARD__TOKENS='{"ann": "a-canary-for-ann-1", "bob": "a-canary-for-bob-1"}',
        HELICONE_PROXY_GUARD__ALLOWED_ORIGINS="https://app.example.com",
        HELICONE_PROXY_GUARD__ALLOWED_HOSTS="box.test",
        HELICONE_PROXY_ROUTES__ANTHROPIC__PROVIDER_KEY="sk-canary",
    ).stdout
    assert (
        "   Who may call: whoever has a token of its own (ann, bob); pages of https://app.example.com, too; also "
        "under box.test.\n"
    ) in said
    assert "Feedback-Token" not in said
    assert "in Helicone-Auth, the provider's key in X-Api-Key" in said
    assert "canary" not in said
    assert (
        "whoever has the token.\n" in command("check", HELICONE_PROXY_GUARD__TOKEN="a-canary-for-all").stdout
    )


def test_check_says_that_pages_need_a_feedback_token_to_rate() -> None:
    said = command(
        "check",
        HELICONE_PROXY_GUARD__ALLOWED_ORIGINS="https://app.example.com",
        HELICONE_PROXY_HOOKS__TOKEN="true",
    ).stdout
    assert "; pages of https://app.example.com, too (for ratings they need a Feedback-Token).\n" in said


def test_recent_says_that_a_token_is_wrong(bench: Bench) -> None:
    url = f"http://127.0.0.1:{bench.sidecar.sidecar.port}"
    outcome = command("recent", HELICONE_PROXY_URL=url, HELICONE_PROXY_GUARD__TOKEN="canary")
    assert one_sentence(outcome, status=2).startswith("HELICONE_PROXY_GUARD__TOKEN: must be 16 to 200")
    assert "canary" not in outcome.stderr


def test_check_says_which_file_it_has_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\nport = 9000\n")
    assert "(read from config.toml)" in run_command("check", cwd=tmp_path).stdout


def test_check_tells_of_a_missing_key_and_of_the_keys_region() -> None:
    assert "no Helicone key is configured" in command("check").stdout
    said = command("check", HELICONE_API_KEY="sk-helicone-eu-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa").stdout
    assert "ratings go to https://eu.api.helicone.ai." in said


def test_check_tells_the_api_of_a_default_route_that_is_self_hosted(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[routes.default]\npreset = "self-hosted"\n')
    said = command("check", "--config", str(tmp_path / "config.toml")).stdout
    assert "no Helicone key is configured; ratings go to http://localhost:8585." in said


def test_check_shows_every_route_with_its_key_and_what_is_odd() -> None:
    outcome = command(
        "check", "--route", "ai-gateway", "--route", "self-hosted", "--route", "mine=https://llm.example.test"
    )
    assert (outcome.status, outcome.stderr) == (0, "")
    ai_gateway, self_hosted, mine, note = outcome.stdout.splitlines()[3:]
    assert ai_gateway == (
        "   /ai-gateway goes to https://ai-gateway.helicone.ai, the Helicone key in Authorization"
    )
    assert self_hosted == (
        "   /self-hosted goes to http://localhost:8585/v1/gateway/oai, the Helicone key in Helicone-Auth; "
        "ratings go to http://localhost:8585; realtime sessions to http://localhost:8585/v1/gateway/oai/realtime"
    )
    assert mine == "   /mine goes to https://llm.example.test, without the Helicone key"
    assert note.startswith("Note: llm.example.test is no host of Helicone's")


@pytest.mark.parametrize("name", ["check", "serve"])
def test_all_problems_of_a_configuration_are_told_at_once_and_no_secret(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[server]\nport = "many"\nprot = 1\n[helicone]\napi_kye = "{CANARY}"\napi_url = "{CANARY}"\n'
        f'[log]\nlevel = "{CANARY}"\n[{CANARY}]\n'
    )
    outcome = command(
        name,
        "--config",
        str(file),
        "--port",
        "70000",
        "--upstream",
        CANARY,
        HELICONE_API_KEY=f"Bearer {CANARY}",
        HELICONE_PROXY_NOPE=CANARY,
        HELICONE_PROXY_SERVER__GRACE_SECONDS=CANARY,
    )
    assert (outcome.status, outcome.stdout) == (2, "")
    problems = outcome.stderr.splitlines()
    assert len(problems) == 11
    for place in (
        "server.port",
        "server.prot",
        "helicone.api_kye",
        "helicone.api_url",
        "log.level",
        "--port",
        "--upstream",
        "HELICONE_API_KEY",
        "HELICONE_PROXY_NOPE",
        "HELICONE_PROXY_SERVER__GRACE_SECONDS",
    ):
        assert [problem for problem in problems if place in problem], place
    assert "canary" not in outcome.stderr


def test_a_key_in_the_gateways_address_is_a_problem_and_not_shown() -> None:
    # Helicone would take it there, and every place that shows the address would show it.
    sentence = one_sentence(command("check", "--upstream", f"https://oai.helicone.ai/{CANARY}/v1"), status=2)
    assert "HELICONE_API_KEY" in sentence
    assert "canary" not in sentence


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sk-helicone-...", "ends in dots, as the one in the instructions does"),
        ("sk-proj-canaryx", "does not begin with sk-helicone-"),
        ("sk-helicone-eu-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa", None),
        ("pk-helicone-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa", None),
        ("sk-rl-helicone-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa", None),
    ],
)
def test_a_key_that_can_hardly_be_one_is_noted(key: str, words: str | None) -> None:
    outcome = command("check", HELICONE_API_KEY=key)
    assert outcome.status == 0
    (note,) = re.findall("^Note: The Helicone key (.+)$", outcome.stdout, re.MULTILINE) or [None]
    assert note is words is None or (note or "").startswith(words or "nothing")
    assert "canary" not in outcome.stdout


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    for name in ("check", "serve", "recent"):
        assert str(missing) in one_sentence(command(name, "--config", str(missing)), status=2)


# -- serve


@pytest.fixture
def upstream_url(start_upstream: StartUpstream) -> str:
    """A gateway that says yes to everything."""
    return start_upstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).url


def ask(port: int, raw: bytes, host: str = "127.0.0.1") -> Any:  # noqa: ANN401
    with Client.connect((host, port)) as client:
        return client.ask(raw)


def test_serve_prints_one_line_with_the_real_address_and_serves(upstream_url: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[log]\nformat = "json"\n[server]\nport = 1\n')
    arguments = (
        "--config",
        str(file),
        "--port",
        "0",
        "--api-url",
        "http://127.0.0.1:9",
        "--upstream",
        upstream_url,
        "--log-format",
        "text",
    )
    with Program("serve", *arguments, env={"HELICONE_API_KEY": CANARY}) as program:
        ready = program.wait_for(READY)
        port = int(ready[1])
        assert ready[2] in ("127.0.0.1, ::1", "127.0.0.1")
        assert ready[3] == upstream_url
        assert ask(port, request("POST", "/v1/chat/completions?key=canary", chat_body(), JSON)).body == b"ok"
        if "::1" in ready[2]:
            assert ask(port, request("GET", "/feedback/health", b"", b"Host: [::1]"), "::1").status == 200
        url = {"HELICONE_PROXY_URL": f"http://localhost:{port}"}
        assert len(command("recent", "--json", **url).document["calls"]) == 1
        assert program.stop() == 0
    assert program.stdout == ready[0] + "\n"
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d POST /v1/chat/completions 200 gpt-4o-mini first \d+ ms total \d+ ms [0-9a-f-]{36}\n",
        program.stderr,
    )


def test_serve_logs_for_programs_when_asked_to(upstream_url: str) -> None:
    flags = ("--port", "0", "--upstream", upstream_url, "--log-format", "json", "--host", "127.0.0.1")
    with Program("serve", *flags) as program:
        port = int(program.wait_for(READY)[1])
        ask(port, request("GET", "/v1/models"))
        assert program.stop() == 0
    lines = [json.loads(line) for line in program.stderr.splitlines()]
    assert [line["path"] for line in lines if line["event"] == "call"] == ["/v1/models"]


def test_a_port_in_use_is_one_sentence_and_no_traceback() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_command("serve", "--port", port)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"Port {port} on 127.0.0.1 is in use already")
        assert done.stderr.count("\n") == 1


def test_serve_says_where_every_route_leads(upstream_url: str) -> None:
    api = ("--api-url", "http://127.0.0.1:9")
    with Program(
        "serve", "--port", "0", "--upstream", upstream_url, *api, "--route", f"b={upstream_url}"
    ) as program:
        ready = program.wait_for(READY)
        assert ask(int(ready[1]), request("POST", "/b/v1/chat/completions", chat_body(), JSON)).body == b"ok"
        assert program.stop() == 0
    assert program.stdout.splitlines()[1] == f"   /b goes to {upstream_url}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_sidecar_stops_at_once_and_in_silence(upstream_url: str, number: signal.Signals) -> None:
    with Program(
        "serve", "--port", "0", "--upstream", upstream_url, "--api-url", "http://127.0.0.1:9"
    ) as program:
        program.wait_for(READY)
        started = time.monotonic()
        program.signal(number)
        assert program.wait() == 0
    assert time.monotonic() - started < 5
    assert program.stderr == ""


# -- the rest


def test_the_version_is_printed() -> None:
    done = run_command("--version")
    is_compiled = not recorder.__file__.endswith(".py")
    version = f"{__version__}, compiled" if is_compiled else __version__
    assert (done.returncode, done.stdout, done.stderr) == (0, f"helicone-proxy, version {version}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    assert re.search(rf"^  {name} +{re.escape(COMMANDS[name])}$", command("--help").stdout, re.MULTILINE)
    outcome = command(name, "--help")
    assert outcome.status == 0
    assert f"Usage: main {name}" in outcome.stdout.replace("helicone-proxy", "main")
    assert COMMANDS[name] in outcome.stdout
    assert len(outcome.stdout.splitlines()) > 4


def test_the_help_of_serve_names_the_key() -> None:
    assert "HELICONE_API_KEY" in command("serve", "--help").stdout


def test_every_command_that_is_there_is_listed() -> None:
    folder = Path(commands.__file__).parent
    there = {
        file.stem
        for file in folder.glob("*.py")
        if re.search(r"^@click\.(command|group)\(", file.read_text("utf-8"), re.MULTILINE)
    }
    assert there == set(COMMANDS) == set(main.commands)


def test_a_shell_is_told_of_commands_and_of_their_options() -> None:
    shell = BashComplete(main, {}, "helicone-proxy", "_COMPLETE")
    told = {item.value: item.help for item in shell.get_completions([], "")}
    assert set(told) == set(COMMANDS)
    assert told["serve"] == COMMANDS["serve"]
    assert "--upstream" in [item.value for item in shell.get_completions(["serve"], "--")]
    assert "export" in [item.value for item in shell.get_completions(["outbox"], "")]


def test_a_mistyped_command_is_named() -> None:
    # Newer versions of click also say which one was meant: they know all names, though no command is loaded.
    outcome = command("sevre")
    assert outcome.status == 2
    assert "No such command 'sevre'" in outcome.stderr


SERVER = ("aiohttp.web", "uvloop", "proxy.app", "proxy.web", "proxy.relay.front_door")


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--help"], ("aiohttp", "pydantic", "rich", "proxy.config.settings", "proxy.demo")),
        (["serve", "--help"], ("rich", "proxy.demo", "proxy.remote")),
        (["check", "--help"], ("rich", "proxy.demo", "proxy.remote", *SERVER)),
        (["rate", "--help"], ("rich", "proxy.demo", *SERVER)),
        (["withdraw", "--help"], ("rich", "proxy.demo", *SERVER)),
        (["recent", "--help"], ("proxy.demo", *SERVER)),
        (["outbox", "--help"], ("proxy.demo", *SERVER)),
    ],
    ids=lambda given: given[0],
)
def test_a_command_pays_for_no_other(arguments: list[str], spared: tuple[str, ...]) -> None:
    """What another command needs costs it neither time nor memory."""
    script = f"import sys; from proxy.cli import main; main({arguments}, standalone_mode=False); "
    script += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, encoding="utf-8", check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "proxy.cli" in loaded
    assert [name for name in spared if name in loaded] == []


# -- demo


@pytest.fixture(scope="module")
def demo() -> Iterator[Program]:
    """`helicone-proxy demo`, in which calls are ingested at once."""
    with Program("demo", "--port", "0", "--ingestion-delay", "0") as program:
        program.wait_for("What the stand-in stores is shown here")
        yield program


def printed_commands(demo: Program) -> dict[str, str]:
    """The three commands that the demo shows, by their names."""
    return dict(re.findall(r"^  (a [a-z ]+?)  +(curl .+)$", demo.stdout, re.MULTILINE))


def shell(line: str) -> str:
    """What a shell prints for a line that somebody types."""
    done = subprocess.run(
        ["sh", "-c", line], env=environment(), capture_output=True, encoding="utf-8", timeout=30, check=True
    )
    return done.stdout


def stored(demo: Program, count: int) -> list[tuple[str, str]]:
    """What the demo has shown to be stored at the stand-in."""
    demo.wait_for("stored at the stand-in(?s:.*)" * count)
    return re.findall(r"^ +stored at the stand-in: (\S+) for (\S+)$", demo.stdout, re.MULTILINE)


@needs_curl
def test_the_three_printed_commands_do_what_they_say(demo: Program) -> None:
    commands = printed_commands(demo)
    assert list(commands) == ["a chat", "a streamed chat", "a thumb"]
    chat = json.loads(shell(commands["a chat"]))
    assert chat["choices"][0]["message"]["content"]
    said = json.loads(shell(commands["a thumb"]))
    assert said["rated"]["known"] is True
    assert said["rated"]["model"] == "gpt-4o-mini"
    assert stored(demo, 1)[-1] == ("👍", said["rated"]["id"])
    streamed = shell(commands["a streamed chat"])
    assert streamed.startswith("data: ")
    assert streamed.rstrip().endswith("data: [DONE]")
    again = json.loads(shell(commands["a thumb"].replace("true", "false")))
    assert again["rated"]["id"] != said["rated"]["id"]
    assert stored(demo, 2)[-1] == ("👎", again["rated"]["id"])
    assert "LOST" not in demo.stdout
    demo.wait_for(r"POST /v1/chat/completions 200 gpt-4o-mini .*" + again["rated"]["id"], where="stderr")


@needs_curl
def test_the_readmes_ways_to_rate_work_with_real_curl(demo: Program) -> None:
    commands = printed_commands(demo)
    url = commands["a thumb"].split()[-1]
    for arguments in (
        """-d '{"rating": true}'""",
        "-d rating=up",
        "-d rating=+1",
        "-X POST",
        """--json '{"rating": "up"}'""",
        "--data-urlencode rating=👍",
    ):
        target = f"'{url}?rating=+1'" if arguments == "-X POST" else url
        # Two ratings of one call would leave two seconds apart.
        shell(commands["a chat"])
        assert json.loads(shell(f"curl -s {arguments} {target}"))["rating"] is True, arguments
    refused = json.loads(shell(f"curl -s '{url}?rating=up'"))
    assert "-X POST" in refused["error"]["message"]


def test_the_demo_shows_a_rating_that_came_too_early_as_lost() -> None:
    with Program("demo", "--port", "0", "--ingestion-delay", "60") as program:
        url = program.wait_for(r"in front of it at (http://localhost:(\d+))\.")
        port = int(url[2])
        ask(port, request("POST", "/v1/chat/completions", chat_body(), JSON))
        assert command("rate", "up", HELICONE_PROXY_URL=url[1]).status == 0
        program.wait_for(r"LOST at the stand-in: 👍 for \S+: the request was not ingested yet")
        assert program.stop() == 0
    assert "1 rating is not verified yet; the outbox was in memory only, and is gone." in program.stderr
    assert "next start" not in program.stderr
    assert DEMO_KEY not in program.stderr
    assert "Traceback" not in program.stderr


def test_the_demo_reads_no_configuration_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[log]\nlevel = "error"\n')
    env = {"HELICONE_API_KEY": CANARY, "HELICONE_PROXY_ROUTES__DEFAULT__URL": "https://oai.helicone.ai"}
    with Program("demo", "--port", "0", env=env, cwd=tmp_path) as program:
        port = int(program.wait_for(r"in front of it at http://localhost:(\d+)\.")[1])
        health = document(ask(port, request("GET", "/feedback/health")))
        assert health["upstream"].startswith("http://127.0.0.1:")
        assert health["helicone_api"].startswith("http://127.0.0.1:")
        assert program.stop() == 0


def test_a_configuration_can_be_tried_in_the_demo(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[routes.default]\nurl = "https://oai.helicone.ai"\n[guard]\ntoken = "a-token-of-some-length"\n'
        f'[outbox]\npath = "{tmp_path}/outbox.db"\n[helicone]\napi_key = "{CANARY}"\n'
    )
    with Program("demo", "--port", "0", "--config", str(file)) as program:
        port = int(program.wait_for(r"in front of it at http://localhost:(\d+)\.")[1])
        assert ask(port, request("GET", "/feedback/health")).status == 401
        token = b"Feedback-Proxy-Token: a-token-of-some-length"
        health = document(ask(port, request("GET", "/feedback/health", b"", token)))
        assert health["upstream"].startswith("http://127.0.0.1:")
        assert program.stop() == 0
    assert list(tmp_path.iterdir()) == [file]
    file.write_text("[guard]\ntoken = 3\n")
    outcome = command("demo", "--port", "0", "--config", str(file))
    assert (outcome.status, outcome.stdout) == (2, "")
    assert "guard.token" in outcome.stderr or "[guard]" in outcome.stderr


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--port", "x"), ("--ingestion-delay", "-1")])
def test_a_demo_that_makes_no_sense_is_a_mistake(arguments: tuple[str, ...]) -> None:
    outcome = command("demo", *arguments)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert arguments[0] in outcome.stderr


@pytest.mark.parametrize("columns", [80, 100, 150, 200, 300])
def test_no_terminal_is_too_narrow_for_an_id(columns: int) -> None:
    call = {
        "age_seconds": 200.0, "rating": {"thumb": "👍", "state": "accepted"}, "status": 200, "state": "streaming",
        "model": "claude-sonnet-4-20250514-with-a-very-long-name", "path": "/v1/chat/completions",
        "first_byte_ms": 12.0, "duration_ms": 123456.0, "id": "4b6c1021-247e-4868-a78a-f71c0b03992e",
        "tokens": {"input": 123456, "output": None}, "preview": {"prompt": "Why? " * 40, "answer": None},
    }  # fmt: skip
    console = Console(width=columns, file=io.StringIO())
    console.print(table([call], columns=columns))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert call["id"] in shown
    assert "3 min" in shown
    assert columns < 200 or "123456 → ?" in shown
    assert len(shown.splitlines()) == 2


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_no_terminal_is_too_narrow_for_the_id_of_a_rating(columns: int) -> None:
    rating = {
        "thumb": "👍", "state": "accepted", "attempts": 12, "next_attempt_in_seconds": 200.0,
        "id": "4b6c1021-247e-4868-a78a-f71c0b03992e", "reason": "[red]Helicone's API answered 503. " * 5,
    }  # fmt: skip
    console = Console(width=columns, file=io.StringIO())
    console.print(outbox.table([rating], columns=columns))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert rating["id"] in shown
    assert "accepted" in shown
    assert "3 min" in shown
    assert "[red]" in shown
    assert "ne…" not in shown
    assert len(shown.splitlines()) == 2
