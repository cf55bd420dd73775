"""An event loop in a thread of its own."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 30.0
"""Long enough for a machine that is busy elsewhere; reached only by a hang."""


class LoopThread:
    """Runs coroutines on a loop in the background, and waits for them from the test's thread."""

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        if loop_factory is None:
            try:
                import uvloop  # noqa: PLC0415  # it is not to be had everywhere
            except ImportError:
                loop_factory = asyncio.new_event_loop
            else:
                loop_factory = uvloop.new_event_loop
        self.loop = loop_factory()
        self._thread = threading.Thread(target=self.loop.run_forever, name="product loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float = DEADLINE_SECONDS) -> T:
        """Run `work` on the loop; give its result, or raise what it raised."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_seconds)

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a plain function on the loop's thread."""

        async def wrapper() -> T:
            return function(*arguments)

        return self.run(wrapper())

    async def _settle(self) -> None:
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()


class RunningOnLoop(ABC):
    """What runs on a loop, and does so until the `with` block ends. It is started and stopped there, too: what a
    loop has made is for its thread alone.
    """

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop

    def __enter__(self) -> Self:
        self._loop.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._stop())

    @abstractmethod
    async def _start(self) -> None:
        """Begin."""

    @abstractmethod
    async def _stop(self) -> None:
        """End, and leave nothing open."""
