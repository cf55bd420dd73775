"""What the listener before an app answers itself: a page with a sentence for people, JSON for programs. Pure."""

from dataclasses import replace
from html import escape
from http import HTTPStatus
from typing import Final

from proxy.inject.heads import opens_page
from proxy.relay import refusals
from proxy.relay.messages import RequestHead
from proxy.relay.refusals import Refusal

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{phrase}</title>
<h1>{phrase}</h1>
<p>{message}</p>
<p>helicone-feedback-proxy, in front of the app ([inject] upstream), said this: {code}.</p>
</html>
"""


def say(head: RequestHead, refusal: Refusal, close: bool) -> bytes:  # noqa: FBT001  # see `relay.contract.Say`
    """What that request is refused with."""
    said = replace(refusal, message=refusal.message.replace("The gateway ", "The app at ", 1))
    if not opens_page(head):
        return refusals.render(said, close=close, bodyless=head.method == b"HEAD")
    phrase = HTTPStatus(said.status).phrase
    body = _PAGE.format(phrase=phrase, message=escape(said.message), code=escape(said.code)).encode()
    return b"".join(
        (
            b"HTTP/1.1 %d %b\r\n" % (said.status, phrase.encode()),
            b"Content-Type: text/html; charset=utf-8\r\n",
            b"Content-Length: %d\r\n" % len(body),
            b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
            b"Cache-Control: no-store\r\n",
            b"Feedback-Error: %b\r\n" % said.code.encode(),
            said.header_lines,
            b"Connection: close\r\n" if close else b"",
            b"\r\n",
            body,
        )
    )
