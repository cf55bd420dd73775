"""An application behind the guard, with the rule that a connection serves one local answer."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.errors import JsonRequired, ReadOnly
from proxy.guard import cors
from proxy.guard.decisions import wrong_in_address
from proxy.guard.tokens import Tokens
from proxy.relay import headers
from proxy.relay.refusals import Refusal
from proxy.web import limits, signing_in, static
from proxy.web.answers import errors_as_sentences, refusal
from proxy.web.context import CALLER, CONTEXT, Context
from proxy.web.protocol import LocalProtocol
from proxy.web.query import target_of

_LONGEST_BODY_BYTES = 64 * 1024
_LONGEST_BATCH_BYTES = 4 * 1024 * 1024
BATCH_PATH = "/feedback/batch"
_PAGE_PATH = "/feedback"
_PAGE_ASSETS = "/feedback/page/{name}"


def guarded_application(
    context: Context, routes: Iterable[tuple[str, str, Handler]], others: str, no_such_route: Handler
) -> web.Application:
    """The application of these routes (method, aiohttp's pattern, handler), with the guard before each; one for
    GET takes HEAD, too. `no_such_route` answers all else below the pattern `others`.
    """
    application = web.Application(
        middlewares=[errors_as_sentences, _guarded], client_max_size=_LONGEST_BODY_BYTES
    )
    application[CONTEXT] = context
    for method, pattern, handler in routes:
        if method == "GET":
            application.router.add_get(pattern, handler, expect_handler=_expect_later)
        else:
            application.router.add_route(method, pattern, handler, expect_handler=_expect_later)
    # Aiohttp answers an unknown path or method itself, and asks for its body first: so all of them are known.
    application.router.add_route("*", others, no_such_route, expect_handler=_expect_later)
    application.on_response_prepare.extend((_one_answer_per_connection, _readable_by_allowed_pages))
    return application


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nobody gets in who does not belong: the same decision as on relayed calls."""
    fields = headers.index(list(request.raw_headers))
    authority = _authority(request)
    if authority is not None:
        fields[b"host"] = authority
    ended = _answered_at_the_door(request, fields)
    if ended is not None:
        return ended
    expected = fields.get(b"expect")
    if expected is not None:
        if expected.lower() != b"100-continue":
            return refusal(417, "expectation_failed", "Only Expect: 100-continue is understood.")
        # Now that nobody objects, the body may come (RFC 9110 §10.1.1).
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if request.path == BATCH_PATH:
        request = request.clone(client_max_size=_LONGEST_BATCH_BYTES)
    if request.can_read_body:
        seconds = request.app[CONTEXT].body_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await request.read()
        except TimeoutError:
            return refusal(
                408, "request_body_timeout", f"The request's body was not complete within {seconds:g} s."
            )
    try:
        return await handler(request)
    except (JsonRequired, ReadOnly) as error:
        # What a foreign page's form or image would ask for: the guard's business too, though found out later.
        _note(request, Refusal(error.status, error.code, error.message))
        raise


def _answered_at_the_door(request: web.Request, fields: headers.Fields) -> web.Response | None:
    """What ends here: a refusal, a preflight, a browser's signing in. None for a request that may go on."""
    context = request.app[CONTEXT]
    guard = context.guard
    said = signing_in.token_in_query(request)
    if _is_for_every_page(request):
        entry = guard.check_script(request.method, fields, by_socket=_by_socket(request))
    else:
        entry = guard.check(
            request.method,
            fields,
            by_socket=_by_socket(request),
            local=True,
            session=lambda: _session(request, fields, guard.tokens, said),
        )
    if said is not None and isinstance(entry, Refusal) and entry.status == HTTPStatus.UNAUTHORIZED:
        entry = wrong_in_address()
    entry = limits.decided(request, fields, entry)
    if isinstance(entry, Refusal):
        if entry.status == HTTPStatus.UNAUTHORIZED and _is_page_asset(request):
            # They hold no secret, and the page on which somebody signs in is made of them.
            return None
        _note(request, entry)
        if entry.status == HTTPStatus.UNAUTHORIZED and _is_page(request):
            return _sign_in_page(entry)
        return refusal(entry.status, entry.code, entry.message, _as_headers(entry.header_lines))
    if entry.is_preflight:
        return _preflight(cors.preflight_fields(entry.origin, fields, context.feedback.headers))
    if said is not None:
        return signing_in.signed_in(request, fields, guard.tokens, said)
    request[CALLER] = entry.client
    return None


def _is_for_every_page(request: web.Request) -> bool:
    """Whether it asks for the widget's script, spelled in this one way: with a query, it might say a token."""
    return target_of(request).origin == limits.WIDGET_PATH.encode() and request.method in ("GET", "HEAD")


def _is_page(request: web.Request) -> bool:
    return request.path == _PAGE_PATH and static.wants_page(request)


def _is_page_asset(request: web.Request) -> bool:
    # By its route: decoded, the path of another one may look like theirs.
    return request.method in ("GET", "HEAD") and limits.route_of(request) == _PAGE_ASSETS


def _sign_in_page(why: Refusal) -> web.Response:
    """Where a person types the token; to programs it says what every refusal says."""
    response = static.page("sign_in", status=why.status)
    response.headers["Feedback-Error"] = why.code
    response.headers.update(_as_headers(why.header_lines))
    return response


def _note(request: web.Request, why: Refusal) -> None:
    """A request is not let through."""
    context = request.app[CONTEXT]
    path = target_of(request).path
    if context.guard.tokens is not None and context.guard.tokens.may_be_in(path):
        path = b""
    context.refused.note(request.method.encode("latin-1"), path, why)


def _preflight(fields: list[cors.Field]) -> web.Response:
    """204: a browser asks on behalf of an allowed origin's page what that may send; nothing else is wanted."""
    return web.Response(
        status=HTTPStatus.NO_CONTENT,
        headers={name.decode("ascii"): value.decode("ascii") for name, value in fields},
    )


async def _readable_by_allowed_pages(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of allowed origins read every answer, errors included; the guard has decided what they may ask."""
    guard = request.app[CONTEXT].guard
    if guard.admits_pages and "Access-Control-Allow-Origin" not in response.headers:
        reader = guard.reader(headers.index(list(request.raw_headers)))
        for name, value in cors.answer_fields(reader):
            response.headers.add(name.decode("ascii"), value.decode("ascii"))


def _session(request: web.Request, fields: headers.Fields, known: Tokens | None, said: bytes | None) -> str:
    """The browser's session: of the token that its address says, else of its cookie; "" if there is none."""
    if known is None:
        return ""
    return signing_in.session_of(request, fields) if said is None else known.session_of(said) or ""


def _by_socket(request: web.Request) -> bool:
    """Whether it came through a Unix socket."""
    protocol = request.protocol
    return isinstance(protocol, LocalProtocol) and protocol.by_socket


def _as_headers(lines: bytes) -> dict[str, str]:
    """Header lines, each with its line's end, by name."""
    return dict(line.split(": ", 1) for line in lines.decode("ascii").splitlines())


def reached_by(request: web.Request) -> str:
    """Host and port by which the client came; the guard has looked at them."""
    authority = _authority(request)
    return request.host if authority is None else authority.decode("ascii")


def _authority(request: web.Request) -> bytes | None:
    """What an absolute-form target says, in place of Host (RFC 9112 §3.2.2)."""
    # Not by `request.url`, which raises for a bad Host.
    return target_of(request).authority


async def _expect_later(request: web.Request) -> None:
    """Leave `Expect` to the guard: aiohttp would ask for the body before anybody has looked at the head."""
    del request


async def _one_answer_per_connection(request: web.Request, response: web.StreamResponse) -> None:
    """Close behind every local answer: the next request on this connection may be one for the relay.

    The header alone would leave aiohttp's side of the connection open, and `force_close` comes too late here to
    set the header.
    """
    del request
    response.headers["Connection"] = "close"
    response.force_close()
