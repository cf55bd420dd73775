"""What nobody has foreseen ends neither the rules nor a stop."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from proxy.calls.live_call import LiveCall
from proxy.config.rules import Rule, When
from proxy.delivery.intake import Submission
from proxy.model import Entry
from proxy.rules.judge import Judge


def ended_call() -> LiveCall:
    call = LiveCall(b"POST", b"/v1/chat/completions", 0.0)
    call.key_fingerprint, call.status, call.id_is_known = "ours", 200, True
    return call


def test_what_nobody_has_foreseen_is_said_and_the_next_call_is_rated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken: list[Submission] = []

    async def take(submissions: Sequence[Submission]) -> list[Entry]:
        if not taken:
            taken.extend(submissions)
            raise RuntimeError("canary")
        taken.extend(submissions)
        return []

    async def act() -> None:
        judge = Judge(
            [Rule(name="all", when=When(), rating=True)], take, lambda: 0.0, lambda: 0.0, asyncio.sleep
        )
        running = asyncio.create_task(judge.run())
        for _ in range(2):
            judge.calls_ended([ended_call()])
            await judge.finish(20)
        running.cancel()
        await judge.close()
        assert judge.counts["failed"] == 1

    asyncio.run(act())
    assert len(taken) == 2
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in said] == [
        "Rules have met what nobody has foreseen (RuntimeError). Please report this. (1 so far.)"
    ]
