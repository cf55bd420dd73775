"""The table of headers that are changed on the way, row by row, over real sockets."""

import re
import socket

import pytest

from harness.clients import Client
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import Upstream
from harness.wire import Message, head

KEY = "sk-helicone-abcdefg-abcdefg-abcdefg-abcdefg"
UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def relayed(
    client: Client,
    upstream: Upstream,
    *lines: bytes,
    target: bytes = b"/v1/chat/completions",
    answer_lines: tuple[bytes, ...] = (),
) -> tuple[Message, Message]:
    """One call. Gives the request as the gateway got it, and the answer as the client got it."""
    client.send(head(b"POST " + target + b" HTTP/1.1", *(lines or (b"Host: localhost",))))
    call = upstream.accept()
    request = call.read_request()
    call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 2", *answer_lines) + b"ok")
    answer = client.read_answer()
    assert answer.body == b"ok"
    return request, answer


# -- both ways


def test_hop_by_hop_fields_stop_on_the_way_up(client: Client, upstream: Upstream) -> None:
    request, _ = relayed(
        client,
        upstream,
        b"Host: localhost",
        b"Connection: keep-alive, X-Named",
        b"connection: x-named-too , X-Absent",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authorization: Basic xxx",
        b"Proxy-Authenticate: Basic",
        b"TE: gzip",
        b"Upgrade: h3",
        b"X-Named: 1",
        b"x-NAMED-too: 2",
        b"x-named: 3",
        b"X-Stays: 4",
    )
    assert request.names == [b"host", b"x-stays", b"helicone-request-id", b"via"]


def test_an_id_and_a_key_that_connection_names_stop_and_ours_go(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"helicone.api_key": KEY})
    own = b"0b7f0a5e-1d1c-4f0e-9d5e-5b8f1a2b3c4d"
    request, answer = relayed(
        sidecar.connect(),
        upstream,
        b"Host: localhost",
        b"Connection: Helicone-Auth, Helicone-Request-Id",
        b"Helicone-Auth: Bearer sk-helicone-the-apps",
        b"Helicone-Request-Id: " + own,
    )
    assert request.values(b"helicone-auth") == [b"Bearer " + KEY.encode()]
    (sent,) = request.values(b"helicone-request-id")
    assert sent != own
    assert answer.value(b"feedback-id") == sent


def test_hop_by_hop_fields_stop_on_the_way_down(client: Client, upstream: Upstream) -> None:
    _, answer = relayed(
        client,
        upstream,
        answer_lines=(
            b"Connection: keep-alive, x-named",
            b"CONNECTION: X-Named-Too",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authenticate: Basic",
            b"Upgrade: h2c",
            b"X-Named: 1",
            b"X-Named-Too: 2",
            b"X-Stays: 3",
        ),
    )
    assert answer.names == [b"content-length", b"x-stays", b"feedback-id", b"feedback-url"]


def test_what_only_a_sidecar_says_is_said_by_the_nearest_alone(client: Client, upstream: Upstream) -> None:
    _, answer = relayed(
        client,
        upstream,
        answer_lines=(b"Feedback-Id: theirs", b"Feedback-URL: http://theirs", b"FEEDBACK-ERROR: theirs"),
    )
    # That the answer is another sidecar's refusal stays true here.
    assert answer.names == [b"content-length", b"feedback-error", b"feedback-id", b"feedback-url"]
    assert b"theirs" not in (answer.value(b"feedback-id") or b"") + (answer.value(b"feedback-url") or b"")


@pytest.mark.parametrize("named", [b"Host", b"Content-Length", b"close, content-length"])
def test_what_frames_and_routes_a_request_cannot_be_named_away(
    client: Client, upstream: Upstream, named: bytes
) -> None:
    client.send(
        head(b"POST / HTTP/1.1", b"Host: localhost", b"Connection: " + named, b"Content-Length: 2") + b"hi"
    )
    request = upstream.accept().read_request()
    assert request.value(b"host") == upstream.authority
    assert request.body == b"hi"


def test_what_frames_an_answer_cannot_be_named_away(client: Client, upstream: Upstream) -> None:
    _, answer = relayed(client, upstream, answer_lines=(b"Connection: content-length",))
    assert answer.value(b"content-length") == b"2"


@pytest.mark.parametrize("name", [b"Helicone-Auth", b"Helicone-Request-Id", b"Via"])
def test_what_we_add_cannot_be_named_away(
    start_sidecar: StartSidecar, upstream: Upstream, name: bytes
) -> None:
    client = start_sidecar(upstream.url, **{"helicone.api_key": KEY}).connect()
    request, _ = relayed(client, upstream, b"Host: localhost", b"Connection: " + name)
    assert len(request.values(name)) == 1
    assert request.values(b"connection") == []


def test_te_trailers_passes_alone(client: Client, upstream: Upstream) -> None:
    request, _ = relayed(client, upstream, b"Host: localhost", b"TE: gzip;q=0.5, trailers", b"Connection: TE")
    assert request.value(b"te") == b"trailers"
    assert request.value(b"connection") == b"TE"


# -- up


def test_what_only_concerns_a_browser_and_us_stops_on_the_way_up(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    request, _ = relayed(
        client,
        upstream,
        b"Host: " + sidecar.authority,
        b"Cookie: session=of-another-app",
        b"cookie: b=c",
        b"Origin: http://" + sidecar.authority,
        b"Referer: http://" + sidecar.authority + b"/feedback",
        b"Sec-Fetch-Site: same-origin",
        b"Sec-Fetch-Mode: cors",
        b"sec-fetch-DEST: empty",
        b"Sec-Fetch-User: ?1",
        b"Sec-CH-UA: stays",
    )
    assert request.names == [b"host", b"sec-ch-ua", b"helicone-request-id", b"via"]


def test_our_key_is_added_where_the_app_sent_none(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **{"helicone.api_key": KEY}).connect()
    request, _ = relayed(client, upstream, b"Host: localhost", b"Authorization: Bearer sk-openai")
    assert request.values(b"helicone-auth") == [b"Bearer " + KEY.encode()]
    assert request.value(b"authorization") == b"Bearer sk-openai"


def test_without_a_key_no_key_is_added(client: Client, upstream: Upstream) -> None:
    request, _ = relayed(client, upstream)
    assert b"helicone-auth" not in request.names


@pytest.mark.parametrize(
    "own", [b"Helicone-Auth: Bearer sk-helicone-own", b"helicone-AUTH: odd", b"Helicone-Auth:"]
)
def test_the_apps_own_key_is_left_alone(start_sidecar: StartSidecar, upstream: Upstream, own: bytes) -> None:
    client = start_sidecar(upstream.url, **{"helicone.api_key": KEY}).connect()
    request, _ = relayed(client, upstream, b"Host: localhost", own)
    assert request.value(b"helicone-auth") == own.partition(b":")[2].strip()
    assert own.partition(b":")[0] + b":" in request.head


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/audio/speech",
        b"/v1/audio/transcriptions?x",
        b"/v1/files",
        b"/v1/files/file-1/content",
        b"/x/v1/files",
    ],
)
def test_our_key_never_goes_where_it_is_passed_on_raw(
    start_sidecar: StartSidecar, upstream: Upstream, target: bytes
) -> None:
    client = start_sidecar(upstream.url, **{"helicone.api_key": KEY}).connect()
    request, _ = relayed(client, upstream, target=target)
    assert KEY.encode() not in request.head


@pytest.mark.parametrize(("prefix", "target"), [("/audio", b"/x"), ("/v1", b"/files"), ("/v1/files", b"/x")])
def test_our_key_stays_away_also_when_the_route_makes_such_a_path(
    start_sidecar: StartSidecar, upstream: Upstream, prefix: str, target: bytes
) -> None:
    client = start_sidecar(upstream.url + prefix, **{"helicone.api_key": KEY}).connect()
    request, _ = relayed(client, upstream, target=target)
    assert KEY.encode() not in request.head


@pytest.mark.parametrize("marked", [False, True])
def test_our_key_goes_to_another_host_only_when_the_route_says_helicone(
    start_sidecar: StartSidecar, upstream: Upstream, marked: bool
) -> None:
    # The machine's own name leads here, as /etc/hosts says, yet is no name that is trusted by itself.
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = ""
    if not address.startswith("127.") or name == "localhost":
        pytest.skip("this machine's name does not lead to loopback")
    url = upstream.url.replace("127.0.0.1", name)
    settings: dict[str, object] = {"helicone.api_key": KEY}
    if marked:
        settings["routes.default.helicone"] = True
    client = start_sidecar(url, **settings).connect()
    request, _ = relayed(client, upstream)
    assert (KEY.encode() in request.head) is marked


def test_a_fresh_id_is_added_where_the_app_sent_none(client: Client, upstream: Upstream) -> None:
    request, answer = relayed(client, upstream)
    request_id = request.value(b"helicone-request-id")
    assert request_id is not None
    assert re.fullmatch(UUID, request_id)
    assert answer.value(b"feedback-id") == request_id


def test_every_call_gets_an_id_of_its_own(sidecar: RunningSidecar, upstream: Upstream) -> None:
    ids = set()
    for _ in range(300):
        client = sidecar.connect()
        client.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
        call = upstream.accept()
        ids.add(call.read_request().value(b"helicone-request-id"))
        client.close()
        call.close()
    assert len(ids) == 300


@pytest.mark.parametrize("own", [b"F47AC10B-58CC-4372-A567-0E02B2C3D479", b"not-a-uuid", b""])
def test_the_apps_own_id_is_left_alone(client: Client, upstream: Upstream, own: bytes) -> None:
    request, _ = relayed(client, upstream, b"Host: localhost", b"helicone-request-ID: " + own)
    assert request.values(b"Helicone-Request-Id") == [own]
    assert b"helicone-request-ID: " + own in request.head


def test_via_is_added_behind_those_before_us(client: Client, upstream: Upstream) -> None:
    request, _ = relayed(client, upstream, b"Host: localhost", b"Via: 1.1 corporate")
    first, second = request.values(b"via")
    assert first == b"1.1 corporate"
    assert re.fullmatch(rb"1\.1 helicone-proxy-[0-9a-f]{8,}", second)


def test_via_differs_from_one_process_to_the_next(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    names = {relayed(start_sidecar(upstream.url).connect(), upstream)[0].value(b"via") for _ in range(3)}
    assert len(names) == 3


def test_via_says_which_version_the_client_spoke(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.0", b"Host: localhost"))
    request = upstream.accept().read_request()
    assert request.start == b"GET / HTTP/1.1"
    assert (request.value(b"via") or b"").startswith(b"1.0 helicone-proxy-")


def test_via_can_be_turned_off(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    request, _ = relayed(start_sidecar(upstream.url, **{"upstream.via": False}).connect(), upstream)
    assert b"via" not in request.names


def test_no_via_goes_down(client: Client, upstream: Upstream) -> None:
    _, answer = relayed(client, upstream)
    assert answer.names == [b"content-length", b"feedback-id", b"feedback-url"]


# -- down


def test_what_would_act_on_every_app_on_localhost_stops_on_the_way_down(
    client: Client, upstream: Upstream
) -> None:
    _, answer = relayed(
        client,
        upstream,
        answer_lines=(
            b"Set-Cookie: __cf_bm=1; path=/",
            b"set-cookie: second=2",
            b"Access-Control-Allow-Origin: *",
            b"access-control-expose-headers: x",
            b"Access-Control-Anything-Else: x",
            b'Alt-Svc: h3=":443"',
            b'Clear-Site-Data: "*"',
            b"Strict-Transport-Security: max-age=1",
            b"NEL: {}",
            b"Report-To: {}",
            b"Service-Worker-Allowed: /",
            b"Server: cloudflare",
            b"Vary: Origin",
        ),
    )
    assert answer.names == [b"content-length", b"server", b"vary", b"feedback-id", b"feedback-url"]


def test_they_stop_in_interim_answers_too(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 103 Early Hints", b"Set-Cookie: a=b", b"Link: x", b"Alt-Svc: y"))
    assert client.read_answer().lines == [(b"Link", b"x")]


def test_the_answers_own_id_is_the_one_to_rate_by(client: Client, upstream: Upstream) -> None:
    told = b"0F47AC10-58CC-4372-A567-0E02B2C3D479"
    _, answer = relayed(client, upstream, answer_lines=(b"Helicone-Id: " + told,))
    assert answer.value(b"helicone-id") == told
    assert answer.value(b"feedback-id") == told.lower()


@pytest.mark.parametrize("host", [b"localhost:8747", b"127.0.0.1", b"[::1]:99", b"app.localhost:1"])
def test_feedback_url_is_under_the_name_that_the_client_used(
    client: Client, upstream: Upstream, host: bytes
) -> None:
    _, answer = relayed(client, upstream, b"Host: " + host)
    feedback_id = answer.value(b"feedback-id") or b""
    assert answer.value(b"feedback-url") == b"http://%b/feedback/%b" % (host, feedback_id)


def test_feedback_url_is_true(sidecar: RunningSidecar, client: Client, upstream: Upstream) -> None:
    _, answer = relayed(client, upstream, b"Host: " + sidecar.authority)
    url = answer.value(b"feedback-url") or b""
    path = url.removeprefix(b"http://" + sidecar.authority)
    found = sidecar.connect().ask(head(b"GET " + path + b" HTTP/1.1", b"Host: localhost"))
    assert found.status == 200
    assert (answer.value(b"feedback-id") or b"-") in found.body


def test_the_hooks_can_be_turned_off_one_by_one(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    for setting, left in (("hooks.id", b"feedback-url"), ("hooks.url", b"feedback-id")):
        _, answer = relayed(start_sidecar(upstream.url, **{setting: False}).connect(), upstream)
        assert answer.names == [b"content-length", left]


def test_a_foreign_origin_reaches_nobody(client: Client, upstream: Upstream) -> None:
    answer = client.ask(head(b"POST /v1/x HTTP/1.1", b"Host: localhost", b"Origin: http://attacker.test"))
    assert answer.status == 403
    assert answer.value(b"feedback-error") == b"origin_not_allowed"
    assert not upstream.is_called()
