"""Memory across restarts: a sidecar ends or is killed, and the next one on the same file knows its calls."""

import asyncio
import contextlib
import json
import logging
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.benches import CHAT_PATH, JSON, Bench, chat_body, document, id_of, request
from harness.clients import Client
from harness.loops import LoopThread
from harness.programs import Program
from harness.sidecars import RunningSidecar, settings_of
from harness.standins import running_standin
from harness.upstreams import Upstream
from harness.wire import head, wait_until
from proxy.calls import saving
from proxy.calls.live_call import LiveCall
from proxy.calls.saving import SavingCalls
from proxy.clock import Clock
from proxy.demo import DEMO_KEY, StandInSettings
from proxy.errors import OutboxFailed, OutboxFull
from proxy.relay.contract import Ending
from proxy.stores.contract import SavedCall
from proxy.stores.memory import MemoryCalls

APPS_KEY = "sk-helicone-appsapp-appsapp-appsapp-appsapp"
BEGINNING = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"3\r\none\r\n"

Restart = Callable[..., contextlib.AbstractContextManager[Bench]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The outbox's file."""
    return tmp_path / "outbox.db"


@pytest.fixture
def running(sound_loop: LoopThread, file: Path) -> Iterator[Restart]:
    """Runs sidecars, one after the other, on one file and before one stand-in."""
    keys = {DEMO_KEY: "org-ours", APPS_KEY: "org-of-the-app"}
    with running_standin(sound_loop, StandInSettings(keys=keys, ingestion_delay_seconds=0.0)) as standin:

        @contextlib.contextmanager
        def run(**dotted: object) -> Iterator[Bench]:
            given: dict[str, object] = {
                "helicone.api_key": DEMO_KEY,
                "helicone.api_url": standin.api_url,
                "outbox.path": str(file),
                "calls.persist": True,
                **dotted,
            }
            with RunningSidecar(sound_loop, settings_of(standin.gateway_url, **given)) as sidecar:
                yield Bench(standin, sidecar)

        yield run


def calls_of(bench: Bench) -> list[dict[str, Any]]:
    """The calls that are remembered, the newest first, without what time changes."""
    listed = document(bench.get("/feedback?limit=1000"))["calls"]
    return [{name: value for name, value in call.items() if "age" not in name} for call in listed]


# --- restarts -----------------------------------------------------------------------------------------------


def test_after_a_restart_calls_are_shown_as_they_were(running: Restart) -> None:
    with running() as bench:
        bench.chat()
        bench.chat(model="gpt-4o", stream=True)
        bench.get("/v1/models")
        bench.ask("POST", f"/{APPS_KEY}/v1/chat/completions?key=canary", chat_body(), JSON)
        bench.ask("POST", CHAT_PATH, chat_body(), JSON, b"Helicone-Request-Id: not-a-uuid")
        aliases = [alias for call in calls_of(bench) for alias in call["aliases"]]
        wait_until(lambda: all(call["state"] == "complete" for call in calls_of(bench)), "all have ended")
        before = calls_of(bench)
        last = document(bench.get("/feedback/last"))
    assert len(before) == 5
    with running() as bench:
        assert calls_of(bench) == before
        found = document(bench.get("/feedback/last"))
        assert found["id"] == last["id"]
        for call in before:
            assert document(bench.get(f"/feedback/{call['id']}"))["known"]
        # Those of four bodies, of all heads, and an id that is none of Helicone's.
        assert len([alias for alias in aliases if alias.startswith("chatcmpl-")]) == 4
        assert "not-a-uuid" in aliases
        for alias in aliases:
            assert alias in document(bench.get(f"/feedback/{alias}"))["aliases"]
        newest = id_of(bench.chat())
        assert [call["id"] for call in calls_of(bench)] == [newest, *(call["id"] for call in before)]


def test_after_a_restart_a_call_is_rated_under_its_own_key_as_soon_as_it_is_known(running: Restart) -> None:
    with running() as bench:
        ours = id_of(bench.chat())
        apps = id_of(bench.chat(b"Helicone-Auth: Bearer " + APPS_KEY.encode()))
    with running() as bench:
        assert document(bench.rate(f"/feedback/{ours}"))["state"] == "accepted"
        assert document(bench.rate())["state"] == "paused"
        bench.chat(b"Helicone-Auth: Bearer " + APPS_KEY.encode())
        wait_until(lambda: len(bench.events) == 2, "the rating has left")
        assert [(event.request_id, event.organisation) for event in bench.events] == [
            (ours, "org-ours"),
            (apps, "org-of-the-app"),
        ]


def test_what_cannot_be_rated_cannot_be_rated_after_a_restart(running: Restart) -> None:
    with running() as bench:
        bench.ask("POST", "/v1/audio/speech", chat_body(), JSON)
        before = calls_of(bench)
    with running() as bench:
        assert calls_of(bench) == before
        answer = bench.rate(f"/feedback/{before[0]['id']}")
        assert answer.status >= 400
        assert bench.events == []


def test_a_call_that_is_cut_by_the_stop_is_saved_as_it_ended(running: Restart) -> None:
    with Upstream() as upstream:
        with running(**{"routes.default.url": upstream.url}) as bench:
            client = bench.stream()
            gateway = upstream.accept()
            gateway.read_request()
            gateway.send(BEGINNING)
            client.read_head()
            bench.sidecar.begin_stop().result(10)
            client.close()
        with running() as bench:
            [call] = calls_of(bench)
            assert call["state"] == "cut"
            assert call["duration_ms"] is not None


def test_a_call_that_was_saved_while_it_streamed_is_saved_again_at_its_end(running: Restart) -> None:
    with Upstream() as upstream, running(**{"routes.default.url": upstream.url}) as bench:
        client = bench.stream()
        gateway = upstream.accept()
        gateway.read_request()
        gateway.send(BEGINNING)
        raw_head = client.read_head()
        store = bench.sidecar.sidecar.parts.store
        assert isinstance(store, SavingCalls)
        wait_until(lambda: not store._changed, "it is saved as it streams")
        gateway.send(b"0\r\n\r\n")
        assert client.read_body(raw_head, until_close=False).body == b"one"
    with running() as bench:
        [call] = calls_of(bench)
        assert (call["state"], call["bytes_down"]) == ("complete", 3)


def test_a_call_that_was_asked_for_outlasts_others(running: Restart) -> None:
    with running(**{"calls.capacity": 3}) as bench:
        first, second, third = (id_of(bench.chat()) for _ in range(3))
        bench.get(f"/feedback/{first}")
    with running(**{"calls.capacity": 3}) as bench:
        fourth = id_of(bench.chat())
        assert [call["id"] for call in calls_of(bench)] == [fourth, third, first]
    with running(**{"calls.capacity": 2}) as bench:
        assert [call["id"] for call in calls_of(bench)] == [fourth, first]
    with running(**{"calls.capacity": 9}) as bench:
        assert [call["id"] for call in calls_of(bench)] == [fourth, first]
        assert bench.get(f"/feedback/{second}").status == 404


def test_many_calls_are_all_saved(running: Restart) -> None:
    with running() as bench:
        client = bench.sidecar.connect()
        ids = [
            id_of(client.ask(request("POST", CHAT_PATH, chat_body(), JSON)))
            for _ in range(2 * saving.AT_ONCE + 1)
        ]
    with running() as bench:
        assert [call["id"] for call in calls_of(bench)] == ids[::-1]


def test_without_persist_nothing_is_saved_and_what_was_is_wiped(running: Restart, file: Path) -> None:
    with running(**{"calls.persist": False}) as bench:
        bench.ask("POST", "/v1/users/somebody/chat/completions", chat_body(), JSON)
    assert b"somebody" not in file.read_bytes()
    with running() as bench:
        assert calls_of(bench) == []
        bench.ask("POST", "/v1/users/somebody/chat/completions", chat_body(), JSON)
    assert b"somebody" in file.read_bytes()
    with running(**{"calls.persist": False}) as bench:
        assert calls_of(bench) == []
    assert b"somebody" not in file.read_bytes()


def test_no_key_no_query_and_no_body_is_in_the_file(running: Restart, file: Path) -> None:
    secret = "sk-proj-canary-canary"
    with running() as bench:
        for lines in ((), (b"Helicone-Auth: Bearer " + APPS_KEY.encode(),)):
            bench.ask(
                "POST",
                f"/{APPS_KEY}/v1/chat/completions?key=canary-query",
                chat_body(messages=[{"role": "user", "content": "canary-prompt"}], user="somebody"),
                JSON,
                b"Authorization: Bearer " + secret.encode(),
                b"Helicone-Property-Session: sk-canary-session",
                *lines,
            )
        wait_until(lambda: b"/v1/chat/completions" in wal_and_file(file), "they are saved")
        assert b"canary" not in wal_and_file(file)
    # Whom a call is for is kept, as its path is, so that `?user=` finds it after a restart, too.
    for word in (b"/***/v1/chat/completions", b"somebody"):
        assert word in file.read_bytes()
    for word in (b"canary", APPS_KEY.encode(), DEMO_KEY.encode()):
        assert word not in wal_and_file(file)


def wal_and_file(file: Path) -> bytes:
    return b"".join(each.read_bytes() for each in file.parent.iterdir())


def test_a_record_that_cannot_be_read_costs_one_call(
    running: Restart, file: Path, sound_loop: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    with running() as bench:
        first, second = id_of(bench.chat()), id_of(bench.chat())
        place = bench.sidecar.sidecar.parts.store
        assert isinstance(place, SavingCalls)
        wait_until(lambda: not place._changed, "they are saved")
        broken = SavedCall(place=2, arrived=99, used=99, request_id=second, document="{")
        sound_loop.run(place._disk.save([broken]))
    with caplog.at_level(logging.WARNING), running() as bench:
        assert [call["id"] for call in calls_of(bench)] == [first]
        third = id_of(bench.chat())
    assert "1 of 2 saved calls could not be read." in caplog.text
    with running() as bench:
        assert [call["id"] for call in calls_of(bench)] == [third, first]


# --- kill -9 ------------------------------------------------------------------------------------------------


def started(upstream: Upstream, file: Path) -> Program:
    env = {"HELICONE_PROXY_CALLS__PERSIST": "true", "HELICONE_PROXY_OUTBOX__PATH": str(file)}
    return Program("serve", "--port", "0", "--upstream", upstream.url, env=env)


def port_of(program: Program) -> int:
    return int(program.wait_for(r"^helicone-proxy listens on http://localhost:(\d+) ")[1])


def test_after_kill_9_calls_are_known_a_second_after_they_ended_or_began(file: Path) -> None:
    call = request("POST", CHAT_PATH, chat_body(), JSON)
    with Upstream() as upstream:
        with started(upstream, file) as program, contextlib.ExitStack() as stack:
            address = ("127.0.0.1", port_of(program))
            streaming = stack.enter_context(Client.connect(address))
            streaming.send(call)
            gateway = upstream.accept()
            gateway.read_request()
            gateway.send(BEGINNING)
            streamed = re.search(rb"Feedback-Id: (\S+)", streaming.read_head())
            assert streamed
            done = stack.enter_context(Client.connect(address))
            done.send(call)
            other = upstream.accept()
            other.read_request()
            other.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok")
            ended = id_of(done.read_answer())
            time.sleep(1.0)
            program.signal(signal.SIGKILL)
            program.wait()
        with started(upstream, file) as program:
            client = Client.connect(("127.0.0.1", port_of(program)))
            shown = json.loads(client.ask(request("GET", "/feedback")).body)["calls"]
            client.close()
            assert program.stop() == 0
    assert [(each["id"], each["state"]) for each in shown] == [
        (ended, "complete"),
        (streamed[1].decode(), "cut"),
    ]
    assert [each["duration_ms"] is None for each in shown] == [False, True]
    assert shown[0]["model"] == "gpt-4o-mini"


# --- when the disk fails ------------------------------------------------------------------------------------


class Disk:
    """A store of saved calls that fails while it is told to."""

    def __init__(self) -> None:
        self.saved: dict[str, SavedCall] = {}
        self.error: OutboxFailed | None = None
        self.tried = 0

    async def save(self, calls: Sequence[SavedCall]) -> None:
        await asyncio.sleep(0)
        self.tried += 1
        if self.error is not None:
            raise self.error
        self.saved.update((call.request_id, call) for call in calls)

    async def load(self) -> list[SavedCall]:
        return list(self.saved.values())

    async def forget(self) -> int:
        return 0


def call_named(name: str) -> LiveCall:
    call = LiveCall(b"POST", b"/v1/chat/completions", 1.0)
    call.request_id, call.answered, call.started_at = name, 2.0, 1_800_000_000.0
    return call


FAST = Clock(time.time, time.monotonic, speed=50.0)


def saving_on(disk: Disk, capacity: int = 10) -> SavingCalls:
    return SavingCalls(MemoryCalls(capacity), disk, FAST)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("still not so")


@pytest.mark.parametrize("error", [OutboxFailed("The disk is broken."), OutboxFull("The disk is full.")])
def test_when_the_disk_fails_it_is_said_once_and_made_up_for(
    error: OutboxFailed, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()

    async def work() -> None:
        async with saving_on(disk) as store:
            for round_, letters in enumerate(("abc", "de"), 1):
                disk.error, tried = error, disk.tried
                for letter in letters:
                    store.remember(call_named(letter))
                await until(lambda tried=tried: disk.tried >= tried + 3)  # type: ignore[misc]
                assert caplog.text.count(error.message) == round_
                assert len(store) == (3 if round_ == 1 else 5)
                disk.error = None
                await until(lambda: len(disk.saved) == len(store))

    with caplog.at_level(logging.WARNING):
        asyncio.run(work())
    assert [call.arrived for call in disk.saved.values()] == [1, 2, 3, 4, 5]
    assert len(caplog.records) == 2


def test_what_waits_for_the_disk_is_bounded_and_told_of_at_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    disk.error = OutboxFull("The disk is full.")

    async def work() -> None:
        async with saving_on(disk, capacity=4) as store:
            for beginning in range(0, 100, 10):
                tried = disk.tried
                for number in range(beginning, beginning + 10):
                    store.remember(call_named(str(number)))
                await until(lambda tried=tried: disk.tried > tried)  # type: ignore[misc]
                assert len(store._changed) <= 4
            assert list(store._changed) == ["96", "97", "98", "99"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(work())
    assert caplog.messages[-1] == "4 calls have not been saved."
    assert disk.saved == {}


def test_the_end_of_a_call_does_not_hide_a_later_one_under_its_id() -> None:
    disk = Disk()

    async def work() -> None:
        async with saving_on(disk) as store:
            first, second = call_named("a"), call_named("a")
            store.remember(first)
            store.remember(second)
            first.ending, first.ended = Ending.LEFT, 3.0
            store.calls_ended([first])

    asyncio.run(work())
    assert disk.saved["a"].arrived == 2
    assert "ending" not in json.loads(disk.saved["a"].document)


def test_an_alias_of_a_call_whose_id_another_has_by_now_is_saved_with_that() -> None:
    disk = Disk()

    async def work() -> None:
        async with saving_on(disk) as store:
            first, second = call_named("a"), call_named("a")
            store.remember(first)
            store.remember(second)
            await until(lambda: len(disk.saved) == 1 and not store._changed)
            store.add_alias(first, "chatcmpl-0")
            assert store.named("chatcmpl-0", 1) == [second]

    asyncio.run(work())
    assert disk.saved["a"].arrived == 2
    assert json.loads(disk.saved["a"].document)["aliases"] == ["chatcmpl-0"]


def test_changes_are_gathered_and_nothing_is_written_when_nothing_changes() -> None:
    disk = Disk()

    async def work() -> None:
        async with saving_on(disk, capacity=1_000) as store:
            await asyncio.sleep(0.05)
            assert disk.tried == 0
            calls = [call_named(str(number)) for number in range(saving.AT_ONCE)]
            for call in calls:
                store.remember(call)
            store.calls_ended(calls)
            await until(lambda: len(disk.saved) == saving.AT_ONCE)
            assert disk.tried == 1
            await asyncio.sleep(0.05)
            assert disk.tried == 1

    asyncio.run(work())
    assert disk.tried == 1


def test_a_bug_while_saving_is_told_and_stops_no_call(caplog: pytest.LogCaptureFixture) -> None:
    class Buggy(Disk):
        async def save(self, calls: Sequence[SavedCall]) -> None:
            raise ZeroDivisionError

    async def work() -> None:
        async with saving_on(Buggy(), capacity=2) as store:
            store.remember(call_named("a"))
            await until(lambda: bool(caplog.records))
            for letter in "bcdef":
                store.remember(call_named(letter))
            assert len(store._changed) <= 2
            assert store.find("f") is not None

    asyncio.run(work())
    assert "Saving calls has stopped" in caplog.text


def test_a_restart_goes_on_counting() -> None:
    disk = Disk()

    async def work(name: str) -> None:
        store = saving_on(disk)
        await store.read_back(now=10.0, wall_now=1_800_000_009.0)
        async with store:
            store.find("a")
            store.remember(call_named(name))

    for name in "abc":
        asyncio.run(work(name))
    order = sorted(disk.saved.values(), key=lambda call: call.used)
    assert [call.request_id for call in order] == ["b", "a", "c"]
    assert [call.request_id for call in sorted(order, key=lambda call: call.arrived)] == ["a", "b", "c"]
