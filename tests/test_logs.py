"""The log: one line for each call, with all that helps and nothing that hurts."""

import asyncio
import io
import json
import logging
import re
import time
from datetime import datetime

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, document, id_of
from harness.loops import LoopThread
from harness.wire import wait_until
from proxy import logs
from proxy.calls.live_call import LiveCall
from proxy.demo import GatewayFault
from proxy.journal import Journal
from proxy.logs import CallLog, LogFormat
from proxy.redaction import Redaction
from proxy.relay.contract import Ending


def a_call(number: int = 0, *, ending: Ending | None = Ending.COMPLETE, status: int | None = 200) -> LiveCall:
    """A call that is over."""
    call = LiveCall(b"POST", b"/v1/chat/completions", 100.0)
    call.request_id = f"id-{number}"
    call.started_at = 1_750_000_000.0 + number
    call.status, call.ending = status, ending
    call.answered = None if ending is Ending.FAILED else 100.25
    call.ended = 101.5
    call.bytes_up, call.bytes_down = 11, 22
    call.model = "gpt-4o"
    return call


def written(log_format: LogFormat, *calls: LiveCall) -> str:
    stream = io.StringIO()
    CallLog(stream, log_format, Redaction()).write(calls)
    return stream.getvalue()


def test_a_line_for_people() -> None:
    line = written("text", a_call())
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d POST /v1/chat/completions 200 gpt-4o first 250 ms total 1500 ms id-0\n", line
    )


def test_a_line_has_the_time_of_the_calls_end_like_the_messages_around_it() -> None:
    call = a_call()
    at_its_end = time.strftime("%H:%M:%S", time.localtime(1_750_000_001))
    assert written("text", call).startswith(f"{at_its_end} POST ")


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.LEFT])
def test_an_end_that_is_not_the_usual_one_stands_behind_the_status(ending: Ending) -> None:
    assert f" 200 {ending.value} gpt-4o " in written("text", a_call(ending=ending))


def test_a_call_without_an_answer_has_no_first_byte() -> None:
    assert " 502 failed gpt-4o total 1500 ms id-0" in written(
        "text", a_call(ending=Ending.FAILED, status=502)
    )
    call = a_call(ending=Ending.LEFT, status=None)
    call.answered = call.model = None
    assert " - left - total 1500 ms id-0" in written("text", call)


def test_a_line_for_programs_has_every_field() -> None:
    assert json.loads(written("json", a_call())) == {
        "time": "2025-06-15T15:06:41.500+00:00",
        "level": "info",
        "event": "call",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "ending": "complete",
        "model": "gpt-4o",
        "first_byte_ms": 250.0,
        "duration_ms": 1500.0,
        "bytes_up": 11,
        "bytes_down": 22,
        "request_id": "id-0",
        "client": None,
    }


def test_a_line_for_programs_says_what_is_not_known_as_null() -> None:
    call = a_call(ending=Ending.LEFT, status=None)
    call.answered = call.model = None
    line = json.loads(written("json", call))
    assert (line["status"], line["model"], line["first_byte_ms"], line["ending"]) == (
        None,
        None,
        None,
        "left",
    )


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_come_in_the_order_in_which_calls_end(log_format: LogFormat) -> None:
    lines = written(log_format, *(a_call(number) for number in range(250))).splitlines()
    assert [re.search(r"id-(\d+)", line)[1] for line in lines] == [str(number) for number in range(250)]  # type: ignore[index]


def test_a_hundred_lines_are_written_at_once_and_fewer_soon(loop: LoopThread) -> None:
    stream = io.StringIO()

    async def write() -> list[int]:
        log = Journal([CallLog(stream, "text", Redaction()).write])
        counts = []
        for number in range(100):
            log.add(a_call(number))
            counts.append(stream.getvalue().count("\n"))
        log.add(a_call(100))
        counts.append(stream.getvalue().count("\n"))
        return counts

    counts = loop.run(write())
    assert counts[98:] == [0, 100, 100]
    wait_until(lambda: stream.getvalue().count("\n") == 101, "the last line is written")


def test_a_flush_leaves_nothing_to_be_written_twice(loop: LoopThread) -> None:
    stream = io.StringIO()

    async def write() -> None:
        log = Journal([CallLog(stream, "text", Redaction()).write])
        log.add(a_call())
        log.flush()
        log.flush()
        await asyncio.sleep(0.15)

    loop.run(write())
    assert stream.getvalue().count("\n") == 1


# -- over the wire


def test_every_call_has_its_line(bench: Bench) -> None:
    answer = bench.chat(model="gpt-4o")
    bench.get("/v1/models?limit=canary")
    bench.standin.faults.gateway.next(GatewayFault(status=429))
    bench.chat()
    wait_until(lambda: bench.sidecar.log.count("\n") == 3, "three lines")
    first, second, third = bench.sidecar.log.splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d POST /v1/chat/completions 200 gpt-4o first \d+ ms total \d+ ms " + id_of(answer),
        first,
    )
    assert " GET /v1/models 200 - first " in second
    assert " POST /v1/chat/completions 429 gpt-4o-mini first " in third


def test_what_is_local_is_no_call(bench: Bench) -> None:
    bench.get("/feedback")
    bench.rate()
    bench.get("/v1/models")
    bench.sidecar.wait_for_log("/v1/models")
    assert "/feedback" not in bench.sidecar.log


def test_json_lines_tell_what_the_api_shows(start_bench: StartBench) -> None:
    bench = start_bench(**{"log.format": "json"})
    body = chat_body(stream=True)
    bench.ask("POST", "/v1/chat/completions?key=canary", body, JSON)
    bench.sidecar.wait_for_log("\n")
    line = json.loads(bench.sidecar.log)
    shown = document(bench.get("/feedback/last"))
    for name in (
        "method",
        "path",
        "status",
        "model",
        "first_byte_ms",
        "duration_ms",
        "bytes_up",
        "bytes_down",
    ):
        assert line[name] == shown[name]
    assert (line["request_id"], line["ending"]) == (shown["id"], shown["state"])
    took = datetime.fromisoformat(line["time"]) - datetime.fromisoformat(shown["started_at"])
    assert abs(took.total_seconds() * 1000 - shown["duration_ms"]) <= 2
    assert "canary" not in bench.sidecar.log


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_higher_level_silences_the_lines_of_calls(start_bench: StartBench, level: str) -> None:
    bench = start_bench(**{"log.level": level})
    bench.chat()
    bench.sidecar.begin_stop().result(10)
    assert bench.sidecar.log == ""


@pytest.mark.parametrize("level", ["debug", "info"])
def test_what_has_ended_is_logged_before_the_sidecar_stops(start_bench: StartBench, level: str) -> None:
    bench = start_bench(**{"log.level": level})
    bench.chat()
    bench.sidecar.begin_stop().result(10)
    assert bench.sidecar.log.count("\n") == 1


# -- what the program says besides


@pytest.mark.usefixtures("restored_logging")
def test_messages_for_programs_are_json_lines_too() -> None:
    stream = io.StringIO()
    logs.set_up(stream, "json", "info", Redaction())
    logger = logging.getLogger("proxy.test")
    logger.info("a %s", "word")
    logger.debug("not this")
    try:
        int("a reason")
    except ValueError:
        logger.exception("it\nfailed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert {**first, "time": ""} == {
        "time": "",
        "level": "info",
        "event": "message",
        "logger": "proxy.test",
        "message": "a word",
    }
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert (second["level"], second["message"]) == ("error", "it\nfailed")
    assert "ValueError: invalid literal for int() with base 10: 'a reason'" in second["trace"]


@pytest.mark.usefixtures("restored_logging")
def test_messages_for_people_are_lines_of_text() -> None:
    stream = io.StringIO()
    logs.set_up(stream, "text", "warning", Redaction())
    logging.getLogger("proxy.test").warning("listening without %s", "::1")
    logging.getLogger("proxy.test").info("not this")
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING listening without ::1\n", stream.getvalue())


class FullDisk(io.StringIO):
    """A stream that takes nothing."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_fails_no_call() -> None:
    CallLog(FullDisk(), "text", Redaction()).write([a_call(number) for number in range(250)])
