"""The app's side: calls over sockets of our own, read as slowly as a bound wants."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.figures import percentile
from benchmarks.sdk_call import chat_body, request_bytes

_PROBE_SECONDS = 10.0


@dataclass
class Call:
    """A call whose head has been answered. The rest is read from `reader`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    length: int


def get(port: int, path: str) -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def post(port: int, path: str, length: int) -> bytes:
    """The head of an upload."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def chat(port: int, path: str = "/v1/chat/completions") -> bytes:
    """A small chat."""
    request = request_bytes(f"127.0.0.1:{port}", chat_body("gpt-4o-mini", stream=False), {})
    return request.replace(b"/v1/chat/completions", path.encode(), 1)


async def begin(port: int, request: bytes) -> Call:
    """Send a request on a connection of its own and read the answer's head. Raises ConnectionError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return await answered(reader, writer)


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
    """Read an answer's head. Raises ConnectionError where none comes."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    except asyncio.IncompleteReadError:
        writer.close()
        raise ConnectionResetError("the connection ended before an answer") from None
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    return Call(reader, writer, int(head.split(" ", 2)[1]), int(lines.get("content-length", "0")))


async def probe(port: int) -> int | None:
    """One small chat on a connection of its own; gives its status, or None where no answer came."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            call = await begin(port, chat(port))
            await call.reader.readexactly(call.length)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    call.writer.close()
    return call.status


async def open_connections(port: int) -> int:
    """How many connections of apps the sidecar says that it has. Raises ConnectionError."""
    call = await begin(port, get(port, "/feedback/metrics"))
    text = (await call.reader.readexactly(call.length)).decode()
    call.writer.close()
    name = "helicone_proxy_open_connections "
    return next(int(float(line.removeprefix(name))) for line in text.splitlines() if line.startswith(name))


async def latencies(port: int, seconds: float) -> list[float]:
    """Small chats one after the other over one connection; gives how long each took, in order of length."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request, taken = chat(port), []
    ends = time.perf_counter() + seconds
    while (now := time.perf_counter()) < ends:
        writer.write(request)
        call = await answered(reader, writer)
        await reader.readexactly(call.length)
        taken.append(time.perf_counter() - now)
        await asyncio.sleep(0.002)
    writer.close()
    return sorted(taken)


def p50_and_p99(ordered: list[float]) -> str:
    """For people."""
    return f"p50 {percentile(ordered, 50) * 1e3:.2f} ms, p99 {percentile(ordered, 99) * 1e3:.2f} ms"
