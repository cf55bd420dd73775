"""`helicone-proxy watch`, in a real terminal (a pty) and without one."""

import json
import re
import signal
from collections.abc import Iterator

import pytest

from harness.benches import AT_ONCE, Bench, StartBench, document, id_of
from harness.fast_time import FastTime
from harness.loops import DEADLINE_SECONDS
from harness.programs import Program, run_command
from harness.terminals import Terminal
from harness.wire import wait_until
from proxy.watch.keys import DOWN, PAGE_UP, TOP, UP, keys_of
from proxy.watch.lines import printable


def watching(bench: Bench, columns: int = 140) -> Terminal:
    """The command in a terminal."""
    return Terminal("watch", "--url", bench.sidecar.sidecar.url, columns=columns)


def rating_of(bench: Bench, request_id: str) -> dict[str, object] | None:
    found: dict[str, object] | None = document(bench.get(f"/feedback/{request_id}"))["rating"]
    return found


def test_calls_appear_and_are_rated_with_single_keys(start_bench: StartBench) -> None:
    bench = start_bench()
    older = id_of(bench.chat(model="gpt-4o"))
    with watching(bench) as terminal:
        terminal.wait_for(older, "q: quit")
        newer = id_of(bench.chat(model="o3"))
        terminal.wait_for(newer)
        terminal.press(b"u")
        terminal.wait_for("👍 held")
        assert (rating_of(bench, newer) or {})["thumb"] == "👍"
        terminal.press(b"\x1b[Bd")
        terminal.wait_for("👎 held")
        assert (rating_of(bench, older) or {})["thumb"] == "👎"
        assert (rating_of(bench, newer) or {})["thumb"] == "👍"
        terminal.press(b"x")
        terminal.wait_for("Taken back")
        wait_until(lambda: rating_of(bench, older) is None, "it is taken back")
        terminal.press(b"kx")
        wait_until(lambda: rating_of(bench, newer) is None, "the other one, too")
        terminal.press(b"q")
        assert terminal.ended() == 0


def test_a_terminal_of_80_columns_shows_all_but_the_end_of_an_id(start_bench: StartBench) -> None:
    bench = start_bench()
    call_id = id_of(bench.chat(model="claude-sonnet-4-5"))
    started = document(bench.get(f"/feedback/{call_id}"))["started_at"]
    with watching(bench, columns=80) as terminal:
        terminal.wait_for(call_id[:8], "status", "claude-sonnet-4-5", "q: quit")
        assert re.search(rf"\d\d:{started[14:19]} ", terminal.text)


def test_a_sentence_that_is_longer_than_a_line_goes_on_below(start_bench: StartBench) -> None:
    bench = start_bench()
    call_id = id_of(bench.chat())
    with watching(bench, columns=50) as terminal:
        terminal.wait_for(call_id[:4], "x: take back")
        terminal.press(b"x")
        terminal.wait_for("There is no rating of", f"{call_id} to take", "back.", "x: take back")
        bench.sidecar.begin_stop().result(DEADLINE_SECONDS)
        terminal.wait_for("away: ", "No sidecar answers", "--url")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_terminal_is_as_it_was_when_it_is_ended(
    bench: Bench, number: signal.Signals, status: int
) -> None:
    with watching(bench) as terminal:
        terminal.wait_for("No call has come yet.", "q: quit")
        terminal.process.send_signal(number)
        assert terminal.ended() == status


def test_it_says_when_the_sidecar_is_away(bench: Bench) -> None:
    with watching(bench) as terminal:
        terminal.wait_for("q: quit")
        bench.sidecar.begin_stop().result(DEADLINE_SECONDS)
        terminal.wait_for("away: ")
        terminal.press(b"uq")
        assert terminal.ended() == 0


def test_what_others_say_is_shown_as_it_is_and_gives_the_terminal_no_orders(bench: Bench) -> None:
    with watching(bench) as terminal:
        terminal.wait_for("q: quit")
        bench.chat(model="[bold]red[/bold]")
        terminal.wait_for("[bold]red[/bold]")
        terminal.press(b"q")
        terminal.ended()
    assert printable("bad\x1b]0;title\x07") == "bad\ufffd]0;title\ufffd"


@pytest.fixture
def piped(bench: Bench) -> Iterator[Program]:
    """The command without a terminal."""
    with Program("watch", "--url", bench.sidecar.sidecar.url) as program:
        wait_until(lambda: len(bench.sidecar.sidecar.parts.streams) == 1, "it listens")
        yield program


def test_without_a_terminal_each_event_is_a_line(bench: Bench, piped: Program) -> None:
    request_id = id_of(bench.chat())
    piped.wait_for(rf"^\d\d:\d\d:\d\d call started .*{request_id}$")
    piped.wait_for(rf"^\d\d:\d\d:\d\d call ended 200 gpt-4o-mini /v1/chat/completions \d+ ms {request_id}$")
    bench.rate("/feedback/last?hold=30s")
    piped.wait_for(rf"^\d\d:\d\d:\d\d rating 👍 held {request_id}")
    bench.ask("DELETE", "/feedback/last")
    piped.wait_for(rf"rating taken back {request_id}$")
    assert piped.stop() == 143
    assert piped.stderr == ""


def test_json_is_for_programs_and_filters_hold(bench: Bench) -> None:
    with Program("watch", "--json", "--user", "ann", "--url", bench.sidecar.sidecar.url) as program:
        program.wait_for('"event": "ready"')
        bench.chat()
        request_id = id_of(bench.chat(b"Helicone-User-Id: ann"))
        program.wait_for('"phase": "ended"')
        told = [json.loads(line) for line in program.stdout.splitlines()]
        assert [each["event"] for each in told] == ["ready", "call", "call", "call"]
        assert {each["call"]["id"] for each in told[1:]} == {request_id}
        assert told[0]["event_id"] is None
        assert told[1]["event_id"].endswith("-4")
        program.signal(signal.SIGINT)
        assert program.wait() == 130


def test_it_comes_back_when_the_sidecar_does(start_bench: StartBench) -> None:
    first = start_bench()
    port = first.sidecar.sidecar.port
    with Program("watch", "--url", first.sidecar.sidecar.url) as program:
        wait_until(lambda: len(first.sidecar.sidecar.parts.streams) == 1, "it listens")
        first.sidecar.begin_stop().result(DEADLINE_SECONDS)
        program.wait_for("The sidecar is away, and is waited for", where="stderr")
        second = start_bench(AT_ONCE, FastTime(1.0), **{"server.port": port})
        program.wait_for("The sidecar is back. Some events may be missing here.", where="stderr")
        request_id = id_of(second.chat())
        program.wait_for(f"call ended .*{request_id}")


def test_no_sidecar_or_no_token_is_said_at_once(start_bench: StartBench) -> None:
    nobody = run_command("watch", "--url", "localhost:9")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr.startswith("No sidecar answers")
    token = "a-token-of-sufficient-length"
    bench = start_bench(**{"guard.token": token})
    url = bench.sidecar.sidecar.url
    without = run_command("watch", "--url", url)
    assert without.returncode == 1
    assert "wants a token" in without.stderr
    with Program("watch", "--json", "--url", url, env={"HELICONE_PROXY_GUARD__TOKEN": token}) as program:
        program.wait_for("ready")


def test_keys_are_known_by_what_terminals_send() -> None:
    assert keys_of(b"ju\x1b[A\x1bOB\x1b[H\x1b[5~q") == ["j", "u", UP, DOWN, TOP, PAGE_UP, "q"]
    assert keys_of(b"\x1b\xff\x00 ") == []
