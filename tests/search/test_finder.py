"""Rows that are too long for pages of a thousand: fewer are asked for, and each question is within the budget."""

import asyncio
import time
from typing import cast
from uuid import UUID

import msgspec

from proxy.api_client import Page
from proxy.clock import Clock
from proxy.errors import AnswerTooLong
from proxy.helicone_api import Allowance
from proxy.helicone_queries import Place, version_in
from proxy.keys import Credential
from proxy.search.finder import BUDGET, Finder
from proxy.search.remembered import Remembered
from proxy.search.wanted import Wanted

SECOND = 1_790_000_000


class LongRows:
    """Helicone with calls of one second, of which an answer with more than `most` is too long."""

    def __init__(self, calls: int, most: int) -> None:
        self.rows = [
            msgspec.json.encode(
                {"request_id": str(UUID(int=number)), "request_created_at": "2026-09-21 14:13:20.5"}
            )
            for number in range(calls)
        ]
        self.most = most
        self.asked: list[int] = []

    async def find(self, wanted: Wanted, place: Place, credential: Credential, rows: int) -> Page:
        del wanted, credential
        self.asked.append(rows)
        if rows > self.most:
            raise AnswerTooLong("too long")
        found = self.rows[place.offset : place.offset + rows] if place.before is None else []
        return Page([version_in(msgspec.Raw(each)) for each in found], len(found) >= rows, None)

    async def count(self, wanted: Wanted, credential: Credential) -> tuple[int, Allowance | None]:
        raise NotImplementedError


class Nothing:
    """Nothing is remembered."""

    def calls(self) -> None:
        """Not even looked for."""


def test_every_question_is_within_the_budget_and_pages_are_as_large_as_they_may_be() -> None:
    api = LongRows(calls=40, most=12)
    clock = Clock(lambda: SECOND + 60.0, lambda: 0.0)
    finder = Finder(api, Credential("key", "http://api"), cast("Remembered", None), clock)

    async def found() -> list[str]:
        findings = await finder.find(Wanted(since=SECOND), None)
        return [call.id async for call in findings.calls]

    assert sorted(asyncio.run(found())) == [str(UUID(int=number)) for number in range(40)]
    # Those that are too long, and then pages that are as good as full: none goes on by a row.
    assert api.asked[:5] == [1000, 250, 62, 15, 3]
    assert len(api.asked) < 20
    assert f"{BUDGET.burst - len(api.asked):.1f} of" in repr(finder)


def test_one_row_that_is_too_long_is_said_to_be() -> None:
    api = LongRows(calls=1, most=0)
    finder = Finder(
        api, Credential("key", "http://api"), cast("Remembered", Nothing()), Clock(time.time, time.time)
    )
    findings = asyncio.run(finder.find(Wanted(since=SECOND), None))
    assert (findings.source, findings.why_local) == ("local", "too long")
    assert api.asked[-1] == 1
