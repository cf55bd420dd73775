"""Ratings by rules at Helicone; and the answers' words nowhere."""

import gc
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.benches import CHAT_PATH, JSON, StartBench, chat_body, document, id_of, request
from harness.canaries import living, shown_everywhere
from harness.programs import environment
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, answering
from harness.wire import head, wait_until
from proxy.calls.live_call import LiveCall
from proxy.cli import main
from rules.answers import FORMS

RULE = {"name": "greets", "when": {"text_min_length": 1}, "rating": "down", "comment": "bad", "tags": ["t"]}


def test_a_rules_words_arrive_and_a_persons_are_written_over_them(start_bench: StartBench) -> None:
    bench = start_bench(rules=[RULE], **{"delivery.first_look_seconds": 0.1})
    request_id = id_of(bench.chat())

    def words() -> dict[str, str]:
        rows = [row.properties for row in bench.standin.ledger.rows if row.request_id == request_id]
        found = rows[0] if rows else {}
        return {name: value for name, value in found.items() if name.startswith("Feedback-")}

    expected = {
        "Feedback-Comment": "bad",
        "Feedback-Source": "automated",
        "Feedback-Tags": "t",
        "Feedback-Rule": "greets",
    }
    wait_until(lambda: words() == expected, "the rule's words are there")
    assert document(bench.get(f"/feedback/{request_id}"))["rating"]["rule"] == "greets"
    bench.rate(f"/feedback/{request_id}?wait=verified&timeout=20", b'{"rating": true, "comment": "fine"}')
    person = {"Feedback-Comment": "fine", "Feedback-Source": "", "Feedback-Tags": "", "Feedback-Rule": ""}
    wait_until(lambda: words() == person, "the person's words are there")
    assert "by rule" not in json.dumps(document(bench.get(f"/feedback/{request_id}")))


def test_no_word_of_an_answer_is_kept_or_told(
    start_upstream: StartUpstream,
    start_sidecar: StartSidecar,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    before = living()
    body = FORMS["chat"][0]("the canary sings", {}, "stop")
    kind = b"Content-Type: application/json"
    answer = head(b"HTTP/1.1 200 OK", kind, b"Content-Length: %d" % len(body)) + body
    path = tmp_path / "outbox.db"
    given = {"helicone.api_key": "sk-helicone-a", "routes.default.helicone": True, "outbox.path": str(path)}
    sidecar = start_sidecar(start_upstream(answering(answer)).url, rules=[RULE], **given)

    def ask(target: str) -> str:
        client = sidecar.connect()
        said = client.ask(request("GET", target)).body.decode()
        client.close()
        return said

    client = sidecar.connect()
    client.ask(request("POST", CHAT_PATH, chat_body(), JSON))
    client.close()
    wait_until(lambda: json.loads(ask("/feedback/health"))["rules"]["rated"] == 1, "it is rated")

    texts = [ask("/feedback"), ask("/feedback/outbox"), ask("/feedback/metrics"), caplog.text]
    texts += [file.read_bytes().decode("latin-1") for file in tmp_path.iterdir()]
    assert shown_everywhere(texts, before) == []
    gc.collect()
    kept = [each for each in living().values() if isinstance(each, LiveCall) and each.tail]
    assert kept == []


def test_rules_are_listed_and_tried_on_recorded_answers(tmp_path: Path) -> None:
    config, recorded = tmp_path / "config.toml", tmp_path / "recorded.jsonl"
    config.write_text(
        "[[rules]]\nname = 'too short'\nwhen = { text_max_length = 50 }\nrating = 'down'\n"
        "[[rules]]\nname = 'slow'\nwhen = { duration_min_seconds = 3 }\ntags = ['slow']\n"
    )
    lines = [
        {"answer": json.loads(FORMS["chat"][0]("Hm.", {}, "stop")), "duration_seconds": 4},
        {"answer": FORMS["message stream"][0]("x" * 60, {}, "end_turn").decode().splitlines()},
        {"answer": FORMS["response stream"][0]("Hi", {}, "completed").decode()},
        {"answer": "as words alone", "latency_ms": 3500},
        {"model": "gpt-4o"},
    ]
    recorded.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "no JSON\n")
    listed = CliRunner().invoke(main, ["rules", "--config", str(config)])
    assert listed.output == (
        "too short: 👎 when text_max_length = 50\nslow: #slow when duration_min_seconds = 3.0\n"
    )
    tried = CliRunner().invoke(main, ["rules", "test", str(recorded), "--config", str(config), "--json"])
    assert tried.exit_code == 1
    assert "line 6: must be a JSON object" in tried.output
    found = [json.loads(line) for line in tried.stdout.splitlines() if line.startswith("{")]
    assert [each["rating"] and each["rating"]["rule"] for each in found] == [
        "too short",
        None,
        "too short",
        "too short",
        None,
    ]
    assert [each["rules"][0].get("why_not") for each in found] == [
        None,
        "text_max_length does not hold",
        None,
        None,
        "there is no answer in the line",
    ]
    text = CliRunner().invoke(main, ["rules", "--config", str(config), "test", str(recorded)]).output
    assert 'line 1 "Hm.": 👎 #slow\n   too short: 👎\n   slow: #slow\n' in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'\xff{"answer": "ok"}', "line 1: must be a JSON object"),
        (b'{"answer": "ok", "n": ' + b"9" * 5000 + b"}", "line 1: must be a JSON object"),
        (b'\xef\xbb\xbf{"answer": "ok"}', 'line 1 "ok": \N{THUMBS DOWN SIGN}'),
        (b'{"answer": "ok", "status": NaN}', 'line 1 "ok": \N{THUMBS DOWN SIGN}'),
        (b'{"answer": "ok", "status": 1e999}', 'line 1 "ok": \N{THUMBS DOWN SIGN}'),
        (b'{"answer": "a\\ud800b"}', 'line 1 "a?b": \N{THUMBS DOWN SIGN}'),
        (b'{"answer": "a\\u001b[31m"}', 'line 1 "a\ufffd[31m": \N{THUMBS DOWN SIGN}'),
        (b'{"answer": "ok", "status": 500}', "only answers of 200 to 299 have a text"),
        (b'{"answer": "{\\"yes\\": 1}"}', "is_json does not hold"),
        (b'{"answer": "' + b"x" * 300_000 + b'"}', "the answer is too long to judge"),
    ],
)
def test_odd_lines_are_judged_or_told_apart(line: bytes, said: str, tmp_path: Path) -> None:
    config, recorded = tmp_path / "config.toml", tmp_path / "recorded.jsonl"
    config.write_text(
        "[[rules]]\nname = 'a'\nwhen = { text_max_length = 50, is_json = false }\nrating = 'down'\n"
    )
    recorded.write_bytes(line)
    tried = CliRunner().invoke(main, ["rules", "test", str(recorded), "--config", str(config)])
    assert tried.exception is None or isinstance(tried.exception, SystemExit)
    assert said in tried.output


def test_a_function_has_its_time_in_a_trial_too_and_prints_beside_what_is_found(tmp_path: Path) -> None:
    (tmp_path / "tried_functions.py").write_text(
        "import time\n\n"
        "print('loaded')\n\n"
        "def sleeps(facts, text):\n    time.sleep(3600)\n\n"
        "def up(facts, text):\n    print('asked')\n    return 'up'\n"
    )
    (tmp_path / "config.toml").write_text(
        "[[rules]]\nname = 'slow'\ncall = 'tried_functions:sleeps'\ntimeout_seconds = 0.2\n"
        "[[rules]]\nname = 'quick'\ncall = 'tried_functions:up'\n"
    )
    tried = subprocess.run(
        [sys.executable, "-m", "proxy", "rules", "--config", "config.toml", "test", "-", "--json"],
        input='{"answer": "Hi"}\n' * 2,
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert [json.loads(line)["rules"] for line in tried.stdout.splitlines()] == [
        [
            {"rule": "slow", "holds": False, "why_not": "the function took longer than 0.2 seconds"},
            {"rule": "quick", "holds": True},
        ]
    ] * 2
    assert tried.stderr.splitlines() == ["loaded", "asked", "asked"]
