"""The process that judges: whatever a function does in it, the next is judged, and nothing is left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from harness.wire import wait_until
from proxy import event_loop
from proxy.config.rules import When
from proxy.rules.child import Child, Lost
from proxy.rules.jobs import Asked, Job, Setup

FUNCTIONS = """
    import multiprocessing, os, pathlib, subprocess, sys, time


    def note(pid):
        with pathlib.Path(os.environ["PIDS"]).open("a") as file:
            print(pid, file=file)


    def reads(facts, text):
        print("what it prints is no answer")
        return sys.stdin.read() + subprocess.run(["cat"], capture_output=True, encoding="utf-8").stdout + "up"


    def starts_another(facts, text):
        other = multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,))
        other.start()
        note(other.pid)
        time.sleep(3600)


    def spins(facts, text):
        note(os.getpid())
        while True:
            pass


    def is_told_to_stop(facts, text):
        os.kill(os.getpid(), 15)
        return "up"


    def exits(facts, text):
        sys.exit("up")


    def niceness(facts, text):
        return {"scores": {"niceness": os.nice(0)}}
    """

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="groups of processes are Unix's")


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Gives the processes that functions have noted; the functions are to be found."""
    (tmp_path / "hostile.py").write_text(textwrap.dedent(FUNCTIONS), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))

    def noted() -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return [int(line) for line in (tmp_path / "pids").read_text().splitlines()]
        return []

    return noted


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def with_child(function: str, act: Callable[[Child], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401
    async def run() -> Any:  # noqa: ANN401
        child = Child(Setup([Asked(When(), f"hostile:{function}")]))
        try:
            return await act(child)
        finally:
            async with asyncio.timeout(20):
                await child.close()

    return asyncio.run(run())


JOB = Job(None, streamed=False, coding=b"", rules=[0], facts={})


@pytest.mark.usefixtures("pids")
@pytest.mark.parametrize(
    ("function", "said", "why"),
    [("reads", "up", ""), ("is_told_to_stop", "up", ""), ("exits", "SystemExit", "failed")],
)
def test_what_a_function_does_to_its_process_stays_there(function: str, said: str, why: str) -> None:
    async def act(child: Child) -> None:
        await child.ready(20)
        for _ in range(2):
            [verdict] = await child.ask([JOB], 20)
            assert (verdict.why_not, verdict.said) == (why, said)

    with_child(function, act)


@pytest.mark.usefixtures("pids")
@pytest.mark.parametrize(
    "run", [lambda act: asyncio.run(act()), event_loop.run], ids=["asyncio", "as a sidecar"]
)
@pytest.mark.parametrize("wait_seconds", [0.0, 0.5], ids=["just now", "some time ago"])
def test_one_that_was_killed_is_lost_at_the_most_and_another_is_started(
    run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None], wait_seconds: float
) -> None:
    async def act() -> None:
        child = Child(Setup([Asked(When(), "hostile:exits")]))
        await child.ready(20)
        os.kill(int(repr(child).strip("<>").split()[1]), signal.SIGKILL)
        await asyncio.sleep(wait_seconds)
        with contextlib.suppress(Lost):
            await child.ready(20)
            await child.ask([JOB], 20)
        await child.ready(20)
        [verdict] = await child.ask([JOB], 20)
        await child.close()
        assert verdict.why_not == "failed"

    run(act)


@pytest.mark.usefixtures("pids")
def test_it_gives_way_to_calls() -> None:
    async def act(child: Child) -> None:
        await child.ready(20)
        [verdict] = await child.ask([JOB], 20)
        assert verdict.said["scores"]["niceness"] > os.nice(0)

    with_child("niceness", act)


def test_what_a_function_has_started_is_ended_with_it(pids: Callable[[], list[int]]) -> None:
    async def act(child: Child) -> None:
        await child.ready(20)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await child.ask([JOB], 2)

    with_child("starts_another", act)
    [other] = pids()
    wait_until(lambda: is_gone(other), "what it started has ended")


def test_a_function_that_never_ends_ends_with_a_sidecar_that_was_killed(
    pids: Callable[[], list[int]],
) -> None:
    program = """
        import asyncio
        from rules.test_child import JOB, with_child
        async def act(child):
            await child.ready(20)
            await child.ask([JOB], 600)
        with_child("spins", act)
    """
    folders = os.pathsep.join([str(Path(__file__).parents[1]), os.environ["PYTHONPATH"]])
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], env=os.environ | {"PYTHONPATH": folders}
    ) as sidecar:
        wait_until(lambda: len(pids()) == 1, "the function runs")
        sidecar.send_signal(signal.SIGKILL)
    [spinning] = pids()
    wait_until(lambda: is_gone(spinning), "the function's process has ended")


@pytest.mark.usefixtures("pids")
def test_a_sidecar_without_standard_error_or_folder_judges(tmp_path: Path) -> None:
    program = """
        import asyncio, os
        from rules.test_child import JOB, with_child
        gone = os.environ["GONE"]
        os.mkdir(gone)
        os.chdir(gone)
        os.rmdir(gone)
        os.close(2)
        async def act(child):
            await child.ready(20)
            [verdict] = await child.ask([JOB], 20)
            print(verdict.said)
        with_child("reads", act)
    """
    folders = os.pathsep.join([str(Path(__file__).parents[1]), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": folders, "GONE": str(tmp_path / "gone")},
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
        encoding="utf-8",
    )
    assert done.stdout == "up\n"
