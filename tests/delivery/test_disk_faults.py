"""The disk fails, or is full: no 2xx without a rating on disk, calls go on, and all is well again by itself."""

import contextlib
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.benches import JSON, StartBench, chat_body, error_of
from harness.crashes import Person, known_calls, running_mortal
from harness.fast_time import FastTime
from harness.loops import LoopThread
from harness.standins import running_standin
from harness.wire import wait_until
from proxy.demo import DEMO_KEY, ApiFault, ScoreEvent, StandIn, StandInSettings

STANDIN = StandInSettings(ingestion_delay_seconds=0.0, token_interval_seconds=0.0005, api_budget=None)
LONG = "x" * 4000
"""A comment that fills the outbox quickly."""
PLENTY = {"delivery.burst": 10_000, "delivery.per_second": 1_000}
FAST_SECONDS = 2.0
"""A chat through a sidecar whose disk is well takes 10 ms; this says that it waits for no disk."""


@pytest.fixture
def standin(loop: LoopThread) -> Iterator[StandIn]:
    """Helicone, which knows a call as soon as it has ended."""
    with running_standin(loop, STANDIN) as standin:
        yield standin


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of that size, or a skip where none may be mounted."""
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
        )
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Write until nothing is left of the disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


class Taken:
    """Ratings that are sent one after the other, each of another call, and which of them were answered 2xx."""

    def __init__(self, sidecar: Person, ids: list[str]) -> None:
        self._sidecar = sidecar
        self._left = list(ids)
        self.ids: list[str] = []

    def rate(self, comment: str = LONG) -> tuple[int, str, str] | None:
        """Rate another call: None if it was taken, else the error."""
        request_id = self._left.pop()
        answer = self._sidecar.rate(request_id, {"rating": True, "comment": comment})
        if answer.status == 202:
            self.ids.append(request_id)
            return None
        # Its turn comes again when all others have had theirs.
        self._left.insert(0, request_id)
        return error_of(answer)

    def rate_until_refused(self) -> tuple[int, str, str]:
        """Rate until one is refused; gives the error."""
        while (error := self.rate()) is None:
            pass
        return error

    def wait_until_taken(self) -> None:
        """Rate until one is taken again."""
        wait_until(lambda: self.rate("short") is None, "a rating is taken again")

    def wait_until_verified(self, standin: StandIn) -> None:
        """Wait until each that was answered 2xx is stored."""
        wait_until(lambda: self._sidecar.health()["open"] == 0, "nothing is left to be done", seconds=60)
        kept = self._sidecar.outbox()
        # What was stored may have had to make room.
        assert {each["state"] for each in kept.values()} == {"verified"}
        assert [request_id for request_id in self.ids if not standin.ledger.rating_of(request_id)] == []

    def none_was_taken_falsely(self, events: list[ScoreEvent]) -> bool:
        """Whether nothing left that was refused."""
        return {event.request_id for event in events} <= set(self.ids)


def health(sidecar: Person) -> dict[str, Any]:
    """The whole health answer."""
    return sidecar.get("/feedback/health")


def calls_go_on(sidecar: Person) -> bool:
    """Whether a chat works, and is fast."""
    began = time.monotonic()
    answer = sidecar.ask("POST", "/v1/chat/completions", chat_body(), JSON)
    return answer.status == 200 and time.monotonic() - began < FAST_SECONDS


def posted(standin: StandIn) -> list[ScoreEvent]:
    """What will be posted."""
    events: list[ScoreEvent] = []
    standin.ledger.listeners.append(events.append)
    return events


def test_an_outbox_that_has_reached_its_size_refuses_with_507_until_what_is_stored_can_make_room(
    start_bench: StartBench, tmp_path: Path
) -> None:
    given = {"outbox.path": str(tmp_path / "outbox.db"), "outbox.max_size_mib": 1}
    bench = start_bench(STANDIN, FastTime(200.0), **given, **PLENTY)
    person, standin = Person(bench.ask), bench.standin
    taken = Taken(person, known_calls(standin, 1000))
    with standin.faults.api.during(ApiFault(status=503)):
        status, code, message = taken.rate_until_refused()
        assert (status, code) == (507, "outbox_full")
        assert "max_size" in message
        said = health(person)
        assert said["status"] == "degraded"
        assert "max_size" in said["delivery"]["not_taking"]
        assert calls_go_on(person)
        assert (tmp_path / "outbox.db").stat().st_size <= 1024 * 1024
        # What is not stored never makes room.
        assert taken.rate() is not None
        assert set(person.outbox()) == set(taken.ids)
        assert len(taken.ids) > 50
    taken.wait_until_verified(standin)
    # What was stored a while ago makes room.
    taken.wait_until_taken()
    assert health(person)["status"] == "ok"
    for _ in range(50):
        taken.wait_until_taken()
    taken.wait_until_verified(standin)
    assert taken.none_was_taken_falsely(bench.events)


def test_a_full_disk_refuses_with_507_and_nothing_else_suffers(standin: StandIn, tmp_path: Path) -> None:
    events = posted(standin)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "2m"))
        sidecar = stack.enter_context(running_mortal(standin, disk))
        taken = Taken(sidecar, known_calls(standin, 1000))
        assert taken.rate() is None
        filler = disk / "filler"
        fill(filler)
        status, code, _ = taken.rate_until_refused()
        assert (status, code) == (507, "outbox_full")
        assert calls_go_on(sidecar)
        assert health(sidecar)["status"] == "degraded"
        filler.unlink()
        taken.wait_until_taken()
        assert health(sidecar)["status"] == "ok"
        taken.wait_until_verified(standin)
        assert taken.none_was_taken_falsely(events)
        assert sidecar.stop() == 0


@pytest.mark.parametrize("saved", [False, True], ids=["no calls saved", "calls saved before"])
def test_a_sidecar_that_starts_on_a_full_disk_relays_calls_and_delivers_when_there_is_room(
    standin: StandIn, tmp_path: Path, saved: bool
) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "2m"))
        sidecar = stack.enter_context(running_mortal(standin, disk, key=DEMO_KEY, **{"calls.persist": saved}))
        taken = Taken(sidecar, known_calls(standin, 1000))
        assert calls_go_on(sidecar)
        with standin.faults.api.during(ApiFault(status=503)):
            for _ in range(20):
                assert taken.rate() is None
            wait_until(lambda: sidecar.health()["api_down"] is not None, "the API is known to be down")
            assert sidecar.stop() == 0
        filler = disk / "filler"
        fill(filler)
        del sidecar.environment["HELICONE_PROXY_CALLS__PERSIST"]
        sidecar.start()
        sidecar.wait_until_up()
        assert calls_go_on(sidecar)
        assert taken.rate_until_refused()[:2] == (507, "outbox_full")
        assert "Traceback" not in sidecar.program.stderr
        assert ("are still on disk" in sidecar.program.stderr) is saved
        filler.unlink()
        taken.wait_until_taken()
        taken.wait_until_verified(standin)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits a program that runs already")
def test_a_disk_that_cannot_be_written_refuses_with_503_and_nothing_else_suffers(
    standin: StandIn, tmp_path: Path
) -> None:
    events = posted(standin)
    with running_mortal(standin, tmp_path) as sidecar:
        taken = Taken(sidecar, known_calls(standin, 1000))
        assert taken.rate() is None
        unlimited = resource.prlimit(sidecar.program.pid, resource.RLIMIT_FSIZE)
        # A write above that fails with EFBIG, which is an I/O error to SQLite as EIO is.
        resource.prlimit(sidecar.program.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        status, code, message = taken.rate_until_refused()
        assert (status, code) == (503, "outbox_failed")
        assert "cannot be written" in message
        assert calls_go_on(sidecar)
        assert health(sidecar)["status"] == "degraded"
        for _ in range(5):
            assert taken.rate() is not None
        resource.prlimit(sidecar.program.pid, resource.RLIMIT_FSIZE, unlimited)
        taken.wait_until_taken()
        assert health(sidecar)["status"] == "ok"
        taken.wait_until_verified(standin)
        assert taken.none_was_taken_falsely(events)
        assert "bug" not in sidecar.program.stderr
        assert sidecar.stop() == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits a program that runs already")
def test_a_disk_that_fails_after_a_post_has_the_rating_stored_once_it_works_again(
    standin: StandIn, tmp_path: Path
) -> None:
    with running_mortal(standin, tmp_path) as sidecar:
        (request_id,) = known_calls(standin, 1)
        with standin.faults.api.during(ApiFault(path=f"/v1/request/{request_id}", latency_seconds=1.0)):
            sidecar.rate(request_id)
            standin.api.wait_for(lambda received: received.target.endswith("/feedback"))
            unlimited = resource.prlimit(sidecar.program.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(sidecar.program.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
            sidecar.program.wait_for("Ratings cannot be delivered for now", where="stderr")
        posts = len(standin.api.all("/v1/request/"))
        resource.prlimit(sidecar.program.pid, resource.RLIMIT_FSIZE, unlimited)
        wait_until(lambda: sidecar.shown(request_id)["state"] == "verified", "it is verified")
        assert standin.ledger.rating_of(request_id) is True
        assert posts <= 2
        assert sidecar.program.stderr.count("Ratings cannot be delivered for now") == 1


def test_a_damaged_outbox_is_set_aside_and_what_could_be_saved_is_delivered(
    standin: StandIn, tmp_path: Path
) -> None:
    ids = known_calls(standin, 300)
    with running_mortal(standin, tmp_path) as sidecar:
        with standin.faults.api.during(ApiFault(status=503)):
            for request_id in ids:
                assert sidecar.rate(request_id, {"rating": True, "comment": LONG[:300]}).status == 202
            assert sidecar.stop() == 0
        content = bytearray(sidecar.file.read_bytes())
        middle = len(content) // 2 // 4096 * 4096
        content[middle : middle + 4096] = b"\xff" * 4096
        sidecar.file.write_bytes(content)

        sidecar.start()
        sidecar.wait_until_up()
        (kept,) = tmp_path.glob("outbox.db.corrupt-*")
        assert kept.read_bytes() == content
        sidecar.program.wait_for("was damaged. It is kept as", where="stderr")
        said = health(sidecar)
        (salvage,) = said["delivery"]["salvages"]
        assert salvage["kept"] == str(kept)
        assert salvage["saved"] + salvage["given_up"] == len(ids)
        assert salvage["saved"] > 200
        wait_until(lambda: sidecar.health()["open"] == 0, "nothing is left to be done")
        saved = sidecar.outbox()
        assert len(saved) == salvage["saved"]
        assert {each["state"] for each in saved.values()} == {"verified"}
        assert all(standin.ledger.rating_of(request_id) for request_id in saved)


def test_an_outbox_that_is_no_database_is_set_aside_and_a_new_one_begun(
    standin: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "outbox.db").write_bytes(b"This was something else once. " * 1000)
    with running_mortal(standin, tmp_path) as sidecar:
        (request_id,) = known_calls(standin, 1)
        sidecar.rate(request_id)
        wait_until(lambda: sidecar.shown(request_id)["state"] == "verified", "it is verified")
        (kept,) = tmp_path.glob("outbox.db.corrupt-*")
        assert kept.read_bytes().startswith(b"This was something else once.")
