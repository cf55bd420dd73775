"""Jobs that wait for the process that judges them: a bounded number of a bounded size."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from proxy.rules.cases import Case
from proxy.rules.jobs import Job

MOST_JOBS: Final = 2000
MOST_BYTES: Final = 32 * 1024 * 1024
_BATCH_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Waiting:
    """A job, and whose it is."""

    job: Job
    case: Case


class JobQueue:
    """First come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, job: Job, case: Case) -> bool:
        """Have it wait; False where there is no room."""
        size = len(job.body or b"")
        if len(self._waiting) >= MOST_JOBS or self._bytes + size > MOST_BYTES:
            return False
        self._waiting.append(Waiting(job, case))
        self._bytes += size
        self._filled.set()
        return True

    async def wait(self) -> None:
        """Wait until there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()

    def take(self, most: int) -> list[Waiting]:
        """The next, of which there is one: at most so many, and hardly more than 1 MiB."""
        taken: list[Waiting] = []
        size = 0
        while self._waiting and len(taken) < most and size < _BATCH_BYTES:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].job.body or b"")
        self._bytes -= size
        return taken
