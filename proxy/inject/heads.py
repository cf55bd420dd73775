"""Which answers get the tag, and what heads say then. Pure.

A browser keeps what it gets under its URL, and asks with the `ETag` of what it keeps whether that is still right.
The document with the tag is another one than a script's `fetch` of the same URL gets. So its ETag is marked. A
page that is opened asks the app with marked ones alone, less their mark; all else asks with the others alone.
Dates cannot be marked: they are not passed on.
"""

import re
from typing import Final

from proxy.inject.codings import can_be_undone
from proxy.relay.destination import Upstream
from proxy.relay.headers import Fields, without
from proxy.relay.messages import AnswerHead, RequestHead

_MARK: Final = b".with-feedback"
_WEAK_MARK: Final = b".weak" + _MARK
"""Of an ETag that is weak in the app's words, too: it goes up as it was, since some servers compare texts."""
_ETAG: Final = re.compile(rb'(?:W/)?"[^"]*"')
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since"})
_OF_THE_BODY: Final = frozenset(
    {
        b"accept-ranges",
        b"content-digest",
        b"content-encoding",
        b"content-length",
        b"content-md5",
        b"digest",
        b"etag",
        b"last-modified",
        b"repr-digest",
        b"vary",
    }
)
"""What an answer says of the very bytes that came; some is said anew."""
_WIDE: Final = re.compile(rb"charset\s*=\s*[\"']?(?:utf-?(?:16|32|7)|ucs-|iso-2022|hz-)", re.IGNORECASE)
"""Charsets in which a tag cannot be put in as ASCII."""
_DOCUMENT: Final = b"document"
VARY: Final = b"Sec-Fetch-Dest"


def opens_page(head: RequestHead) -> bool:
    """Whether a browser wants to show the answer as a page; an old one says no more than that it wants HTML."""
    destination = head.fields.get(b"sec-fetch-dest")
    if head.method != b"GET" or head.websocket:
        return False
    if destination is not None:
        return destination == _DOCUMENT
    return (
        head.fields.get(b"accept", b"").find(b"text/html") >= 0
        and b"x-requested-with" not in head.fields
        and b"origin" not in head.fields
    )


def is_document(head: RequestHead, answer: AnswerHead) -> bool:
    """Whether the answer to a request for a page is one that a tag can be put into."""
    fields = answer.fields
    kind = fields.get(b"content-type", b"").lower()
    return (
        answer.status == 200
        and is_html(fields)
        and not _WIDE.search(kind)
        and b"range" not in head.fields
        and b"content-range" not in fields
        and not fields.get(b"content-disposition", b"").lower().startswith(b"attachment")
        # RFC 9111 §5.2.2.6
        and fields.get(b"cache-control", b"").lower().find(b"no-transform") < 0
        and can_be_undone(coding_of(fields))
    )


def is_html(fields: Fields) -> bool:
    """Whether an answer is HTML."""
    return fields.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"text/html"


def coding_of(fields: Fields) -> bytes:
    """How an answer's body is coded, in lower case."""
    return fields.get(b"content-encoding", b"").strip().lower()


def asked(head: RequestHead) -> tuple[frozenset[bytes], bytes]:
    """What does not go up of a request, and the lines that go up in its place."""
    fields, withheld, added = head.fields, set[bytes](), b""
    of_page = opens_page(head)
    tags = fields.get(b"if-none-match")
    if tags is not None:
        known = [tag for tag in _ETAG.findall(tags) if (_MARK in tag) is of_page]
        if of_page or _MARK in tags:
            withheld |= _CONDITIONS
        if withheld and known:
            added += b"If-None-Match: %b\r\n" % b", ".join(map(unmarked, known))
    if of_page:
        # Nothing tells by its date which of the two documents a browser has.
        withheld.add(b"if-modified-since")
        if b"accept-encoding" in fields:
            withheld.add(b"accept-encoding")
            added += b"Accept-Encoding: %b\r\n" % _known_codings(fields[b"accept-encoding"])
    if _MARK in fields.get(b"if-range", b""):
        # Of a document with the tag there are no ranges.
        withheld |= {b"if-range", b"range"}
    return frozenset(withheld), added


def _known_codings(accepted: bytes) -> bytes:
    """What of `Accept-Encoding` can be undone here."""
    codings = [each.strip() for each in accepted.split(b",")]
    return b", ".join(
        each for each in codings if can_be_undone(each.partition(b";")[0].strip().lower()) and each
    ) or b"identity"  # fmt: skip


def marked(tag: bytes) -> bytes:
    """An ETag for the same document with the tag in it; a weak one, since bytes are not promised."""
    mark = _WEAK_MARK if tag.startswith(b"W/") else _MARK
    return b'W/"%b%b"' % (tag.removeprefix(b"W/").strip(b'"'), mark)


def unmarked(tag: bytes) -> bytes:
    """The app's own ETag."""
    text = tag.removeprefix(b"W/").strip(b'"').removesuffix(_MARK)
    weak = text.endswith(b".weak")
    return b'%b"%b"' % (b"W/" if weak else b"", text.removesuffix(b".weak") if weak else text)


def describe_tagged(answer: AnswerHead, *, asks_again: bool) -> None:
    """Have the head speak of the document with the tag in it; of the one that a browser keeps, in a 304.

    `asks_again`: whether a browser may ask if the one that it keeps is still right.
    """
    answer.kept = without(answer.kept, _OF_THE_BODY)
    tag = answer.fields.get(b"etag")
    if asks_again and tag is not None and _ETAG.fullmatch(tag):
        answer.kept.append(b"ETag: " + marked(tag))
    _vary(answer)


def describe_other(answer: AnswerHead) -> None:
    """HTML that does not get the tag: a browser must not show it where it wants a page."""
    answer.kept = without(answer.kept, {b"vary"})
    _vary(answer)


def _vary(answer: AnswerHead) -> None:
    said = answer.fields.get(b"vary")
    answer.kept.append(b"Vary: " + (VARY if said is None else said + b", " + VARY))


def lead_here(answer: AnswerHead, upstream: Upstream, asked_host: bytes) -> None:
    """Have redirects and cookies that name the app's own address mean this one."""
    fields = answer.fields
    if b"location" in fields:
        answer.kept = [_relocated(line, upstream) for line in answer.kept]
    if b"set-cookie" in fields and asked_host.partition(b":")[0] != upstream.host.encode():
        named = re.compile(
            rb";\s*domain\s*=\s*\.?%b\s*(?=;|$)" % re.escape(upstream.host.encode()), re.IGNORECASE
        )
        answer.kept = [
            named.sub(b"", line) if line[:11].lower() == b"set-cookie:" else line for line in answer.kept
        ]


def _relocated(line: bytes, upstream: Upstream) -> bytes:
    name, _, value = line.partition(b":")
    if name.lower() != b"location":
        return line
    scheme = b"http" if upstream.tls is None else b"https"
    start, theirs = b"%b://%b" % (scheme, upstream.authority), value.strip()
    rest = theirs[len(start) :]
    if theirs[: len(start)].lower() != start or rest[:1] not in (b"", b"/", b"?", b"#"):
        return line
    # `//host` would lead elsewhere. Browsers take a backslash for a slash, and pass over tabs.
    return name + b": " + (b"/" + rest.lstrip(b"/\\\t"))
