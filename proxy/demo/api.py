"""The stand-in for Helicone's API server (jawn): what every path answers. No I/O.

The order of the steps is that of `valhalla/jawn/src/index.ts`: CORS, body parsers, authentication, limiter,
routes. So a malformed body is a 500 also for a stranger, and a foreign page gets a 500 before anybody looks at
its key.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import hdrs

from . import bodies
from .assembled import shown_request, shown_response
from .identity import Keyring, is_request_id, without_bearer
from .ledger import RATING, Ledger
from .limiter import Limiter
from .queries import count_query_of, query_of
from .records import record
from .replies import Refused, Reply, internal_error, no_route, reply, result, unauthenticated
from .settings import StandInSettings

Fields = Mapping[str, Any] | None
Route = Callable[[str, str, Fields], Reply]

ALLOWED_ORIGINS = re.compile(r"https://(\w+\.)*helicone\.(ai|com)")
CACHED_SECONDS = 24 * 3600
"""`GET /v1/request/{id}` remembers what it found, ratings or no ratings."""

READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
REQUEST = r"/v1/request/(?P<id>[^/]+)"


class Api:
    """What every path of the API does, without any I/O."""

    def __init__(
        self, settings: StandInSettings, ledger: Ledger, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._steady = steady
        self._keyring = Keyring(settings.keys, settings.read_only_keys)
        self._limiter = Limiter(settings.api_budget, settings.api_window_seconds, steady)
        self._found: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._routes: tuple[tuple[str, re.Pattern[str], Route], ...] = (
            ("POST", re.compile(rf"{REQUEST}/feedback"), self._feedback),
            ("POST", re.compile(rf"{REQUEST}/score"), self._score),
            ("PUT", re.compile(rf"{REQUEST}/property"), self._property),
            ("POST", re.compile(r"/v1/request/(?P<id>query-clickhouse)"), self._query),
            ("POST", re.compile(r"/v1/request/(?P<id>count)/query"), self._count),
            ("GET", re.compile(REQUEST), self._one_request),
        )

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one request."""
        try:
            self._check_origin(headers)
            if method == hdrs.METH_OPTIONS:
                return Reply(204, b"")
            fields = bodies.parsed(headers.get(hdrs.CONTENT_TYPE, ""), body)
            organisation = self._authenticate(method, headers)
            limits = self._limiter.admit(organisation)
        except Refused as refused:
            return refused.answer
        path, _, query = target.partition("?")
        if method == hdrs.METH_GET:
            fields = dict(parse_qsl(query, keep_blank_values=True))
        answer = self._route(method, path, organisation, fields)
        return Reply(answer.status, answer.body, answer.content_type, (*answer.headers, *limits))

    def worker_feedback(self, key: str, request_id: str, body: bytes) -> Reply:
        """A rating that the gateway relays: an ordinary call of this API."""
        headers: dict[str, str] = {hdrs.AUTHORIZATION: f"Bearer {key}", hdrs.CONTENT_TYPE: "application/json"}
        return self.answer("POST", f"/v1/request/{request_id}/feedback", headers, body)

    def _route(self, method: str, path: str, organisation: str, fields: Fields) -> Reply:
        for wanted, pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match and method == wanted:
                try:
                    return route(organisation, match["id"], fields)
                except Refused as refused:
                    return refused.answer
        return no_route(method, path)

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin = headers.get(hdrs.ORIGIN)
        if self._settings.cloud and origin is not None and not ALLOWED_ORIGINS.fullmatch(origin):
            raise Refused(internal_error("Not allowed by CORS"))

    def _authenticate(self, method: str, headers: Mapping[str, str]) -> str:
        key = _presented_key(headers)
        if key is None:
            raise Refused(unauthenticated("No authorization header"))
        organisation = self._keyring.organisation(key)
        if organisation is None:
            raise Refused(unauthenticated("No API key found"))
        if method not in READING and not self._keyring.may_write(key):
            raise Refused(unauthenticated(None))
        return organisation

    def _feedback(self, organisation: str, request_id: str, fields: Fields) -> Reply:
        rating = bodies.rating(fields)
        if not is_request_id(request_id):
            return result(500, error="Invalid requestId: must be a valid UUID")
        self._ledger.score(organisation, request_id, {RATING: int(rating)})
        return result(201)

    def _score(self, organisation: str, request_id: str, fields: Fields) -> Reply:
        # The route looks at no id: a wrong one is dropped later.
        self._ledger.score(organisation, request_id, bodies.scores(fields))
        return result(201)

    def _property(self, organisation: str, request_id: str, fields: Fields) -> Reply:
        key, value = bodies.property_of(fields)
        if not self._ledger.put_property(organisation, request_id, key, value):
            return result(500, error="Request not found")
        return result(201)

    def _query(self, organisation: str, _: str, fields: Fields) -> Reply:
        try:
            query = query_of(fields)
            rows = query.run(self._ledger.ingested(organisation, query.ids))
        except RecursionError:
            # A chain of close to a thousand conditions; the real limit is not known.
            return internal_error()
        return result(201, [record(row, scores_as_strings=self._settings.scores_as_strings) for row in rows])

    def _count(self, organisation: str, _: str, fields: Fields) -> Reply:
        # Of each call its newest version: `count(DISTINCT request_id) ... FINAL`.
        matches = count_query_of(fields)
        newest = {row.request_id: row for row in self._ledger.ingested(organisation)}
        return result(200, sum(map(matches, newest.values())))

    def _one_request(self, organisation: str, request_id: str, query: Fields) -> Reply:
        with_bodies = bodies.wants_bodies(query or {})
        place = (organisation, request_id)
        kept = self._found.get(place)
        if kept is None or kept[0] <= self._steady():
            row = self._ledger.find(organisation, request_id)
            if row is None:
                # Two functions of Helicone's say "nothing" in two ways.
                return result(200) if with_bodies else reply(200, {"error": None})
            found = record(row, scores_as_strings=self._settings.scores_as_strings)
            kept = self._found[place] = (self._steady() + CACHED_SECONDS, found)
        if not with_bodies:
            return result(200, kept[1])
        said = self._ledger.bodies.find(request_id)
        if said is None:
            return result(500, error="Error fetching request body")
        shown = {
            "request_body": shown_request(said.request),
            "response_body": shown_response(said.response),
        }
        return result(200, {**kept[1], **shown})


def _presented_key(headers: Mapping[str, str]) -> str | None:
    """`Authorization`, with or without `Bearer`, or the dashboards' JSON. `Helicone-Auth` is not read here."""
    value = headers.get(hdrs.AUTHORIZATION)
    if value is not None:
        return without_bearer(value)
    value = headers.get("Helicone-Authorization")
    if value is None:
        return None
    try:
        given = json.loads(value)
    except ValueError as error:
        # The authentication code throws.
        raise Refused(Reply(400, b"Invalid token.", "text/html; charset=utf-8")) from error
    return without_bearer(str(given.get("token", ""))) if isinstance(given, dict) else None
