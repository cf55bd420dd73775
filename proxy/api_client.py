"""Speaks to Helicone's API. What is said, and what an answer means, is in `helicone_api.py`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
from aiohttp import hdrs
from yarl import URL

from proxy import helicone_api, helicone_queries
from proxy.errors import AnswerTooLong, HeliconeBroke, HeliconeError, HeliconeTimeout, HeliconeUnreachable
from proxy.helicone_api import Allowance, Refusal, Stored
from proxy.helicone_queries import Place, Version
from proxy.keys import Credential
from proxy.model import Rating
from proxy.relay.reasons import of_failure
from proxy.search.wanted import Wanted
from proxy.turns import in_turns

_YES = 201
"""Helicone's only yes to whatever is asked here, but for a count."""
_COUNTED = 200

_POST_LIMIT_BYTES = 64 * 1024
_LOOK_LIMIT_BYTES = 16 * 1024 * 1024
"""Rows come with their bodies where Helicone keeps them in ClickHouse."""


class Page(NamedTuple):
    """Rows of an answer to a search, whether there may be more behind them, and what Helicone grants."""

    versions: list[Version]
    may_be_more: bool
    granted: Allowance | None


class HeliconeApi:
    """Helicone's API, spoken to through one shared session.

    Each method raises HeliconeError or one of its kinds; none of them holds the key. What Helicone grants is given
    where it says so.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        proxy_for: Callable[[str], str | None],
        *,
        timeout_seconds: float,
        wall_clock: Callable[[], float],
        own_key: str | None = None,
    ) -> None:
        """`proxy_for`: the proxy on the way to an API, if any. `wall_clock` gives Unix time. A key other than
        `own_key` is an app's."""
        self._session = session
        self._proxy_for = proxy_for
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._now = wall_clock
        self._own_key = own_key

    def __repr__(self) -> str:
        return f"<HeliconeApi within {self._timeout.total:g} s>"

    async def post(self, request_id: str, rating: Rating, credential: Credential) -> Allowance | None:
        """Post thumb and scores; a rating without either is not posted.

        When it returns they are accepted, not stored: those of a call which Helicone has not ingested yet get the
        same answer and are dropped (ScoreStore.putScoresIntoClickhouse).
        """
        request = helicone_api.post_of(request_id, rating)
        if request is None:
            return None
        _, granted = await self._ask(hdrs.METH_POST, request, credential, _POST_LIMIT_BYTES)
        return granted

    async def put_property(
        self, request_id: str, name: str, value: str, credential: Credential
    ) -> Allowance | None:
        """Put a property onto a call. Raises NotIngested when Helicone does not know the call yet."""
        request = helicone_api.property_put(request_id, name, value)
        _, granted = await self._ask(hdrs.METH_PUT, request, credential, _POST_LIMIT_BYTES)
        return granted

    async def look(
        self, request_ids: Sequence[str], credential: Credential
    ) -> tuple[dict[str, Stored], Allowance | None]:
        """What is stored of these calls, at most 100; those that Helicone does not know are left out."""
        if not request_ids:
            return {}, None
        try:
            request = helicone_api.look_for(request_ids, self._now())
            body, granted = await self._ask(
                hdrs.METH_POST, request, credential, _LOOK_LIMIT_BYTES, whole=True
            )
        except AnswerTooLong:
            if len(request_ids) == 1:
                raise HeliconeError(
                    f"Helicone's API answered a look for one call with more than {_LOOK_LIMIT_BYTES >> 20} MiB."
                ) from None
            middle = len(request_ids) // 2
            first, _ = await self.look(request_ids[:middle], credential)
            second, granted = await self.look(request_ids[middle:], credential)
            return {**first, **second}, granted
        return helicone_api.rows_of(body), granted

    async def find(
        self, wanted: Wanted, place: Place, credential: Credential, rows: int = helicone_queries.MOST_ROWS
    ) -> Page:
        """A page of the calls that may be wanted, the newest first, from that place on.

        Raises AnswerTooLong where so many rows are more than we want to hold.
        """
        request = helicone_queries.page_of(wanted, place, rows)
        body, granted = await self._ask(hdrs.METH_POST, request, credential, _LOOK_LIMIT_BYTES, whole=True)
        found = in_turns(helicone_queries.rows_in(body))
        versions = [helicone_queries.version_in(each) async for each in found]
        return Page(versions, len(versions) >= rows, granted)

    async def count(self, wanted: Wanted, credential: Credential) -> tuple[int, Allowance | None]:
        """How many calls there are, whatever their rating is."""
        request = helicone_queries.count_of(wanted)
        body, granted = await self._ask(
            hdrs.METH_POST, request, credential, _POST_LIMIT_BYTES, whole=True, yes=_COUNTED
        )
        return helicone_queries.count_in(body), granted

    async def _ask(  # the whole of a question
        self,
        method: str,
        request: tuple[str, Mapping[str, Any]],
        credential: Credential,
        limit_bytes: int,
        *,
        whole: bool = False,
        yes: int = _YES,
    ) -> tuple[bytes, Allowance | None]:
        """Body and allowance of a yes; `whole`: the body matters, and not only its beginning."""
        base_url = credential.api_url.rstrip("/")
        path, payload = request
        try:
            async with self._session.request(
                method,
                URL(f"{base_url}{path}", encoded=True),
                json=payload,
                proxy=self._proxy_for(base_url),
                headers={**helicone_api.HEADERS, hdrs.AUTHORIZATION: f"Bearer {credential.key}"},
                skip_auto_headers=(hdrs.ACCEPT_ENCODING,),
                timeout=self._timeout,
                allow_redirects=False,
                middlewares=(_only_once(),),
            ) as answer:
                if answer.status == yes:
                    body = await (_whole if whole else _beginning)(answer, limit_bytes)
                    return body, helicone_api.allowance(answer.headers)
                said = await _beginning(answer, _POST_LIMIT_BYTES)
                refusal = Refusal(answer.status, said.decode("utf-8", "replace"), answer.headers)
                raise helicone_api.error_of(
                    refusal,
                    base_url=base_url,
                    key=credential.key,
                    is_own=credential.key == self._own_key,
                    now=self._now(),
                )
        except TimeoutError:
            raise HeliconeTimeout(
                f"Helicone's API at {base_url} did not answer within {self._timeout.total:g} s."
            ) from None
        except aiohttp.ClientError as error:
            raise _unreachable(error, base_url) from None


def _only_once() -> aiohttp.ClientMiddlewareType:
    """Fails the second time as the first: aiohttp repeats a PUT whose connection broke, and nobody counts it."""
    failures: list[aiohttp.ClientError] = []

    async def send(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if failures:
            raise failures[0]
        try:
            return await handler(request)
        except aiohttp.ClientError as error:
            failures.append(error)
            raise

    return send


def _unreachable(error: aiohttp.ClientError, base_url: str) -> HeliconeError:
    """The table of aiohttp's errors. Never their repr: it holds the request's headers."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        why = f"the proxy in HTTPS_PROXY answered {error.status} to CONNECT"
    elif isinstance(error, aiohttp.ClientProxyConnectionError):
        why = f"the proxy in HTTPS_PROXY cannot be reached itself ({of_failure(error.os_error)})"
    elif isinstance(error, aiohttp.ClientConnectorError):
        why = of_failure(error.os_error)
    elif isinstance(error, aiohttp.ClientResponseError):
        return HeliconeBroke(
            f"The connection to Helicone's API at {base_url} broke: what answers there does not speak HTTP."
        )
    else:
        return HeliconeBroke(
            f"The connection to Helicone's API at {base_url} broke ({type(error).__name__})."
        )
    return HeliconeUnreachable(f"Helicone's API at {base_url} cannot be reached: {why}.")


async def _beginning(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """What an answer says, or as much as is enough and as came: its status is known, and that is what counts."""
    body = bytearray()
    try:
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) >= limit_bytes:
                answer.close()
                break
    except (TimeoutError, aiohttp.ClientError):
        answer.close()
    return bytes(body)


async def _whole(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """All that an answer says; raises AnswerTooLong."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > limit_bytes:
            answer.close()
            raise AnswerTooLong(f"Helicone's API answered with more than {limit_bytes >> 10:,} KiB.")
    return bytes(body)
