"""One call as the gateway sees it: who makes it, under which id, and its body as it comes."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .answers.answer import Answer, JsonObject, openai_error
from .answers.seeds import Seed
from .forms import FormScanner
from .identity import is_request_id
from .kept_bodies import Copied
from .ledger import Row
from .sending import Sender

SEED_HEADER = "X-Demo-Seed"
"""With it, an answer depends on this value and on the request's body alone: two runs give equal bytes."""

SEEDED_EPOCH = 1_750_000_000
"""`created` of a seeded answer lies in the year after this."""


@dataclass(slots=True, kw_only=True)
class Call:
    """What endpoints work with. `request_id` is `None` where Helicone passes a path raw."""

    request: web.BaseRequest
    sender: Sender
    path: str
    request_id: str | None
    organisation: str | None
    number: int
    """Counts the stand-in's calls; makes unseeded answers differ."""
    salt: bytes
    started_at: float
    """Unix time."""
    document: JsonObject = field(default_factory=dict)
    """The request's JSON, once read."""
    answer: Answer | None = None
    said: Copied | None = None
    """What has gone out of the answer's body."""
    left: bool = False
    row: Row | None = None
    """What the ledger took in, once it has."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; noted in the journal on the way."""
        fault = self.sender.fault
        received = self.sender.received
        if fault.answer_early:
            return
        await agree_to_continue(self.request)
        stall = fault.stop_reading_after_bytes
        async for chunk in self.request.content.iter_any():
            received.take(chunk)
            yield chunk
            if stall is not None and received.body_bytes >= stall:
                stall = None
                await self.sender.silence()
        received.body_complete = True

    async def body(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def json(self) -> JsonObject:
        """The body as a JSON object; OpenAI's 400 when it is none."""
        body = await self.body()
        try:
            document: Any = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise openai_error(
                400,
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
                "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid "
                "JSON.)",
            )
        self.document = document
        return document

    async def form(self) -> FormScanner:
        """The body as a multipart form, read in passing; OpenAI's 400 when it is none."""
        boundary = self.request.headers.get("Content-Type", "").partition("boundary=")[2].partition(";")[0]
        scanner = FormScanner(boundary.strip('"'))
        async for chunk in self.chunks():
            scanner.feed(chunk)
        if not scanner.complete:
            raise openai_error(400, "Could not parse multipart form.")
        return scanner

    def seed(self) -> Seed:
        """Where this answer's ids and words come from."""
        material = self.path.encode() + b"\0" + self.sender.received.body_sha256.encode()
        fixed = self.request.headers.get(SEED_HEADER)
        if fixed is None:
            return Seed(self.salt + str(self.number).encode() + material, int(self.started_at))
        seed = Seed(fixed.encode() + b"\0" + material, 0)
        return Seed(seed.material, SEEDED_EPOCH + seed.number("created", 31_536_000))


async def agree_to_continue(request: web.BaseRequest) -> None:
    """Send `100 Continue` to a client that waits for it (aiohttp leaves it to us below `web.Application`)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def request_id_of(headers: list[str], fresh: uuid.UUID) -> str:
    """The client's own id where Helicone takes it, in its own spelling; else a fresh one."""
    # Several headers arrive joined, and a joined value is no UUID.
    own = ", ".join(headers)
    return own if is_request_id(own) else str(fresh)
