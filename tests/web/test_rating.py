"""POST /feedback/...: a rating, from curl to the stand-in's ledger."""

import json
import re

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, document, error_of, id_of
from harness.fast_time import FastTime
from harness.wire import Message, head
from proxy.demo import DEMO_KEY, ApiFault, GatewayFault

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
FORM = b"Content-Type: application/x-www-form-urlencoded"
SPEED = 20.0
"""Two posts of one call's ratings are two seconds apart."""
BROWSER = (b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Mode: cors")


def ratings(bench: Bench) -> list[tuple[str, bool | None]]:
    """What the stand-in stored, in order."""
    return [(event.request_id, event.rating) for event in bench.events if event.stored]


# -- the last answer


def test_the_last_answer_is_rated_and_the_one_who_rates_is_told_which_it_was(bench: Bench) -> None:
    request_id = id_of(bench.chat(model="gpt-4o"))
    answer = bench.rate()
    assert answer.status == 200
    said = document(answer)
    assert said["rated"] == {
        "id": request_id,
        "known": True,
        "aliases": said["rated"]["aliases"],
        "model": "gpt-4o",
        "path": "/v1/chat/completions",
        "user": None,
        "session": None,
        "client": "127.0.0.1",
        "status": 200,
        "age_seconds": said["rated"]["age_seconds"],
    }
    assert 0 <= said["rated"]["age_seconds"] < 30
    assert (said["rating"], said["thumb"], said["state"]) == (True, "👍", "accepted")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", said["rated_at"])
    assert re.fullmatch(
        "👍 for the answer of gpt-4o, just now. Helicone accepted it. Whether it is stored is looked at in "
        "(19|20) s; if it is not, it is sent again.",
        said["message"],
    )
    assert ratings(bench) == [(request_id, True)]
    assert bench.standin.ledger.rating_of(request_id) is True


def test_who_rates_the_answer_of_somebody_with_another_token_is_told_whose_it_was(
    start_bench: StartBench,
) -> None:
    tokens = {name: f"the-token-of-{name}-0123456789" for name in ("ann", "bob")}
    ann, bob = (b"Feedback-Proxy-Token: " + token.encode() for token in tokens.values())
    bench = start_bench(**{"guard.tokens": tokens})

    def told(answer: Message) -> tuple[str, str]:
        said = document(answer)
        return said["message"].partition(",")[0], said["rated"]["client"]

    bench.chat(bob)
    assert told(bench.rate("/feedback/last?hold=1h", b"rating=up", ann)) == (
        "👍 for bob's answer of gpt-4o-mini",
        "bob",
    )
    assert told(bench.rate("/feedback/last?hold=1h", b"rating=up", bob)) == (
        "👍 for the answer of gpt-4o-mini",
        "bob",
    )
    withdrawn = told(bench.ask("DELETE", "/feedback/last", b"", ann))
    assert withdrawn == ("Taken back: 👍 for bob's answer of gpt-4o-mini", "bob")

    bench.chat(bob)
    bench.chat(ann)
    refused = bench.rate("/feedback/last?strict=1", b"rating=up", ann)
    assert refused.status == 409
    said = json.loads(refused.body)
    assert [each["client"] for each in said["candidates"]] == ["ann", "bob"]
    assert "as in ?client=, ?session= or ?user=" in said["error"]["message"]
    assert told(bench.rate("/feedback/last?strict=1&client=bob", b"rating=up", bob))[1] == "bob"


def test_an_example_is_for_the_sidecar_that_was_asked(bench: Bench) -> None:
    for host in (b"localhost:9123", b"127.0.0.1", b"[::1]:9123"):
        status, _, sentence = error_of(bench.rate("/feedback/last", b"rating=x", b"Host: " + host))
        assert status == 422
        assert re.search(rf"curl -d \S+ \S+ '?{re.escape(host.decode())}/feedback/last'? \(or", sentence)


def test_an_earlier_comment_is_said_to_stand(bench: Bench) -> None:
    bench.chat()
    bench.rate("/feedback/last?hold=30", b'{"rating": false, "comment": "too\\nlong"}')
    said = document(bench.rate("/feedback/last?hold=30", b"rating=up"))
    assert said["message"].endswith(' Its comment "too long" stands; say another one to replace it.')
    assert said["comment"] == "too\nlong"
    again = document(bench.rate("/feedback/last?hold=30", b"comment=just right"))
    assert "stands" not in again["message"]
    status, _, sentence = error_of(bench.rate("/feedback/last", b'{"comment": null}'))
    assert (status, "can only be replaced" in sentence) == (422, True)


def test_who_rates_an_id_that_was_not_seen_here_is_told_to_check_it(bench: Bench) -> None:
    assert "not remembered here: check the id." in document(bench.rate(f"/feedback/{UNKNOWN}"))["message"]


def test_a_call_without_a_model_is_named_by_its_path(bench: Bench) -> None:
    bench.ask("POST", "/v1/images/generations", b'{"prompt": "A cat"}', b"Content-Type: text/plain")
    assert "the answer of /v1/images/generations" in document(bench.rate())["message"]


def test_what_reaches_helicones_api_is_exactly_that(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    bench.rate(
        "/feedback/last?back=0",
        b'{"rating":"down"}',
        b"Cookie: session=canary",
        b"Referer: http://localhost/canary",
        b"Helicone-User-Id: canary",
        b"Helicone-Property-X: canary",
        b"Authorization: Bearer sk-canary",
        b"X-Custom: canary",
        b"User-Agent: canary",
        b"Accept-Language: canary",
    )
    (received,) = bench.posted
    assert (received.method, received.target) == ("POST", f"/v1/request/{request_id}/feedback")
    assert json.loads(received.body) == {"rating": False}
    names = sorted(name.decode().lower() for name, _ in received.headers)
    assert names == [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ]
    assert received.header("authorization") == f"Bearer {DEMO_KEY}"
    assert received.header("content-type") == "application/json"
    assert received.header("host") == bench.standin.api_url.removeprefix("http://")
    assert (received.header("user-agent") or "").startswith("helicone-feedback-proxy/")
    assert b"canary" not in received.body


def test_a_browsers_origin_does_not_travel_on(bench: Bench) -> None:
    bench.chat()
    answer = bench.ask("POST", "/feedback/last", b'{"rating": true}', JSON, *BROWSER, b"Cookie: a=b")
    assert answer.status == 200
    (received,) = bench.posted
    for name in ("origin", "cookie", "sec-fetch-site", "sec-fetch-mode", "referer"):
        assert received.values(name) == []


def test_no_cookie_of_helicones_comes_back_with_the_next_rating(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    bench.chat()
    bench.standin.faults.api.next(
        ApiFault(status=201, body="{}", headers=(("Set-Cookie", "__cf_bm=x; path=/"),))
    )
    assert bench.rate().value(b"set-cookie") is None
    bench.rate("/feedback/last?timeout=30")
    assert [received.values("cookie") for received in bench.posted] == [[], []]


@pytest.mark.parametrize(
    ("target", "body", "lines", "up"),
    [
        ("/feedback/last", b'{"rating": true}', (FORM,), True),
        ("/feedback/last", b'{"rating": false}', (FORM,), False),
        ("/feedback/last", b"rating=up", (FORM,), True),
        ("/feedback/last", "rating=👎".encode(), (FORM,), False),
        ("/feedback/last", b"rating=+1", (FORM,), True),
        ("/feedback/last?rating=down", b"", (), False),
        ("/feedback/last?rating=+1", b"", (), True),
        ("/feedback/last?rating=%2B1", b"", (), True),
        ("/feedback/last?rating=-1", b"", (), False),
        ("/feedback/last?rating=%F0%9F%91%8D", b"", (), True),
        ("/feedback/last?rating=%F0%9F%91%8D%F0%9F%8F%BD", b"", (), True),
        ("/feedback/last?rating=THUMBS%5FDOWN", b"", (), False),
        ("/feedback/last", b'{"rating": "down"}', (JSON, b"Accept: application/json"), False),
        ("/feedback/last", b'{"rating": "up"}', (), True),
        ("/feedback/last?back=0&rating=up", b'{"rating": true}', (JSON,), True),
    ],
)
def test_everything_that_a_person_with_curl_would_type_rates(
    bench: Bench, target: str, body: bytes, lines: tuple[bytes, ...], up: bool
) -> None:
    request_id = id_of(bench.chat())
    answer = bench.ask("POST", target, body, *lines)
    assert answer.status == 200, answer.body
    assert ratings(bench) == [(request_id, up)]
    assert bench.posted[0].body == (b'{"rating": true}' if up else b'{"rating": false}')


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/feedback/last", b""),
        ("/feedback/last", b"{}"),
        ("/feedback/last", b'{"rating": null}'),
        ("/feedback/last", b'{"rating": 1}'),
        ("/feedback/last", b'{"rating": true, "commment": "x"}'),
        ("/feedback/last", b'{"comment": ""}'),
        ("/feedback/last", b'{"scores": {"tone": 4.5}}'),
        ("/feedback/last", b'{"rater": "ada"}'),
        ("/feedback/last?comment=a", b"rating=up&comment=b"),
        ("/feedback/last", b'{"rating": tru'),
        ("/feedback/last", b"\xff"),
        ("/feedback/last?rating=1", b""),
        ("/feedback/last?rating=", b""),
        ("/feedback/last?rating=down", b'{"rating": true}'),
        (f"/feedback/{UNKNOWN}", b'{"rating": null}'),
    ],
)
def test_what_is_no_rating_is_422_with_what_helps_and_never_reaches_helicone(
    bench: Bench, target: str, body: bytes
) -> None:
    bench.chat()
    status, code, sentence = error_of(bench.rate(target, body))
    assert (status, code) == (422, "invalid_rating")
    # An example of a thumb is no help to somebody whose comment or score is wrong.
    is_of_another_field = any(word in body for word in (b"comment=", b'"comment"', b"scores"))
    assert ("""curl -d '{"rating": true}'""" in sentence) is not is_of_another_field
    assert bench.posted == []
    assert document(bench.get("/feedback/last"))["rating"] is None


def test_a_rating_in_chunks_rates(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    client = bench.sidecar.connect()
    client.send(head(b"POST /feedback/last HTTP/1.1", b"Host: localhost", b"Transfer-Encoding: chunked"))
    client.send(b'6\r\n{"rati\r\n')
    client.send(b'a\r\nng": true}\r\n0\r\n\r\n')
    assert client.read_answer().status == 200
    assert ratings(bench) == [(request_id, True)]


def test_a_rating_that_comes_byte_by_byte_rates(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    client = bench.sidecar.connect()
    client.send_bytewise(
        head(b"POST /feedback/last HTTP/1.1", b"Host: localhost", b"Content-Length: 9") + b"rating=up"
    )
    assert client.read_answer().status == 200
    assert ratings(bench) == [(request_id, True)]


def test_curls_expect_header_is_honoured(bench: Bench) -> None:
    bench.chat()
    client = bench.sidecar.connect()
    expect = b"Expect: 100-continue"
    client.send(head(b"POST /feedback/last HTTP/1.1", b"Host: localhost", expect, b"Content-Length: 9"))
    assert client.read_answer().status == 100
    client.send(b"rating=up")
    assert client.read_answer().status == 200


def test_the_second_rating_replaces_the_first(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    request_id = id_of(bench.chat())
    bench.rate()
    assert document(bench.rate("/feedback/last?timeout=10", b"rating=down"))["state"] == "accepted"
    assert bench.standin.ledger.rating_of(request_id) is False
    rating = document(bench.get("/feedback/last"))["rating"]
    assert (rating["rating"], rating["thumb"]) == (False, "👎")


def test_back_rates_the_one_before(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    bench.ask("GET", "/v1/models")
    assert document(bench.rate("/feedback/last?back=1"))["rated"]["id"] == ids[1]
    assert document(bench.rate("/feedback/last?back=2&rating=down", b""))["rated"]["id"] == ids[0]
    assert ratings(bench) == [(ids[1], True), (ids[0], False)]
    status, code, sentence = error_of(bench.rate("/feedback/last?back=3"))
    assert (status, code) == (404, "unknown_call")
    assert "3" in sentence


@pytest.mark.parametrize("back", ["-1", "x", "", "1.5", "9" * 5000, "%D9%A3", "+1"])
def test_a_back_that_is_no_number_is_said_to_be_none(bench: Bench, back: str) -> None:
    bench.chat()
    assert error_of(bench.rate(f"/feedback/last?back={back}"))[:2] == (400, "bad_request")
    assert bench.posted == []


def test_with_no_answer_yet_it_says_how_to_get_one(bench: Bench) -> None:
    status, code, sentence = error_of(
        bench.rate("/feedback/last", b'{"rating": true}', b"Host: localhost:1234")
    )
    assert (status, code) == (404, "unknown_call")
    assert "curl http://localhost:1234/v1/chat/completions" in sentence
    assert bench.posted == []


def test_calls_that_do_not_count_leave_the_last_answer_alone(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    bench.ask("GET", "/v1/models")
    bench.ask("POST", "/v1/embeddings", b'{"model": "m", "input": "x"}', JSON)
    bench.standin.faults.gateway.next(GatewayFault(status=500))
    bench.chat()
    bench.ask("OPTIONS", "/v1/chat/completions")
    assert document(bench.rate())["rated"]["id"] == request_id


# -- more than a thumb


def test_what_is_said_is_answered_and_shown_as_it_was_said(bench: Bench) -> None:
    bench.chat()
    said = {
        "rating": False,
        "comment": "too long\n👎",
        "scores": {"tone": 4, "helpful": True},
        "rater": "ada",
        "source": "end_user",
        "tags": ["tone", "length"],
    }
    answered = document(bench.rate(body=json.dumps(said).encode()))
    shown = document(bench.get("/feedback/last"))["rating"]
    for each in (answered, shown):
        assert {name: each[name] for name in said} == said
        assert each["thumb"] == "👎"
    assert isinstance(answered["scores"]["helpful"], bool)
    (received,) = bench.posted
    assert received.target.endswith("/score")


def test_a_comment_in_a_query_is_decoded_once(bench: Bench) -> None:
    bench.chat()
    said = document(bench.rate("/feedback/last?rating=up&comment=100%2525+of+%2541%26b", b""))
    assert said["comment"] == "100%25 of %41&b"


def test_a_form_and_a_query_hold_more_than_a_thumb(bench: Bench) -> None:
    bench.chat()
    said = document(bench.rate("/feedback/last?tags=a,b&source=developer", b"rating=up&comment=so+so"))
    assert (said["rating"], said["comment"], said["tags"]) == (True, "so so", ["a", "b"])
    assert said["source"] == "developer"


def test_a_later_rating_keeps_what_only_the_earlier_one_said(bench: Bench) -> None:
    bench.chat()
    bench.rate(body=b"rating=up&comment=first&rater=ada")
    said = document(bench.rate("/feedback/last?wait=queued", b"comment=second"))
    assert (said["rating"], said["comment"], said["rater"]) == (True, "second", "ada")


def test_a_comment_alone_has_no_thumb(bench: Bench) -> None:
    bench.chat()
    said = document(bench.rate("/feedback/last?wait=queued", b"comment=so+so"))
    assert (said["rating"], said["thumb"], said["comment"]) == (None, "✏️", "so so")


# -- one call by its id


def test_a_call_is_rated_by_its_id(bench: Bench) -> None:
    first = id_of(bench.chat(model="gpt-4o"))
    bench.chat()
    said = document(bench.rate(f"/feedback/{first}", b"rating=down"))
    assert (said["rated"]["id"], said["rated"]["known"], said["rated"]["model"]) == (first, True, "gpt-4o")
    assert ratings(bench) == [(first, False)]
    shown = document(bench.get(f"/feedback/{first}"))["rating"]
    assert (shown["rating"], shown["state"]) == (False, "accepted")


def test_an_upper_case_id_names_the_same_call(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    said = document(bench.rate(f"/feedback/{request_id.upper()}"))
    assert (said["rated"]["id"], said["rated"]["known"]) == (request_id, True)
    assert ratings(bench) == [(request_id, True)]


def test_an_error_can_be_rated_by_its_id_too(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(status=500))
    request_id = id_of(bench.chat())
    assert document(bench.rate(f"/feedback/{request_id}"))["rated"]["status"] == 500
    assert ratings(bench) == [(request_id, True)]


def test_an_id_that_is_not_remembered_is_rated_all_the_same(bench: Bench) -> None:
    said = document(bench.rate(f"/feedback/{UNKNOWN.upper()}"))
    assert said["rated"] == {"id": UNKNOWN, "known": False}
    assert said["state"] == "accepted"
    assert said["message"].startswith(
        f"👍 for {UNKNOWN}, which is not remembered here: check the id. Helicone accepted it."
    )
    (received,) = bench.posted
    assert received.target == f"/v1/request/{UNKNOWN}/feedback"
    assert received.header("authorization") == f"Bearer {DEMO_KEY}"


def test_a_call_that_made_room_is_rated_as_not_remembered(start_bench: StartBench) -> None:
    bench = start_bench(**{"calls.capacity": 1})
    first = id_of(bench.chat())
    bench.chat()
    assert document(bench.rate(f"/feedback/{first}"))["rated"] == {"id": first, "known": False}
    assert ratings(bench) == [(first, True)]


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "LAST",
        "latest",
        "happenings",
        "chatcmpl-123",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "00000000-0000-0000-0000-000000000000",
        f"{UNKNOWN}0",
        f"{UNKNOWN}%20",
        f"{UNKNOWN}%0A",
        f"..%2F..%2F{UNKNOWN}",
        "%00",
        "%FF",
        "x" * 3000,
    ],
)
def test_what_can_be_no_id_is_404_and_never_reaches_helicone(bench: Bench, name: str) -> None:
    bench.chat()
    status, code, sentence = error_of(bench.rate(f"/feedback/{name}"))
    if status == 400:  # The relay's own rule on dot segments comes first.
        assert "%2F" in name
        return
    assert (status, code) == (404, "unknown_call")
    assert "UUID" in sentence
    assert "/feedback" in sentence
    assert bench.posted == []


# -- the hooks of an answer


def test_the_headers_of_an_answer_can_be_used_as_they_are(bench: Bench) -> None:
    port = bench.sidecar.sidecar.port
    answer = bench.chat(b"Host: localhost:%d" % port)
    url = answer.value(b"feedback-url")
    assert url == b"http://localhost:%d/feedback/%b" % (port, id_of(answer).encode())
    path = url.decode().removeprefix(f"http://localhost:{port}")
    rated = document(bench.rate(path))["rated"]
    assert (rated["id"], rated["known"]) == (id_of(answer), True)


# -- without a key


def test_without_any_key_calls_pass_and_a_rating_names_the_variable(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"helicone.api_key": None})
    answer = bench.chat()
    assert answer.status == 200
    assert bench.standin.gateway.last.values("Helicone-Auth") == []
    for target, error in (
        ("/feedback/last", (409, "not_ratable")),
        (f"/feedback/{id_of(answer)}", (409, "not_ratable")),
        (f"/feedback/{UNKNOWN}", (503, "helicone_key_missing")),
    ):
        status, code, sentence = error_of(bench.rate(target))
        assert (status, code) == error
        assert "HELICONE_API_KEY" in sentence
    assert bench.posted == []
    assert document(bench.get("/feedback/last"))["rating"] is None


def test_ratings_of_several_calls_at_once_do_not_mix(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(6)]
    clients = [bench.sidecar.connect() for _ in ids]
    with bench.standin.faults.api.during(ApiFault(latency_seconds=0.1)):
        for number, (client, request_id) in enumerate(zip(clients, ids, strict=True)):
            word = b"rating=up--" if number % 2 else b"rating=down"
            body = word.rstrip(b"-")
            client.send(
                head(
                    b"POST /feedback/%b HTTP/1.1" % request_id.encode(),
                    b"Host: localhost",
                    b"Content-Length: %d" % len(body),
                )
                + body
            )
        answers = [document(client.read_answer()) for client in clients]
    assert [said["rated"]["id"] for said in answers] == ids
    assert [bench.standin.ledger.rating_of(each) for each in ids] == [False, True] * 3


def test_one_who_hangs_up_while_helicone_is_slow_does_no_harm(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    bench.chat()
    bench.standin.faults.api.next(ApiFault(latency_seconds=0.2))
    client = bench.sidecar.connect()
    client.send(head(b"POST /feedback/last?rating=up HTTP/1.1", b"Host: localhost", b"Content-Length: 0"))
    bench.standin.api.wait_for()
    client.close()
    assert bench.rate("/feedback/last?timeout=10", b"rating=down").status == 200
    assert [value for _, value in ratings(bench)] == [True, False]
    assert bench.chat().status == 200


def test_a_call_that_never_reached_helicone_cannot_be_rated(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"routes.default.url": "http://127.0.0.1:9"})
    assert bench.chat().status == 502
    request_id = document(bench.get("/feedback"))["calls"][0]["id"]
    status, code, sentence = error_of(bench.rate(f"/feedback/{request_id}"))
    assert (status, code) == (409, "not_ratable")
    assert "never reached" in sentence
