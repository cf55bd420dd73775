"""A TCP relay before a server, which writes down what passes: what a browser sent is seen, not believed."""

import asyncio
import re
from dataclasses import dataclass, field
from itertools import pairwise

from harness.loops import LoopThread, RunningOnLoop
from harness.wire import Message, wait_until

# A body need not end with a line's end.
_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) [^ \r\n]+ HTTP/1\.1\r\n")
_ANSWER = re.compile(rb"HTTP/1\.1 (?:[2-5][0-9]{2}|101)")


@dataclass
class _Passed:
    """The bytes of one connection."""

    asked: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Exchange:
    """A request and its answer; `answer` is None while there is none. Bodies are as they stand on the wire."""

    request: Message
    answer: Message | None

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.start.split(b" ")[0].decode()

    @property
    def path(self) -> str:
        """What was asked for."""
        return self.request.target.decode()


class Relay(RunningOnLoop):
    """Listens on a port of 127.0.0.1 and passes all on to `destination`.

    A new destination holds for new connections, and the old ones end: that is what a browser sees of a name that
    is bound to another address.
    """

    def __init__(self, loop: LoopThread, destination: tuple[str, int]) -> None:
        super().__init__(loop)
        self._destination = destination
        self._passed: list[_Passed] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self.port = 0

    def rebind(self, destination: tuple[str, int]) -> None:
        """From now on another server answers here. What passed before is forgotten."""
        self._destination = destination
        self.forget()

    def forget(self) -> None:
        """Let go of what passed so far, and of all connections."""
        self._loop.run(self._hang_up())
        self._passed.clear()

    @property
    def exchanges(self) -> list[Exchange]:
        """All that passed so far."""
        found = []
        for passed in list(self._passed):
            requests = _messages(bytes(passed.asked), _REQUEST)
            answers = _messages(bytes(passed.answered), _ANSWER)
            for number, request in enumerate(requests):
                found.append(Exchange(request, answers[number] if number < len(answers) else None))
        return found

    def wait_for(self, count: int) -> list[Exchange]:
        """Wait until so many requests have been answered, and give all."""
        wait_until(
            lambda: sum(each.answer is not None for each in self.exchanges) >= count,
            f"{count} requests have come and been answered",
        )
        return self.exchanges

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        # Closed by another thread, uvloop fails where somebody comes just then.
        self._server.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        for writer in tuple(self._writers):
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = _Passed()
        self._passed.append(passed)
        try:
            theirs, ours = await asyncio.open_connection(*self._destination)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, ours}
        try:
            await asyncio.gather(
                _copy(reader, ours, passed.asked),
                _copy(theirs, writer, passed.answered),
            )
        finally:
            writer.close()
            ours.close()
            self._writers -= {writer, ours}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
    try:
        while data := await reader.read(65536):
            record += data
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # One side is gone: the other one is told below.
    finally:
        writer.close()


def _messages(data: bytes, start: re.Pattern[bytes]) -> list[Message]:
    """The messages in what one side said, as far as their heads are whole."""
    begins = [match.start() for match in start.finditer(data)]
    found = []
    for begin, end in pairwise([*begins, len(data)]):
        head, empty_line, body = data[begin:end].partition(b"\r\n\r\n")
        if empty_line:
            found.append(Message(head + empty_line, body))
    return found
