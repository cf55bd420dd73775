"""The benchmark: its smallest form for real, and what it makes of figures."""

import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from benchmarks.bench import Plan, Run
from benchmarks.figures import (
    beside_ratio,
    call_figures,
    median_ratio,
    percentile,
    rating_figures,
    stream_figures,
)
from benchmarks.goals import verdicts
from benchmarks.peers import PEERS_KNOWN
from benchmarks.processes import Cores, Program, ProgramFailed, free_port
from benchmarks.programs import find_program
from benchmarks.rater import Line, Timetable
from benchmarks.ratings import Api
from benchmarks.report import markdown, summary, table
from benchmarks.results import (
    BesideSample,
    CallSample,
    DiskSample,
    Interpreter,
    Machine,
    RatingSample,
    Results,
    StreamSample,
    TargetInfo,
)
from benchmarks.sdk_call import HEADERS, chat_body, request_bytes
from benchmarks.sidecar import sidecar

MACHINE = Machine(processor="a processor", cores=2, kernel="6.1", system="a system")
PYTHON = Interpreter(
    path="python",
    version="3.11.2",
    implementation="CPython",
    build="built with --enable-optimizations",
    compiler="GCC",
    configure_arguments="--enable-optimizations",
    optimised=True,
)
OURS = TargetInfo(name="sidecar", title="this sidecar", version="0.1", interpreter=PYTHON)
NGINX = TargetInfo(name="nginx", title="nginx", version="1.22")
DIRECT = TargetInfo(name="direct", title="direct", version="")


def calls(
    target: str, number: int, cpu_microseconds: float, p50_milliseconds: float, at_once: int
) -> CallSample:
    """A thousand calls in a second."""
    return CallSample(
        round=number,
        target=target,
        connections=at_once,
        calls=1000,
        seconds=1.0,
        cpu_seconds=cpu_microseconds / 1000,
        others_seconds=0.0,
        p50_seconds=p50_milliseconds / 1000,
        p99_seconds=2 * p50_milliseconds / 1000,
    )


def chunks(target: str, number: int, relayed: int) -> StreamSample:
    """Of a thousand chunks, so many were relayed."""
    return StreamSample(
        round=number,
        target=target,
        streams=50,
        chunks=relayed,
        expected=1000.0,
        lost=0,
        seconds=1.0,
        cpu_seconds=0.05,
        p50_seconds=0.001,
        p99_seconds=0.002,
    )


def ratings(number: int, p99_milliseconds: float, api: str = Api.WORKS) -> RatingSample:
    """A thousand ratings."""
    return RatingSample(
        round=number,
        target="sidecar",
        api=api,
        ratings=1000,
        seconds=5.0,
        cpu_seconds=1.0,
        p50_seconds=0.001,
        p99_seconds=p99_milliseconds / 1000,
        max_seconds=2 * p99_milliseconds / 1000,
        late_p99_seconds=0.0001,
        calls=500,
        calls_p50_seconds=0.0005,
        calls_p99_seconds=0.001,
        calls_max_seconds=0.002,
    )


def results(*samples: CallSample | StreamSample | RatingSample, ours: TargetInfo = OURS) -> Results:
    """A run with those samples."""
    return Results(
        taken_at="2026-11-23T00:00:00+00:00",
        machine=MACHINE,
        pinned=True,
        tools={"wrk": "4.1.0"},
        targets=[DIRECT, ours, NGINX],
        calls=[sample for sample in samples if isinstance(sample, CallSample)],
        streams=[sample for sample in samples if isinstance(sample, StreamSample)],
        ratings=[sample for sample in samples if isinstance(sample, RatingSample)],
    )


# --- figures ------------------------------------------------------------------------------------------------


def test_a_percentile_is_the_nearest_rank() -> None:
    values = list(range(1, 101))
    assert [percentile(values, percent) for percent in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    assert median_ratio({0: 20.0, 1: 90.0, 2: 30.0}, {0: 10.0, 1: 30.0, 2: 10.0}) == 3.0


def test_a_round_that_one_of_both_lacks_has_no_ratio() -> None:
    assert median_ratio({0: 20.0, 1: 90.0}, {0: 10.0}) == 2.0
    assert median_ratio({0: 20.0}, {}) is None


def test_latency_is_counted_on_top_of_going_direct_in_the_same_round() -> None:
    run = results(
        calls("direct", 0, 0, 0.1, 1),
        calls("direct", 1, 0, 1.1, 1),
        calls("sidecar", 0, 80, 0.3, 1),
        calls("sidecar", 1, 80, 1.3, 1),
    )
    assert call_figures(run, "sidecar").added_p50_one == pytest.approx(0.0002)


def test_cpu_per_call_comes_from_many_connections() -> None:
    run = results(
        calls("sidecar", 0, 500, 1, 1), calls("sidecar", 0, 80, 1, 32), calls("nginx", 0, 40, 1, 32)
    )
    figures = call_figures(run, "sidecar")
    assert figures.cpu_seconds == pytest.approx(80e-6)
    assert figures.ratio == pytest.approx(2.0)
    assert figures.per_core == pytest.approx(12_500)


def test_who_does_not_keep_up_with_the_chunks_has_no_delay() -> None:
    run = results(chunks("direct", 0, 1000), chunks("sidecar", 0, 900), chunks("nginx", 0, 990))
    assert stream_figures(run, "sidecar", 50).added_p50 is None
    assert stream_figures(run, "sidecar", 50).relayed == pytest.approx(0.9)
    assert stream_figures(run, "nginx", 50).added_p50 == 0.0


def test_ratings_are_medians_of_the_rounds_but_for_the_longest_of_all() -> None:
    run = results(ratings(0, 2), ratings(1, 3), ratings(2, 9), ratings(0, 70, Api.SILENT))
    figures = rating_figures(run, "sidecar", Api.WORKS)
    assert (figures.p99, figures.longest) == (0.003, 0.018)
    assert figures.cpu_seconds == pytest.approx(0.001)


def test_calls_beside_ratings_are_compared_within_a_round() -> None:
    def beside(number: int, per_second: float, cpu_seconds: float) -> BesideSample:
        return BesideSample(
            round=number, target="sidecar", ratings_per_second=per_second, calls=1000, cpu_seconds=cpu_seconds
        )

    samples = [beside(0, 0, 0.1), beside(0, 20, 0.11), beside(1, 0, 0.3), beside(1, 20, 0.36)]
    run = results().model_copy(update={"beside": samples})
    assert beside_ratio(run, "sidecar") == pytest.approx(1.15)
    assert beside_ratio(results(), "sidecar") is None


def test_a_moment_in_which_nothing_goes_makes_requests_late_and_not_fewer() -> None:
    start = time.perf_counter()
    timetable = Timetable(start, interval=0.001, count=100, counted_from=start + 0.0505)
    slow_at = 60

    async def request(number: int) -> bool:
        time.sleep(0.2 if number == slow_at else 0.0)  # noqa: ASYNC251  # as a loop that is held up
        return number != slow_at

    line = Line(timetable, request)
    asyncio.run(line.run())
    assert len(line.latencies) == 49
    assert line.failed == 1
    assert sum(latency > 0.15 for latency in line.latencies) == 100 - slow_at


# --- goals and report ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimised", "ratio", "reached"), [(True, 2.4, True), (True, 2.6, False), (False, 2.6, True)]
)
def test_the_goal_for_cpu_depends_on_the_interpreter(optimised: bool, ratio: float, reached: bool) -> None:
    ours = OURS.model_copy(update={"interpreter": PYTHON.model_copy(update={"optimised": optimised})})
    run = results(calls("sidecar", 0, 40 * ratio, 1, 32), calls("nginx", 0, 40, 1, 32), ours=ours)
    assert verdicts(run, ours)[0].reached is reached


def test_a_goal_that_needs_an_absent_peer_is_neither_reached_nor_missed() -> None:
    run = results(calls("sidecar", 0, 80, 1, 32), calls("nginx", 0, 40, 1, 32))
    verdict = next(verdict for verdict in verdicts(run, OURS) if "Envoy" in verdict.goal)
    assert verdict.reached is None


@pytest.mark.parametrize(("p99", "reached"), [(4.9, True), (5.1, False)])
def test_the_goal_for_ratings_holds_however_the_api_is(p99: float, reached: bool) -> None:
    run = results(ratings(0, 1), ratings(0, p99, Api.SILENT))
    judged = {verdict.goal: verdict.reached for verdict in verdicts(run, OURS) if "on disk" in verdict.goal}
    assert list(judged.values()) == [True, reached]
    assert "silent" in list(judged)[1]


def test_ratings_are_reported_beside_what_the_disk_itself_takes() -> None:
    disk = DiskSample(round=0, commits=9, p50_seconds=0.0002, p99_seconds=0.0004, max_seconds=0.003)
    report = markdown(results(ratings(0, 2)).model_copy(update={"disk": [disk]}))
    assert "| **this sidecar** | works | 1.00 ms | 2.00 ms | 4.00 ms | 1,000 µs |" in report
    assert "nothing around it: p50 0.20 ms, p99 0.40 ms, longest 3.00 ms." in report


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_the_report_has_a_row_for_each_proxy_and_dashes_for_what_was_not_measured() -> None:
    run = results(calls("sidecar", 0, 80, 1, 32), calls("nginx", 0, 40, 1, 32))
    rows = summary(run, [OURS, NGINX]).splitlines()[2:]
    assert rows[0].startswith("| **this sidecar** | 80 µs | 2.00 | 12,500 | – |")
    assert rows[1].startswith("| nginx 1.22 | 40 µs | 1.00 | 25,000 | – |")
    assert "### Goals: this sidecar" in markdown(run)


def test_results_come_back_from_their_file() -> None:
    run = results(calls("sidecar", 0, 80, 1, 32), chunks("nginx", 0, 1000))
    assert Results.model_validate_json(run.model_dump_json()) == run


def test_the_picture_is_drawn_also_of_half_a_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is in the dependency group `bench`")
    from benchmarks.picture import draw  # noqa: PLC0415  # only there with the group

    draw(results(calls("sidecar", 0, 80, 1, 32), calls("nginx", 0, 40, 1, 32)), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


# --- what is sent -------------------------------------------------------------------------------------------


def test_the_call_is_a_small_chat_with_the_sdk_s_headers() -> None:
    body = chat_body("gpt-4o-mini", stream=True)
    assert 180 <= len(body) <= 220
    assert json.loads(body)["stream"] is True
    head, _, sent = request_bytes("localhost:1", body, {"x-more": "1"}).decode().partition("\r\n\r\n")
    assert sent == body
    assert head.splitlines()[:2] == ["POST /v1/chat/completions HTTP/1.1", "Host: localhost:1"]
    assert head.splitlines()[-2:] == ["x-more: 1", f"Content-Length: {len(body)}"]
    assert len(HEADERS) == 15


# --- programs -----------------------------------------------------------------------------------------------


def test_a_program_and_its_children_end_with_the_block(tmp_path: Path) -> None:
    script = "sleep 60 & echo $!; trap '' TERM; wait"
    with Program(
        ["sh", "-c", script], log=tmp_path / "log", cores=frozenset(os.sched_getaffinity(0))
    ) as program:
        while len(pids := program.pids()) < 2:
            assert program.is_running()
        program.cpu_seconds()
        assert program.memory().rss_bytes > 0
        os.kill(program.pid, 9)
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False


def test_a_program_that_ends_instead_of_listening_is_told_of(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo no such upstream; exit 3"]
    with (
        Program(command, log=tmp_path / "log", cores=Cores.of_this_machine().measured) as program,
        pytest.raises(ProgramFailed, match="no such upstream"),
    ):
        program.wait_until_listening(free_port(), 20)


# --- the real thing -----------------------------------------------------------------------------------------


@pytest.mark.system
def test_the_smallest_run_measures_what_it_should(tmp_path: Path) -> None:
    for program in ("wrk", "nginx"):
        if find_program(program) is None:
            pytest.skip(f"{program} is not installed")
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("the benchmark reads /proc as Linux has it")
    if shutil.which("helicone-proxy", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("the command is not installed beside this interpreter")
    nginx = next(peer for peer in PEERS_KNOWN if peer.name == "nginx").find()
    assert nginx is not None
    plan = Plan(
        targets=[sidecar(sys.executable), nginx],
        rounds=1,
        call_seconds=1,
        connections=(2,),
        warm_seconds=0,
        stream_seconds=0.3,
        settle_seconds=0.1,
        rating_seconds=1.0,
        levels=(3,),
        parts=("calls", "streams", "ratings"),
    )
    said: list[str] = []
    run = Run(plan, tmp_path, said.append)
    measured = run.measure()

    assert run.failed == {}
    names = ["direct", "sidecar", "nginx"]
    assert [target.name for target in measured.targets] == names
    assert [it.target for it in measured.calls] == names
    assert [it.target for it in measured.streams] == names
    assert all(it.calls > 0 and 0 < it.p50_seconds <= it.p99_seconds for it in measured.calls)
    assert all(it.chunks > 0 and it.lost == 0 and it.p50_seconds > 0 for it in measured.streams)
    assert all(it.cpu_seconds > 0 for it in measured.calls[1:])
    assert all(it.cpu_seconds > 0 for it in measured.streams[1:])
    assert call_figures(measured, "sidecar", many=2).ratio
    assert [it.api for it in measured.ratings] == list(Api)
    assert all(it.ratings == 200 and 0 < it.p50_seconds <= it.p99_seconds for it in measured.ratings)
    assert all(it.calls == 100 and it.cpu_seconds > 0 for it in measured.ratings)
    assert [it.ratings_per_second for it in measured.beside] == [0, 20]
    assert measured.disk[0].commits > 0
    assert "CPython" in markdown(measured)
