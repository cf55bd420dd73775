"""The sidecar's end of the process that judges: starts it when needed, ends it when it takes too long."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from proxy.rules.jobs import LENGTH_BYTES, Job, Setup, Verdict, framed

_decode = msgspec.msgpack.Decoder(list[Verdict]).decode


class Lost(Exception):
    """The process has ended, or was ended, before it answered."""


class Child:
    """One such process, or none at the moment. It is asked one thing at a time."""

    def __init__(self, setup: Setup) -> None:
        self._setup = framed(setup)
        self._process: asyncio.subprocess.Process | None = None

    def __repr__(self) -> str:
        return f"<Child {'none' if self._process is None else self._process.pid}>"

    async def ready(self, timeout_seconds: float) -> None:
        """Have it started, with all that it loads. Raises Lost, and TimeoutError."""
        if self._process is not None and self._process.returncode is not None:
            # It has ended since it was last asked, killed for its memory, say.
            await self.close()
        if self._process is None:
            await self._exchange(b"", timeout_seconds)

    async def ask(self, jobs: Sequence[Job], timeout_seconds: float) -> list[Verdict]:
        """What came of these. Raises Lost, and TimeoutError: either way the next is asked of a new process."""
        return await self._exchange(framed(jobs), timeout_seconds)

    async def _exchange(self, message: bytes | bytearray, timeout_seconds: float) -> list[Verdict]:
        """Say something, and hear what it says: when it has started it says nothing, as a list."""
        is_answered = False
        try:
            async with asyncio.timeout(timeout_seconds):
                process = self._process or await self._start()
                told, asked = process.stdout, process.stdin
                if told is None or asked is None:  # pragma: no cover  # both are pipes
                    raise Lost
                asked.write(message)
                await asked.drain()
                length = await told.readexactly(LENGTH_BYTES)
                verdicts = _decode(await told.readexactly(int.from_bytes(length, "big")))
            is_answered = True
        except TimeoutError:
            raise
        except (OSError, RuntimeError, asyncio.IncompleteReadError, msgspec.DecodeError):
            # A RuntimeError is how uvloop says that the pipe is closed.
            raise Lost from None
        finally:
            if not is_answered:
                await self.close()
        return verdicts

    async def _start(self) -> asyncio.subprocess.Process:
        # A folder `proxy` of somebody's own, where the sidecar was started, is not ours.
        flags = () if _stands_in_ours() else ("-P",)
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *flags,
            "-m",
            "proxy.rules.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if process.stdin is not None:
            process.stdin.write(self._setup)
        return process

    async def close(self) -> None:
        """End it, with whatever a function has started: that would stay, and might hold its pipes open."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.kill()
            elif process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def _stands_in_ours() -> bool:
    try:
        return Path(__file__).parents[2] == Path.cwd()
    except OSError:
        # The folder is gone.
        return False
