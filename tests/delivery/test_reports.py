"""What is said of ratings that wait: at the start, at the end, and in the health answer."""

import logging
import re
from pathlib import Path

import pytest

from harness.benches import AT_ONCE, Bench, StartBench, document, id_of
from harness.wire import wait_until
from proxy.demo import ApiFault

OTHER_KEY = b"Helicone-Auth: Bearer sk-helicone-canary2-canary2-canary2-canary2"
KEY_REFUSED = ApiFault(status=401)


def said(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged since this was asked last."""
    lines = "\n".join(record.getMessage() for record in caplog.records)
    caplog.clear()
    return lines


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def stop(bench: Bench) -> None:
    """Stop a sidecar, and wait until it has."""
    bench.sidecar.begin_stop().result(10)


def keep(bench: Bench, *lines: bytes) -> str:
    """A rating that stays in the outbox; the id of its call."""
    request_id = id_of(bench.chat(*lines))
    assert document(bench.rate("/feedback/last?hold=1h"))["state"] == "held"
    return request_id


# -- at the end


def test_the_last_line_names_the_file_in_which_ratings_wait(
    start_bench: StartBench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = start_bench(AT_ONCE, **{"outbox.path": None, "outbox.state_dir": str(tmp_path)})
    keep(bench)
    stop(bench)
    file = tmp_path / f"outbox-{bench.sidecar.sidecar.port}.db"
    assert said(caplog).endswith(
        f"1 rating is not verified yet; delivery goes on at the next start with the outbox {file}."
    )


def test_what_was_in_memory_is_promised_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    keep(bench)
    stop(bench)
    assert said(caplog).endswith("1 rating is not verified yet; the outbox was in memory only, and is gone.")


# -- at the start


def test_what_waits_from_before_is_said_at_the_start(
    start_bench: StartBench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"outbox.path": str(tmp_path / "outbox.db"), "feedback.wait": "queued"}
    first = start_bench(AT_ONCE, **settings)
    assert "from before" not in said(caplog)
    with first.standin.faults.api.during(ApiFault(status=503)):
        keep(first)
        first.chat(OTHER_KEY)
        first.rate()
        stop(first)
    said(caplog)
    start_bench(AT_ONCE, **settings)
    assert (
        "2 ratings wait from before; 1 for a key that is not known here: until a call is made with it, or it is "
        "configured."
    ) in said(caplog)


def test_ratings_in_the_outbox_of_another_port_are_named_and_left_as_they_are(
    start_bench: StartBench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"outbox.path": None, "outbox.state_dir": str(tmp_path)}
    first = start_bench(AT_ONCE, **settings)
    keep(first)
    # As long as a sidecar uses it, it is nobody else's business.
    idle = start_bench(AT_ONCE, **settings)
    keep(idle)
    port = idle.sidecar.sidecar.port
    stop(idle)
    said(caplog)
    start_bench(AT_ONCE, **{**settings, "server.port": port})
    start_bench(AT_ONCE, **settings)
    assert "other ports" not in said(caplog)
    assert document(first.get("/feedback/last"))["rating"]["state"] == "held"
    stop(first)
    left = tmp_path / f"outbox-{first.sidecar.sidecar.port}.db"
    before = left.read_bytes()
    said(caplog)
    start_bench(AT_ONCE, **settings)
    assert f"wait in outboxes of other ports: 1 in {left}. Each leaves when" in said(caplog)
    assert left.read_bytes() == before
    assert [each.name for each in tmp_path.glob(f"{left.name}*")] == [left.name]


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\0" * 5000])
def test_a_file_that_is_no_outbox_is_passed_over(
    start_bench: StartBench, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / "outbox-1.db").write_bytes(content)
    (tmp_path / "outbox-2.db").mkdir()
    start_bench(AT_ONCE, **{"outbox.path": None, "outbox.state_dir": str(tmp_path)})
    assert "other ports" not in said(caplog)


# -- health


def test_health_counts_what_people_see(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(KEY_REFUSED):
        assert document(bench.rate())["state"] == "paused"
        delivery = document(bench.get("/feedback/health"))["delivery"]
        assert delivery["ratings"] == {
            "held": 0, "queued": 0, "paused": 1, "accepted": 0, "verified": 0, "refused": 0,
        }  # fmt: skip
        (paused,) = delivery["paused_keys"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", paused["since"])
    assert delivery["oldest_age_seconds"] == round(delivery["oldest_age_seconds"], 1)
    assert delivery["last_success_at"] is None


def test_health_tells_of_the_last_success_as_of_other_moments(bench: Bench) -> None:
    bench.chat()
    bench.rate()
    wait_until(lambda: bench.posted != [], "it has left")
    success = document(bench.get("/feedback/health"))["delivery"]["last_success_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", success)
