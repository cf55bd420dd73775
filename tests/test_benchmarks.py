"""The benchmark: its smallest form for real, and what it makes of figures."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from benchmarks.bench import Plan, Run
from benchmarks.figures import call_figures, median_ratio, percentile, stream_figures
from benchmarks.goals import verdicts
from benchmarks.peers import PEERS_KNOWN
from benchmarks.processes import Cores, Program, ProgramFailed, free_port
from benchmarks.programs import find_program
from benchmarks.report import markdown, summary, table
from benchmarks.results import CallSample, Interpreter, Machine, Results, StreamSample, TargetInfo
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


def results(*samples: CallSample | StreamSample, ours: TargetInfo = OURS) -> Results:
    """A run with those samples."""
    return Results(
        taken_at="2026-11-23T00:00:00+00:00",
        machine=MACHINE,
        pinned=True,
        tools={"wrk": "4.1.0"},
        targets=[DIRECT, ours, NGINX],
        calls=[sample for sample in samples if isinstance(sample, CallSample)],
        streams=[sample for sample in samples if isinstance(sample, StreamSample)],
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
        levels=(3,),
        parts=("calls", "streams"),
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
    assert "CPython" in markdown(measured)
