"""Bound: out of file descriptors it refuses, stays, and comes back."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import replace

from benchmarks.bounds.stand import Stand
from benchmarks.bounds.wire import Call, answered, chat, probe
from benchmarks.goals import Verdict
from benchmarks.targets import Target

_LIMIT = 128
_FLOOD = 500
_HOLD_SECONDS = 5.0
_BACK_SECONDS = 2.0
_CPU_SHARE = 0.5
"""Of a core, while the flood stands still: one that spins takes all of it."""
_ANSWER_SECONDS = 3.0
_POLL_SECONDS = 0.02

Flooding = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def limited(target: Target) -> Target:
    """The same target, with few file descriptors, as a shell's `ulimit` gives them."""
    shell = ["sh", "-c", f'ulimit -n {_LIMIT} && exec "$0" "$@"']
    return replace(target, command=lambda site: [*shell, *target.command(site)])


async def measure(stand: Stand) -> list[Verdict]:
    """Connections that say nothing, then connections that each make a call."""
    verdicts = []
    for what, calling in (("connections", False), ("calls", True)):
        verdicts += await _flood(stand, what, calling=calling)
    return verdicts


async def _flood(stand: Stand, what: str, *, calling: bool) -> list[Verdict]:
    async with stand.before_gateway(limited(stand.target())) as (running, _):
        port, program = running.site.port, running.program
        stand.say(f"{_FLOOD} {what} at a sidecar that may open {_LIMIT} files")
        fine = await probe(port)
        flood = [await _open(port, calling=calling) for _ in range(_FLOOD)]
        outcomes = Counter(await asyncio.gather(*(_outcome(one) for one in flood)) if calling else [])
        during = await probe(port)
        began, spent = time.perf_counter(), program.cpu_seconds()
        await asyncio.sleep(_HOLD_SECONDS)
        share = (program.cpu_seconds() - spent) / (time.perf_counter() - began)
        for one in flood:
            if one is not None:
                one[1].transport.abort()
        back = await _seconds_until_answer(port)
        alive = program.is_running()
    said = ", ".join(f"{count} × {outcome}" for outcome, count in sorted(outcomes.items()))
    return [
        Verdict(
            f"out of descriptors by {_FLOOD} {what}: takes at most {_CPU_SHARE:.0%} of a core",
            f"{share:.0%}; a call meanwhile: {during or 'no answer'}{'; the flood got ' if said else ''}{said}",
            share <= _CPU_SHARE,
        ),
        Verdict(
            f"… does not exit, and answers within {_BACK_SECONDS:.0f} s after the flood",
            f"{'alive' if alive else 'ENDED'}, {'no answer' if back is None else f'answers after {back:.2f} s'}",
            fine == 200 and alive and back is not None and back <= _BACK_SECONDS,
        ),
    ]


async def _open(port: int, *, calling: bool) -> Flooding | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return None
    if calling:
        writer.write(chat(port, "/silent"))
    return reader, writer


async def _outcome(one: Flooding | None) -> str:
    if one is None:
        return "not connected"
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            call: Call = await answered(*one)
    except TimeoutError:
        return "no answer"
    except OSError:
        return "closed"
    return str(call.status)


async def _seconds_until_answer(port: int) -> float | None:
    began = time.perf_counter()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10 * _BACK_SECONDS):
            while await probe(port) != 200:  # noqa: ASYNC110  # the other process has no event for us
                await asyncio.sleep(_POLL_SECONDS)
            return time.perf_counter() - began
    return None
