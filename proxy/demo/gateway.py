"""The stand-in for Helicone's gateway (the worker) and the providers behind it.

From `worker/src/lib/HeliconeProxyRequest` and `routers/*`: the id is in the head of every answer, errors
included; a call without a Helicone key is proxied all the same and never logged; paths with `audio` and changes
under `/v1/files` pass raw.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from uuid import UUID

from aiohttp import HttpVersion10, web
from aiohttp.http_exceptions import PayloadEncodingError

from . import worker
from .answers.answer import Answer, compact, json_answer, openai_error
from .api import Api
from .call import Call, request_id_of
from .endpoints import Provider
from .faults import GatewayFault, Plan
from .identity import Keyring
from .journal import Journal, Received
from .kept_bodies import LONGEST_BYTES, Bodies, Copied
from .ledger import Ledger, Row
from .realtime import REALTIME_PATHS, converse
from .sending import Cut, Sender
from .settings import StandInSettings

KEY_SEGMENT = re.compile(r"^/[sp]k-helicone[^/]*(?=/)")
"""A Helicone key may stand in the path; the worker cuts it out."""

CLIENT_LEFT = -3
"""The status of a row whose client disconnected."""

PROVIDER_HEADERS = (
    ("openai-version", "2020-10-01"),
    ("Set-Cookie", "__cf_bm=demo; path=/; HttpOnly; Secure; SameSite=None"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"),
    ("alt-svc", 'h3=":443"; ma=86400'),
)
"""What stands in real answers beside the content, and what a sidecar on localhost has to think about."""


class Gateway:
    """Answers every request on the gateway's port."""

    def __init__(
        self,
        settings: StandInSettings,
        ledger: Ledger,
        api: Api,
        plan: Plan[GatewayFault],
        chance: Random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._api = api
        self._plan = plan
        self._chance = chance
        self._wall = wall
        self._keyring = Keyring(settings.keys, settings.read_only_keys)
        self._provider = Provider(settings.download_bytes)
        self._salt = chance.randbytes(16)
        self.journal = Journal()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and log its row when the answer has ended."""
        received = self.journal.receive(request)
        fault = self._plan.take(received.target)
        call = self._call(request, received, fault)
        call.sender.finishing = lambda: self._log(call)
        try:
            return await self._answer(call)
        except (
            asyncio.CancelledError,
            ConnectionError,
            web.RequestPayloadError,
            PayloadEncodingError,
        ) as error:
            call.left = True
            if call.row is not None:
                call.row.status = CLIENT_LEFT
            if not isinstance(error, Cut):
                self.journal.broken(received, request)
            raise
        finally:
            self._log(call)
            received.end()

    def _call(self, request: web.BaseRequest, received: Received, fault: GatewayFault) -> Call:
        path = KEY_SEGMENT.sub("", received.target.partition("?")[0])
        fresh = UUID(bytes=self._chance.randbytes(16), version=4)
        raw = is_passed_raw(request.method, path)
        zipped = self._settings.gzip or request.query.get("gzip") == "1"
        return Call(
            request=request,
            sender=Sender(
                request,
                received,
                fault,
                self._settings.token_interval_seconds,
                gzip=zipped and "gzip" in request.headers.get("Accept-Encoding", ""),
            ),
            path=path,
            request_id=None if raw else request_id_of(received.values("Helicone-Request-Id"), fresh),
            organisation=self._organisation(request, received.target),
            number=received.number,
            salt=self._salt,
            started_at=self._wall(),
        )

    def _organisation(self, request: web.BaseRequest, target: str) -> str | None:
        segment = KEY_SEGMENT.match(target)
        if segment and "Helicone-Auth" not in request.headers:
            return self._keyring.organisation(segment[0][1:])
        return self._keyring.of_gateway_call(request.headers)

    async def _answer(self, call: Call) -> web.StreamResponse:
        method, fault = call.request.method, call.sender.fault
        if is_websocket(call.request):
            call.request_id = None
            if call.path in REALTIME_PATHS and fault.status is None:
                return await converse(call, self._settings.token_interval_seconds)
            # The worker makes a 500 of every 101.
            return await call.sender.send(refusal(fault.status or 500, method, call.path), ())
        if call.path == "/healthcheck":
            call.request_id = None
            return await call.sender.send(json_answer({"status": "healthy :)"}), ())
        if call.path == "/v1/feedback" and method in {"POST", "OPTIONS"}:
            call.request_id = None
            return await worker.feedback(call, self._keyring, self._api)
        if fault.status is None:
            call.answer = await self._provider.answer(call)
        else:
            await call.body()
            call.answer = refusal(fault.status, method, call.path)
        call.said = Copied(call.answer.pieces)
        call.answer = replace(call.answer, pieces=call.said)
        return await call.sender.send(call.answer, self._headers(call))

    def _headers(self, call: Call) -> list[tuple[str, str]]:
        name = "request-id" if call.path.startswith("/v1/messages") else "x-request-id"
        headers = [(name, call.seed().hex_name("req_", 32)), *PROVIDER_HEADERS]
        if call.request_id is not None and not call.sender.fault.drop_helicone_id:
            headers += [("Helicone-Id", call.request_id), ("Helicone-Status", "success")]
        return headers

    def _log(self, call: Call) -> None:
        """Give the call's row to the ledger, once."""
        if call.row is not None or call.sender.fault.not_logged:
            return
        if call.request_id is not None and call.organisation is not None:
            call.row = self._row(call, call.request_id, call.organisation)
            self._ledger.log(call.row)
            self._keep_bodies(call, call.request_id)

    def _keep_bodies(self, call: Call, request_id: str) -> None:
        asked, said = call.sender.received, b"" if call.said is None else call.said.read()
        # The journal keeps the beginning of a long body; a document that was read is whole.
        request = asked.body if len(asked.body) == asked.body_bytes else compact(call.document)
        if said is not None and len(request) <= LONGEST_BYTES:
            self._ledger.bodies.keep(request_id, Bodies(request, said))

    def _row(self, call: Call, request_id: str, organisation: str) -> Row:
        headers = call.request.headers
        received = call.sender.received
        first = call.sender.first_piece_at
        answer = call.answer
        return Row(
            request_id=request_id,
            organisation=organisation,
            created_at=call.started_at,
            finished_at=self._wall(),
            status=CLIENT_LEFT if call.left or answer is None else answer.status,
            target=f"https://api.openai.com{call.path}",
            model=answer.model if answer else "",
            provider="ANTHROPIC" if call.path.startswith("/v1/messages") else "OPENAI",
            user_id=headers.get("Helicone-User-Id") or str(call.document.get("user") or ""),
            prompt_id=headers.get("Helicone-Prompt-Id", ""),
            prompt_version=headers.get("Helicone-Prompt-Version", ""),
            referrer=headers.get("Referer", ""),
            prompt_tokens=answer.prompt_tokens if answer else 0,
            completion_tokens=answer.completion_tokens if answer else 0,
            time_to_first_token_ms=round((first - received.arrived_at) * 1000) if first else 0,
            properties=properties_of(received),
        )


def is_passed_raw(method: str, path: str) -> bool:
    """Whether Helicone hands the call through without an id and without logging it."""
    return "audio" in path or (method in {"POST", "DELETE"} and path.startswith("/v1/files"))


def is_websocket(request: web.BaseRequest) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket" and request.version > HttpVersion10


def refusal(status: int, method: str, path: str) -> Answer:
    """The provider's answer with a status that a fault chose."""
    if status < 400:
        return Answer(pieces=(), status=status, length_bytes=0)
    return openai_error(status, f"A fault made {method} {path} fail.", code="demo_fault").answer()


def properties_of(received: Received) -> dict[str, str]:
    """The custom properties of a call; their names arrive in lower case."""
    prefix = b"helicone-property-"
    found = {
        name.lower()[len(prefix) :].decode("latin-1"): value.decode("latin-1")
        for name, value in received.headers
        if name.lower().startswith(prefix)
    }
    session = {
        name: value
        for name in ("Helicone-Session-Id", "Helicone-Session-Path", "Helicone-Session-Name")
        if (value := received.header(name)) is not None
    }
    return found | session
