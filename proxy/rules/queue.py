"""Answers that wait for the process that judges them: a bounded number of a bounded size."""

import asyncio
from collections import deque
from typing import Any, Final

import msgspec

from proxy.calls.live_call import LiveCall
from proxy.rules.cases import Case
from proxy.rules.jobs import Job

MOST_JOBS: Final = 2000
MOST_BYTES: Final = 32 * 1024 * 1024
_BATCH_BYTES: Final = 1024 * 1024


class Waiting(msgspec.Struct, gc=False):
    """A call's answer, and the places of the rules that are asked of it.

    Thousands of these come and go in a second. Most are all there is to judge of their calls: only those that are
    not have a `case` from the start.
    """

    call: LiveCall
    body: bytes | None
    rules: list[int]
    case: Case | None = None
    facts: dict[str, Any] | None = None

    def job(self) -> Job:
        """As the process is asked."""
        return Job(self.body, self.call.streamed, self.call.coding, self.rules, self.facts)


class JobQueue:
    """First come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting) -> bool:
        """Have it wait; False where there is no room."""
        size = len(waiting.body or b"")
        if len(self._waiting) >= MOST_JOBS or self._bytes + size > MOST_BYTES:
            return False
        if not self._waiting:
            self._filled.set()
        self._waiting.append(waiting)
        self._bytes += size
        return True

    async def wait(self) -> None:
        """Wait until there is one."""
        await self._filled.wait()

    def take(self, most: int) -> list[Waiting]:
        """The next, of which there is one: at most so many, and hardly more than 1 MiB."""
        taken: list[Waiting] = []
        size = 0
        for _ in range(min(most, len(self._waiting))):
            waiting = self._waiting.popleft()
            taken.append(waiting)
            size += len(waiting.body or b"")
            if size >= _BATCH_BYTES:
                break
        self._bytes -= size
        if not self._waiting:
            self._filled.clear()
        return taken
