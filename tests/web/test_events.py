"""GET /feedback/events: what happens, told as it happens, over real sockets."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.fast_time import FastTime
from harness.listeners import HEARTBEAT, Listening
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, answering
from harness.wire import End, head, wait_until
from proxy.demo import ApiFault, StandInSettings
from proxy.demo.faults import invalid_token
from proxy.errors import OutboxFailed
from proxy.events.ring import ENDED, MOST, MUCH

EVENTS = "/feedback/events"
SPEED = 100.0
SLOWLY = StandInSettings(ingestion_delay_seconds=0.0, token_interval_seconds=0.05)
ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER_ID = "1b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b11"


def phases(listening: Listening, count: int = 3) -> list[tuple[str, str]]:
    """Phases and ids of the next events of calls."""
    return [(told.data["phase"], told.data["call"]["id"]) for told in listening.calls(count)]


def listeners(sidecar: RunningSidecar) -> int:
    """How many it believes to listen."""
    return len(sidecar.sidecar.parts.streams)


def put(loop: LoopThread, sidecar: RunningSidecar, kind: str, count: int) -> None:
    """Have the newest call do that so often, all in one turn of the loop."""
    parts = sidecar.sidecar.parts

    def work() -> None:
        call = next(iter(parts.store.calls()), None)
        for _ in range(count):
            parts.events.put(kind, call)

    loop.call(work)


# -- calls


def test_a_call_is_told_from_its_beginning_to_its_end(start_bench: StartBench) -> None:
    bench = start_bench(SLOWLY)
    listening = Listening(bench.sidecar)
    assert listening.answer.value(b"content-type") == b"text/event-stream; charset=utf-8"
    assert listening.answer.value(b"cache-control") == b"no-store"
    assert listening.answer.value(b"connection") == b"close"
    assert listening.ready() == {"resumed": False, "remembered": 0}
    client = bench.stream(b"Helicone-User-Id: ann")
    told = listening.calls(2)
    assert [each.data["phase"] for each in told] == ["started", "answered"]
    running = told[1].data["call"]
    assert (running["state"], running["user"], running["model"]) == ("streaming", "ann", "gpt-4o-mini")
    assert (running["status"], running["duration_ms"], running["rating"]) == (200, None, None)
    client.read_answer()
    (last,) = listening.calls(1)
    assert (last.data["phase"], last.data["call"]["state"]) == ("ended", "complete")
    assert [each.number for each in (*told, last)] == [1, 2, 3]
    # It is as it stands everywhere else.
    shown = document(bench.get("/feedback"))["calls"][0]
    assert {**last.data["call"], "age_seconds": 0} == {**shown, "age_seconds": 0}
    assert all("was" not in each.data for each in (*told, last))


def test_events_come_in_the_order_in_which_things_happened(bench: Bench) -> None:
    listening = Listening(bench.sidecar)
    listening.ready()
    ids = [id_of(bench.chat()) for _ in range(30)]
    told = listening.calls(90)
    assert [each.number for each in told] == list(range(1, 91))
    assert [(each.data["phase"], each.data["call"]["id"]) for each in told] == [
        (phase, request_id) for request_id in ids for phase in ("started", "answered", "ended")
    ]


def test_a_call_that_fails_is_told_too(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar("http://127.0.0.1:9")
    listening = Listening(sidecar)
    listening.ready()
    sidecar.connect().ask(request("POST", "/v1/chat/completions", chat_body(), JSON))
    told = listening.calls(2)
    assert [each.data["phase"] for each in told] == ["started", "ended"]
    assert (told[1].data["call"]["state"], told[1].data["call"]["status"]) == ("failed", 502)


def test_a_call_that_gets_another_id_says_which_it_had(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    told_id = head(b"HTTP/1.1 200 OK", b"Helicone-Id: " + OTHER_ID.encode(), b"Content-Length: 0")
    sidecar = start_sidecar(start_upstream(answering(told_id)).url)
    listening = Listening(sidecar)
    listening.ready()
    lines = (JSON, b"Helicone-Request-Id: " + ID.encode())
    sidecar.connect().ask(request("POST", "/v1/chat/completions", chat_body(), *lines))
    _, answered, ended = listening.calls(3)
    assert (answered.data["call"]["id"], answered.data["was"]) == (OTHER_ID, ID)
    assert (ended.data["call"]["id"], ended.data.get("was")) == (OTHER_ID, None)


# -- ratings


def test_a_rating_is_told_until_it_is_verified(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED), **{"delivery.first_look_seconds": 60})
    request_id = id_of(bench.chat())
    listening = Listening(bench.sidecar)
    listening.ready()
    bench.rate("/feedback/last?hold=20s", b"rating=down&comment=no")
    held = listening.rating(request_id, "held")
    assert held is not None
    assert (held["thumb"], held["comment"]) == ("👎", "no")
    accepted = listening.rating(request_id, "accepted")
    assert accepted is not None
    assert accepted["attempts"] == 1
    verified = listening.rating(request_id, "verified")
    assert verified is not None
    assert verified["verified_at"] is not None
    # A call is told with its rating, too.
    put_id = Listening(bench.sidecar, f"{EVENTS}?last_event_id=x")
    put_id.ready()


def test_a_rating_that_is_taken_back_is_none_or_what_stood_before(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    listening = Listening(bench.sidecar)
    listening.ready()
    bench.rate("/feedback/last?hold=30s")
    listening.rating(request_id, "held")
    bench.ask("DELETE", "/feedback/last")
    assert listening.rating(request_id, None) is None
    bench.rate("/feedback/last?wait=accepted")
    listening.rating(request_id, "accepted")
    bench.rate("/feedback/last?hold=30s", b"rating=down")
    newer = listening.rating(request_id, "held")
    assert newer is not None
    # The one before is superseded: what stands is told.
    assert newer["thumb"] == "👎"
    bench.ask("DELETE", "/feedback/last")
    # It may have been looked at, and found stored, by now.
    while (older := listening.until("rating").data["rating"])["thumb"] != "👍":
        pass
    assert older["state"] in ("accepted", "verified")


def test_ratings_that_wait_for_a_key_are_told_when_it_is_refused_and_when_it_works_again(
    start_bench: StartBench,
) -> None:
    fast = FastTime(SPEED)
    bench = start_bench(AT_ONCE, fast, **{"delivery.burst": 1, "delivery.per_second": 0.2})
    ids = [id_of(bench.chat()) for _ in range(3)]
    listening = Listening(bench.sidecar)
    listening.ready()
    with bench.standin.faults.api.during(invalid_token()):
        for request_id in ids:
            bench.rate(f"/feedback/{request_id}?wait=queued")
        # Only one of them has left, and was refused.
        paused: dict[str, Any] = {}
        while set(paused) != set(ids):
            data = listening.until("rating").data
            if data["rating"]["state"] == "paused":
                paused[data["id"]] = data["rating"]
        assert sum(each["attempts"] for each in paused.values()) <= 1
        assert all("refused the key" in each["reason"] for each in paused.values())
    queued: set[str] = set()
    while queued != set(ids):
        data = listening.until("rating").data
        if data["rating"]["state"] in ("queued", "accepted", "verified"):
            queued.add(data["id"])


def test_ratings_that_waited_for_an_unknown_key_are_told_when_it_comes_up(
    start_bench: StartBench,
    tmp_path: Path,
    loop: LoopThread,
) -> None:
    key = b"Helicone-Auth: Bearer sk-helicone-canary2-canary2-canary2-canary2"
    bench = start_bench(**{"outbox.path": str(tmp_path / "outbox.db")})
    request_id = id_of(bench.chat(key))
    keys = bench.sidecar.sidecar.parts.delivery._keys
    bench.rate(f"/feedback/{request_id}?hold=1s")
    listening = Listening(bench.sidecar)
    listening.ready()
    # As after a restart.
    loop.call(keys._seen.clear)
    loop.call(keys._fingerprints.clear)
    wait_until(lambda: bool(bench.sidecar.sidecar.parts.courier.without_key), "the key is not known")
    bench.chat(key)
    while True:
        told = listening.until("rating")
        if told.data["id"] == request_id and told.data["rating"]["state"] != "held":
            assert told.data["rating"]["state"] in ("queued", "paused", "accepted", "verified")
            break


def test_a_refused_rating_is_told_with_its_reason_and_so_is_its_next_try(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    request_id = id_of(bench.chat())
    listening = Listening(bench.sidecar)
    listening.ready()
    with bench.standin.faults.api.during(ApiFault(status=422)):
        bench.rate()
        refused = listening.rating(request_id, "refused")
    assert refused is not None
    assert refused["reason"]
    bench.ask("POST", "/feedback/outbox/retry", b"{}", JSON)
    listening.rating(request_id, "verified")


def test_more_ratings_than_can_be_told_are_a_gap(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED), **{"delivery.hold_seconds": None})
    listening = Listening(bench.sidecar)
    listening.ready()
    items = ",".join(f'{{"id": "{ID[:-3]}{number:03}", "rating": true}}' for number in range(300))
    bench.ask("POST", "/feedback/batch?hold=1h", f'{{"ratings": [{items}]}}'.encode(), JSON)
    assert listening.until("ready").data["resumed"] is False


# -- resuming


def test_a_listener_that_comes_back_misses_nothing(bench: Bench) -> None:
    listening = Listening(bench.sidecar)
    listening.ready()
    bench.chat()
    seen = listening.calls(2)[1]
    listening.client.close()
    again = id_of(bench.chat())
    for target, lines in (
        (EVENTS, (f"Last-Event-ID: {seen.id}".encode(),)),
        (f"{EVENTS}?last_event_id={seen.id}", ()),
    ):
        resumed = Listening(bench.sidecar, target, *lines)
        assert resumed.ready() == {"resumed": True, "remembered": 2}
        missed = resumed.calls(4)
        assert [each.number for each in missed] == [3, 4, 5, 6]
        assert missed[-1].data["call"]["id"] == again


def test_who_was_away_for_too_long_or_comes_from_elsewhere_is_told_of_a_gap(
    bench: Bench, loop: LoopThread
) -> None:
    listening = Listening(bench.sidecar)
    listening.ready()
    bench.chat()
    (seen,) = listening.calls(1)
    assert seen.id is not None
    nonce = seen.id.partition("-")[0]
    listening.client.close()
    put(loop, bench.sidecar, MUCH, MOST - 2)
    kept = Listening(bench.sidecar, EVENTS, f"Last-Event-ID: {seen.id}".encode())
    assert kept.ready()["resumed"] is True
    put(loop, bench.sidecar, MUCH, 1)
    strange = (
        seen.id,
        "0badc0de-1",
        f"{nonce}-999999",
        f"{nonce}-",
        f"{nonce}--1",
        f"{nonce}-1e3",
        nonce,
        "x",
    )
    for event_id in strange:
        again = Listening(bench.sidecar, EVENTS, b"Last-Event-ID: " + event_id.encode())
        assert again.ready()["resumed"] is False, event_id
        again.client.close()


def test_another_process_knows_nothing_of_the_events_of_the_one_before(start_bench: StartBench) -> None:
    first, second = start_bench(), start_bench()
    listening = Listening(first.sidecar)
    listening.ready()
    first.chat()
    (seen,) = listening.calls(1)
    second.chat()
    again = Listening(second.sidecar, EVENTS, f"Last-Event-ID: {seen.id}".encode())
    assert again.ready() == {"resumed": False, "remembered": 1}


# -- filters


@pytest.mark.parametrize(
    "query",
    ["user=ann", "session=s-1", "model=gpt-4o", "path=/v1/chat", "client=curl", "property.App=shop"],
)
def test_a_filter_lets_only_the_calls_pass_that_it_means_and_their_ratings(bench: Bench, query: str) -> None:
    listening = Listening(bench.sidecar, f"{EVENTS}?{query}")
    listening.ready()
    lines = (
        b"Helicone-User-Id: ann",
        b"Helicone-Session-Id: s-1",
        b"Helicone-Property-App: shop",
        b"User-Agent: curl/8.0",
    )
    meant = id_of(bench.chat(*lines, model="gpt-4o"))
    other = id_of(bench.ask("POST", "/v1/embeddings", b'{"model": "small", "input": "x"}', JSON))
    bench.rate(f"/feedback/{other}")
    bench.rate(f"/feedback/{ID}")
    bench.rate(f"/feedback/{meant}")
    assert phases(listening) == [("started", meant), ("answered", meant), ("ended", meant)]
    told = listening.next()
    assert (told.name, told.data["id"]) == ("rating", meant)


def test_a_rating_of_a_call_that_is_not_remembered_is_told_to_those_who_want_all(bench: Bench) -> None:
    listening = Listening(bench.sidecar)
    listening.ready()
    bench.rate(f"/feedback/{ID}?hold=30s")
    listening.rating(ID, "held")


def test_asking_for_what_nobody_knows_is_refused(bench: Bench) -> None:
    assert error_of(bench.get(f"{EVENTS}?usr=ann"))[:2] == (400, "bad_request")
    assert error_of(bench.get(f"{EVENTS}?path=v1"))[:2] == (400, "bad_request")
    assert error_of(bench.get(f"{EVENTS}?rating=up"))[:2] == (405, "use_post")
    assert error_of(bench.rate(EVENTS))[:2] == (405, "method_not_allowed")


# -- the stream itself


def test_a_silent_stream_has_heartbeats(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    listening = Listening(bench.sidecar)
    listening.ready()
    assert [listening.next().name for _ in range(3)] == [HEARTBEAT] * 3


def test_a_head_says_what_a_stream_would_be_and_an_old_client_gets_it_unchunked(bench: Bench) -> None:
    answer = bench.ask("HEAD", EVENTS)
    assert (answer.status, answer.value(b"content-type")) == (200, b"text/event-stream; charset=utf-8")
    assert listeners(bench.sidecar) == 0
    client = bench.sidecar.connect()
    client.send(head(f"GET {EVENTS} HTTP/1.0".encode(), b"Host: localhost"))
    assert b"transfer-encoding" not in client.read_head().lower()
    assert client.read_until(b"\n\n") == b"retry: 1000\n\n"
    assert client.read_until(b"\n\n").startswith(b"event: ready\n")


@pytest.mark.parametrize("leave", [lambda client: client.close(), lambda client: client.reset()])
def test_a_listener_that_leaves_leaves_nothing_behind(bench: Bench, leave: Callable[[Any], None]) -> None:
    listening = Listening(bench.sidecar)
    listening.ready()
    bench.chat()
    listening.calls(1)
    assert listeners(bench.sidecar) == 1
    leave(listening.client)
    wait_until(lambda: listeners(bench.sidecar) == 0, "nobody listens")
    parts = bench.sidecar.sidecar.parts
    assert not parts.events.is_awaited
    assert parts.streams._rendered == {}


def test_a_stop_ends_streams_at_once_with_a_last_word(start_bench: StartBench) -> None:
    bench = start_bench(**{"server.grace_seconds": 60})
    listening = Listening(bench.sidecar)
    listening.ready()
    began = time.monotonic()
    bench.sidecar.begin_stop().result(30)
    assert time.monotonic() - began < 20
    told = listening.until("end")
    assert (told.data["code"], told.id) == ("stopping", None)
    assert "stopped" in told.data["message"]
    assert listening.next().name == "closed"


def test_a_stop_waits_for_running_calls_while_the_streams_are_gone(start_bench: StartBench) -> None:
    bench = start_bench(SLOWLY, **{"server.grace_seconds": 30})
    listening = Listening(bench.sidecar)
    listening.ready()
    client = bench.stream()
    listening.calls(2)
    stopping = bench.sidecar.begin_stop()
    assert listening.until("end").data["code"] == "stopping"
    assert client.read_answer().status == 200
    stopping.result(30)


def test_only_so_many_streams_may_be_open(start_bench: StartBench) -> None:
    bench = start_bench(**{"server.max_connections": 8})
    first, second = Listening(bench.sidecar), Listening(bench.sidecar)
    first.ready()
    second.ready()
    answer = bench.get(EVENTS)
    status, code, sentence = error_of(answer)
    assert (status, code) == (503, "too_many_streams")
    assert sentence.startswith("2 streams of events are open")
    assert answer.value(b"retry-after") == b"10"
    assert bench.chat().status == 200
    first.client.close()
    wait_until(lambda: listeners(bench.sidecar) == 1, "one has left")
    Listening(bench.sidecar).ready()


def test_a_stream_wants_a_token_where_one_is_set(start_bench: StartBench) -> None:
    bench = start_bench(**{"guard.token": "a-token-of-sufficient-length"})
    assert bench.get(EVENTS).status == 401
    assert bench.get(EVENTS, b"Host: attacker.test").status == 403
    with_token = Listening(bench.sidecar, EVENTS, b"Authorization: Bearer a-token-of-sufficient-length")
    with_token.ready()


# -- the relay goes first


def test_a_slow_listener_is_dropped_with_a_last_word_and_calls_go_on(
    start_bench: StartBench, loop: LoopThread
) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    bench.chat()
    slow = Listening(bench.sidecar, receive_buffer_bytes=4096)
    quick = Listening(bench.sidecar)
    slow.ready()
    quick.ready()
    (listener, _) = bench.sidecar.sidecar.parts.streams._listeners
    for _ in range(20):
        put(loop, bench.sidecar, ENDED, 60)
        quick.calls(60)
    wait_until(lambda: listener.sink.unsent_bytes > 0, "it does not read")
    put(loop, bench.sidecar, ENDED, MOST + 100)
    assert bench.chat().status == 200
    wait_until(lambda: bench.sidecar.sidecar.parts.streams.dropped == 1, "it is dropped")
    told = slow.until("end")
    assert (told.data["code"], told.id) == ("too_slow", None)
    assert slow.next().name == "closed"
    # The other one hears of the newest.
    newest = id_of(bench.chat())
    while quick.until("call").data["call"]["id"] != newest:
        pass
    assert listeners(bench.sidecar) == 1
    figures = bench.get("/feedback/metrics").body.decode()
    assert "helicone_proxy_event_streams_dropped_total 1.0" in figures
    assert "helicone_proxy_event_streams 1.0" in figures


def test_a_listener_that_never_reads_again_is_cut(start_bench: StartBench, loop: LoopThread) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    bench.chat()
    slow = Listening(bench.sidecar, receive_buffer_bytes=4096)
    slow.ready()
    (listener,) = bench.sidecar.sidecar.parts.streams._listeners

    def is_full() -> bool:
        put(loop, bench.sidecar, ENDED, 64)
        return listener.sink.unsent_bytes > 0

    wait_until(is_full, "it does not read")
    # A minute, of the fast time; and then its last word does not leave, either.
    wait_until(lambda: bench.sidecar.sidecar.parts.streams.dropped == 1, "it is dropped")
    assert slow.client.read_to_end()
    assert slow.client.end in (End.RESET, End.CLOSED)


def test_more_than_can_be_told_is_a_gap_and_the_newest_are_told(
    start_bench: StartBench, loop: LoopThread
) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    bench.chat()
    listening = Listening(bench.sidecar)
    listening.ready()
    put(loop, bench.sidecar, ENDED, 2 * MOST)
    told = listening.calls(1)[0]
    assert told.number > MOST
    assert listening.until("ready").data["resumed"] is False
    newest = id_of(bench.chat())
    while listening.until("call").data["call"]["id"] != newest:
        pass


def test_200_streams_hear_of_every_call_that_is_relayed_meanwhile(bench: Bench) -> None:
    streams = [Listening(bench.sidecar) for _ in range(200)]
    for each in streams:
        each.ready()
    ids = [id_of(bench.chat()) for _ in range(10)]
    expected = [(phase, each) for each in ids for phase in ("started", "answered", "ended")]
    for each in streams:
        assert phases(each, 30) == expected
    assert listeners(bench.sidecar) == 200


def test_a_disk_that_fails_delays_what_is_told_and_falsifies_nothing(bench: Bench, loop: LoopThread) -> None:
    request_id = id_of(bench.chat())
    bench.rate("/feedback/last?hold=30s")
    parts = bench.sidecar.sidecar.parts
    listening = Listening(bench.sidecar)
    listening.ready()
    looked: list[int] = []
    current = parts.delivery.current

    async def failing(request_ids: Any) -> Any:  # noqa: ANN401
        looked.append(len(request_ids))
        if len(looked) == 1:
            raise OutboxFailed("The disk fails.")
        return await current(request_ids)

    loop.call(setattr, parts.delivery, "current", failing)
    put(loop, bench.sidecar, ENDED, 1)
    (told,) = listening.calls(1)
    assert (told.data["call"]["id"], told.data["call"]["rating"]["state"]) == (request_id, "held")
    assert len(looked) >= 2
