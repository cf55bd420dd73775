"""Pages get the tag on their way, and their heads speak of the page with it."""

import gzip

import pytest

from harness.apps import HTML, OPENS, PAGE, TAG, TAGGED, StartApp, answer, ask, asked_up, open_app, port_of
from harness.clients import Client
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import Truncated, head, wait_until


def test_a_page_gets_the_tag_and_its_head_speaks_of_the_page_with_it(start_app: StartApp) -> None:
    sidecar, _ = start_app(
        answer(
            HTML,
            b'ETag: "v1"',
            b"Last-Modified: Mon, 23 Nov 2026 00:00:00 GMT",
            b"Digest: sha-256=abc",
            b"Repr-Digest: sha-256=:abc:",
            b"Content-MD5: abc",
            b"Accept-Ranges: bytes",
            b"Vary: Cookie",
            b"X-App: yes",
        )
    )
    page = ask(sidecar, OPENS)
    assert page.status == 200
    assert page.body == TAGGED
    assert page.value(b"etag") == b'W/"v1.with-feedback"'
    assert page.value(b"vary") == b"Cookie, Sec-Fetch-Dest"
    assert page.value(b"x-app") == b"yes"
    assert page.value(b"transfer-encoding") == b"chunked"
    for name in (
        b"content-length",
        b"last-modified",
        b"digest",
        b"repr-digest",
        b"content-md5",
        b"accept-ranges",
    ):
        assert page.value(name) is None, name


@pytest.mark.parametrize("coding", ["gzip", "none"])
def test_a_page_in_many_pieces_is_the_same(
    start_upstream: StartUpstream, start_sidecar: StartSidecar, coding: str
) -> None:
    data = gzip.compress(PAGE) if coding == "gzip" else PAGE
    lines = [HTML, b"Transfer-Encoding: chunked", *([b"Content-Encoding: gzip"] if coding == "gzip" else [])]

    def dribble(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(head(b"HTTP/1.1 200 OK", *lines))
        for byte in data:
            connection.send(b"1\r\n%c\r\n" % byte)
        connection.send(b"0\r\n\r\n")

    app = start_upstream(dribble)
    sidecar = start_sidecar("http://127.0.0.1:9", **{"inject.upstream": app.url, "inject.port": 0})
    page = ask(sidecar, OPENS)
    assert page.body == TAGGED
    assert page.value(b"content-encoding") is None


def test_a_body_that_breaks_is_cut_where_it_breaks(start_app: StartApp) -> None:
    broken = gzip.compress(PAGE)[:-12] + bytes(12)
    sidecar, _ = start_app(answer(HTML, b"Content-Encoding: gzip", body=broken))
    with pytest.raises(Truncated):
        ask(sidecar, OPENS)


def test_a_small_body_that_stands_for_much_waits_for_its_reader(start_app: StartApp) -> None:
    large = PAGE + bytes(64 * 1024 * 1024)
    sidecar, _ = start_app(answer(HTML, b"Content-Encoding: gzip", body=gzip.compress(large)))
    client = Client.connect(("127.0.0.1", port_of(sidecar)), receive_buffer_bytes=4096)
    client.send(head(b"GET / HTTP/1.1", b"Host: localhost", OPENS))
    door = sidecar.sidecar.parts.doors[1]

    def unsent() -> int:
        return sum(each._transport.get_write_buffer_size() for each in door._connections)  # type: ignore[attr-defined]

    wait_until(lambda: unsent() > 0, "the client is full")
    assert unsent() < 1024 * 1024
    found = client.read_answer()
    assert len(found.body) == len(large) + len(TAG)
    client.close()


def test_the_connection_goes_on_behind_a_page(start_app: StartApp) -> None:
    sidecar, app = start_app(answer(HTML))
    client = open_app(sidecar)
    for _ in range(3):
        assert client.ask(head(b"GET / HTTP/1.1", b"Host: localhost", OPENS)).body == TAGGED
    client.close()
    assert len(app.connections) == 1


LEFT_ALONE = {
    "a fetch": (b"GET", (b"Sec-Fetch-Dest: empty",), (HTML,), b"200 OK"),
    "a frame": (b"GET", (b"Sec-Fetch-Dest: iframe",), (HTML,), b"200 OK"),
    "a script's request": (b"GET", (b"Accept: */*",), (HTML,), b"200 OK"),
    "jQuery's": (b"GET", (b"Accept: text/html", b"X-Requested-With: XMLHttpRequest"), (HTML,), b"200 OK"),
    "a form": (b"POST", (OPENS,), (HTML,), b"200 OK"),
    "JSON": (b"GET", (OPENS,), (b"Content-Type: application/json",), b"200 OK"),
    "XHTML": (b"GET", (OPENS,), (b"Content-Type: application/xhtml+xml",), b"200 OK"),
    "no type": (b"GET", (OPENS,), (), b"200 OK"),
    "UTF-16": (b"GET", (OPENS,), (b"Content-Type: text/html; charset=UTF-16LE",), b"200 OK"),
    "a download": (b"GET", (OPENS,), (HTML, b"Content-Disposition: attachment; filename=a"), b"200 OK"),
    "an error": (b"GET", (OPENS,), (HTML,), b"404 Not Found"),
    "a part": (
        b"GET",
        (OPENS, b"Range: bytes=0-5"),
        (HTML, b"Content-Range: bytes 0-5/9"),
        b"206 Part",
    ),
    "no-transform": (b"GET", (OPENS,), (HTML, b"Cache-Control: no-cache, no-transform"), b"200 OK"),
    "two codings": (b"GET", (OPENS,), (HTML, b"Content-Encoding: gzip, br"), b"200 OK"),
    "an unknown coding": (b"GET", (OPENS,), (HTML, b"Content-Encoding: compress"), b"200 OK"),
}


@pytest.mark.parametrize(("method", "asked", "lines", "status"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_everything_else_is_left_alone(
    start_app: StartApp, method: bytes, asked: tuple[bytes, ...], lines: tuple[bytes, ...], status: bytes
) -> None:
    sidecar, _ = start_app(answer(*lines, b'ETag: "v1"', status=status))
    found = ask(sidecar, *asked, method=method)
    assert found.body == PAGE
    assert found.value(b"etag") == b'"v1"'
    assert found.value(b"content-length") == b"%d" % len(PAGE)


def test_head_is_answered_as_the_app_answers_it(start_app: StartApp) -> None:
    sidecar, _ = start_app(head(b"HTTP/1.1 200 OK", HTML, b"Content-Length: 5"))
    assert ask(sidecar, OPENS, method=b"HEAD").value(b"content-length") == b"5"


def test_a_browser_that_says_no_destination_says_that_it_wants_html(start_app: StartApp) -> None:
    sidecar, _ = start_app(answer(HTML))
    assert ask(sidecar, b"Accept: text/html,*/*;q=0.8").body == TAGGED


# --- what a browser keeps


def test_a_kept_page_is_asked_for_with_the_apps_own_etag(start_app: StartApp) -> None:
    sidecar, app = start_app(
        head(b"HTTP/1.1 304 Same", b'ETag: "v1"', b"Content-Security-Policy: default-src x")
    )
    found = ask(sidecar, OPENS, b'If-None-Match: W/"v1.with-feedback"', b"If-Modified-Since: yesterday")
    assert found.status == 304
    assert found.value(b"etag") == b'W/"v1.with-feedback"'
    assert b"widget.js" in (found.value(b"content-security-policy") or b"")
    assert asked_up(app, b"if-none-match") == b'"v1"'
    assert asked_up(app, b"if-modified-since") is None


@pytest.mark.parametrize(
    ("asks", "kept", "up"),
    [
        (OPENS, b'"v1"', None),
        (OPENS, b'"v0", W/"v1.weak.with-feedback"', b'W/"v1"'),
        (b"Sec-Fetch-Dest: empty", b'W/"v1.with-feedback"', None),
        (b"Sec-Fetch-Dest: empty", b'W/"v1.with-feedback", "v2"', b'"v2"'),
        (b"Sec-Fetch-Dest: empty", b'W/"v1", "v2"', b'W/"v1", "v2"'),
    ],
)
def test_no_page_is_taken_for_the_one_without_the_tag(
    start_app: StartApp, asks: bytes, kept: bytes, up: bytes | None
) -> None:
    sidecar, app = start_app(answer(HTML))
    ask(sidecar, asks, b"If-None-Match: " + kept)
    assert asked_up(app, b"if-none-match") == up


def test_a_page_is_asked_for_in_codings_that_can_be_undone(start_app: StartApp) -> None:
    sidecar, app = start_app(answer(HTML))
    ask(sidecar, OPENS, b"Accept-Encoding: gzip, compress, deflate;q=0.5, sdch")
    assert asked_up(app, b"accept-encoding") == b"gzip, deflate;q=0.5"
    ask(sidecar, b"Sec-Fetch-Dest: empty", b"Accept-Encoding: gzip, compress")
    assert asked_up(app, b"accept-encoding") == b"gzip, compress"
