"""`helicone-proxy watch`, in a real terminal (a pty) and without one."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from harness.benches import AT_ONCE, Bench, StartBench, document, id_of
from harness.fast_time import FastTime
from harness.loops import DEADLINE_SECONDS
from harness.programs import COMMAND, Program, environment, run_command
from harness.wire import wait_until
from proxy.watch.keys import DOWN, PAGE_UP, TOP, UP, keys_of
from proxy.watch.lines import printable

_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|\([A-Z])")


class Terminal:
    """The command in a terminal of its own, of 30 lines."""

    def __init__(
        self, bench: Bench, *arguments: str, env: dict[str, str] | None = None, columns: int = 140
    ) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, columns))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.raw = b""
        self.process = subprocess.Popen(
            [*COMMAND, "watch", "--url", bench.sidecar.sidecar.url, *arguments],
            env=environment({"TERM": "xterm", **(env or {})}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_SECONDS)
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def text(self) -> str:
        """All that was shown since the last key, without escape sequences."""
        return _ESCAPES.sub(b"", self.raw).decode("utf-8", "replace")

    def read(self, seconds: float = 0.05) -> None:
        """What has been shown by now."""
        while select.select([self._ours], [], [], seconds)[0]:
            self.raw += os.read(self._ours, 65536)

    def wait_for(self, *words: str) -> None:
        """Wait until it has shown all of that."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not all(each in self.text for each in words):
            assert time.monotonic() < deadline, f"{words} are not all shown:\n{self.text}"
            self.read()

    def press(self, keys: bytes) -> None:
        """Press keys; what was shown before is forgotten."""
        self.read()
        self.raw = b""
        os.write(self._ours, keys)

    def ended(self) -> int:
        """Wait for its end; the terminal has to be as it was. Gives the exit status."""

        def is_over() -> bool:
            # Whoever does not read what it shows would keep it from ending.
            self.read(0.01)
            return self.process.poll() is not None

        wait_until(is_over, "it ends")
        assert termios.tcgetattr(self._theirs) == self.before
        # The cursor is shown, and the other screen is left.
        assert self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        assert self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        assert "Traceback" not in self.text
        return self.process.returncode


def rating_of(bench: Bench, request_id: str) -> dict[str, object] | None:
    found: dict[str, object] | None = document(bench.get(f"/feedback/{request_id}"))["rating"]
    return found


def test_calls_appear_and_are_rated_with_single_keys(start_bench: StartBench) -> None:
    bench = start_bench()
    older = id_of(bench.chat(model="gpt-4o"))
    with Terminal(bench) as terminal:
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
    with Terminal(bench, columns=80) as terminal:
        terminal.wait_for(call_id[:8], "status", "claude-sonnet-4-5", "q: quit")
        assert re.search(rf"\d\d:{started[14:19]} ", terminal.text)


def test_a_sentence_that_is_longer_than_a_line_goes_on_below(start_bench: StartBench) -> None:
    bench = start_bench()
    call_id = id_of(bench.chat())
    with Terminal(bench, columns=50) as terminal:
        terminal.wait_for(call_id[:4], "x: take back")
        terminal.press(b"x")
        terminal.wait_for("There is no rating of", f"{call_id} to take", "back.", "x: take back")
        bench.sidecar.begin_stop().result(DEADLINE_SECONDS)
        terminal.wait_for("away: ", "No sidecar answers", "--url")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_terminal_is_as_it_was_when_it_is_ended(
    bench: Bench, number: signal.Signals, status: int
) -> None:
    with Terminal(bench) as terminal:
        terminal.wait_for("No call has come yet.", "q: quit")
        terminal.process.send_signal(number)
        assert terminal.ended() == status


def test_it_says_when_the_sidecar_is_away(bench: Bench) -> None:
    with Terminal(bench) as terminal:
        terminal.wait_for("q: quit")
        bench.sidecar.begin_stop().result(DEADLINE_SECONDS)
        terminal.wait_for("away: ")
        terminal.press(b"uq")
        assert terminal.ended() == 0


def test_what_others_say_is_shown_as_it_is_and_gives_the_terminal_no_orders(bench: Bench) -> None:
    with Terminal(bench) as terminal:
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
