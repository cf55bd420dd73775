"""What a browser gets under /feedback: documents and files. What they do there: tests/browsers/test_page.py."""

import re
from importlib import resources

import pytest

from harness.benches import Bench, StartBench, document, error_of, id_of, request
from harness.wire import Message
from proxy.web.static import prefers_html

TOKEN = "a-token-of-forty-letters-for-this-sidecar"
NAVIGATION = (
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    b"Sec-Fetch-Mode: navigate",
    b"Sec-Fetch-Site: none",
)
FILES = sorted(file.name for file in resources.files("proxy.web").joinpath("static", "page").iterdir())


def value(answer: Message, name: bytes) -> str:
    """A header's value."""
    found = answer.value(name)
    assert found is not None, name
    return found.decode()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("TEXT/HTML", True),
        ("text/html;q=0.5, application/json;q=0.4", True),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=many", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_html_is_for_those_who_name_it_and_want_json_less(accept: str, wanted: bool) -> None:
    assert prefers_html(accept) is wanted


def test_a_browser_gets_the_page_and_everybody_else_json(bench: Bench) -> None:
    page = bench.get("/feedback", *NAVIGATION)
    assert value(page, b"content-type") == "text/html; charset=utf-8"
    assert value(page, b"vary") == "Accept"
    assert page.body.startswith(b"<!doctype html>")
    for lines in ((), (b"Accept: */*",), (b"Accept: application/json", b"Sec-Fetch-Site: same-origin")):
        listed = bench.get("/feedback", *lines)
        assert document(listed)["calls"] == []
        assert value(listed, b"vary") == "Accept"


def test_other_paths_stay_json_in_the_address_bar(bench: Bench) -> None:
    assert document(bench.get("/feedback/health", *NAVIGATION))["status"] == "ok"
    assert error_of(bench.get("/feedback?colour=red", *NAVIGATION))[:2] == (400, "bad_request")
    assert error_of(bench.get("/feedback?rating=up", *NAVIGATION))[:2] == (405, "use_post")


def test_the_page_runs_nothing_but_our_own_files(bench: Bench) -> None:
    page = bench.get("/feedback", *NAVIGATION)
    policy = dict(
        each.strip().partition(" ")[::2] for each in value(page, b"content-security-policy").split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "connect")} == {"'self'"}
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert value(page, b"x-content-type-options") == "nosniff"
    assert value(page, b"referrer-policy") == "no-referrer"
    assert (
        value(page, b"cross-origin-opener-policy")
        == value(page, b"cross-origin-resource-policy")
        == "same-origin"
    )
    assert value(page, b"cache-control") == "no-store"


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".html")])
def test_a_document_has_nothing_inline_and_names_only_files_that_are_there(name: str) -> None:
    text = resources.files("proxy.web").joinpath("static", "page", name).read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    named = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert named
    assert [each for each in named if each.removeprefix("/feedback/page/") not in FILES] == []


def test_the_document_asks_at_once_for_every_module_that_it_needs() -> None:
    folder = resources.files("proxy.web").joinpath("static", "page")
    text = folder.joinpath("page.html").read_text("utf-8")
    modules = {name for name in FILES if name.endswith(".js")} - {"sign_in.js"}
    assert set(re.findall(r'(?:modulepreload" href|module" src)="/feedback/page/([^"]+)"', text)) == modules
    imported = {
        each
        for name in modules
        for each in re.findall(r'from "\./([^"]+)"', folder.joinpath(name).read_text("utf-8"))
    }
    assert imported | {"main.js"} == modules


def test_a_file_is_served_with_its_type_and_asked_for_again_each_time(bench: Bench) -> None:
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for name in FILES:
        kind = kinds.get(name.rpartition(".")[2])
        answer = bench.get(f"/feedback/page/{name}")
        assert answer.status == (404 if kind is None else 200), name
        if kind is None:
            continue
        assert value(answer, b"content-type") == f"{kind}; charset=utf-8"
        assert value(answer, b"cache-control") == "no-cache"
        assert value(answer, b"x-content-type-options") == "nosniff"
        again = bench.get(f"/feedback/page/{name}", b"If-None-Match: " + value(answer, b"etag").encode())
        assert (again.status, again.body) == (304, b"")
        assert bench.get(f"/feedback/page/{name}", b'If-None-Match: "other"').status == 200


def test_nothing_else_is_served_as_a_file(bench: Bench) -> None:
    for name in ("none.js", "..%2fopenapi.json", "..", "main.js/x", ""):
        assert bench.get(f"/feedback/page/{name}").status in (400, 404), name


def test_a_page_of_another_origin_gets_no_file(bench: Bench) -> None:
    answer = bench.get("/feedback/page/main.js", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Dest: script")
    assert error_of(answer)[:2] == (403, "cross_site")


# -- with a token


def test_without_a_session_a_browser_gets_the_page_to_sign_in(start_bench: StartBench) -> None:
    bench = start_bench(**{"guard.token": TOKEN})
    client = bench.sidecar.connect()
    answer = client.ask(request("GET", "/feedback", b"", *NAVIGATION))
    assert answer.status == 401
    assert value(answer, b"feedback-error") == "token_missing"
    assert b"sign_in.js" in answer.body
    assert error_of(bench.get("/feedback"))[:2] == (401, "token_missing")
    # What that page is made of is no secret; everything else stays one.
    assert bench.get("/feedback/page/sign_in.js").status == 200
    assert bench.get("/feedback/page/none.js").status == 404
    assert error_of(bench.get("/feedback/health", *NAVIGATION))[:2] == (401, "token_missing")
    assert error_of(bench.rate("/feedback/page/main.js"))[:2] == (401, "token_missing")


def test_no_other_path_is_taken_for_a_file_of_the_page(start_bench: StartBench) -> None:
    bench = start_bench(**{"guard.token": TOKEN})
    bench.chat(f"Feedback-Proxy-Token: {TOKEN}".encode(), b"X-Client-Request-Id: page/job")
    for target in (
        "/feedback/page%2Fjob",
        "/feedback/page%2fjob/session",
        "http://localhost/feedback/page%2Fjob",
        "/feedback/page/job/session",
    ):
        assert error_of(bench.get(target))[:2] == (401, "token_missing"), target


# -- paging


def test_the_list_goes_on_from_any_call(bench: Bench) -> None:
    ids = [
        id_of(bench.chat(b"Helicone-User-Id: %s" % (b"ann" if number % 2 else b"bob"))) for number in range(5)
    ]
    newest = ids[::-1]

    def listed(query: str) -> list[str]:
        return [call["id"] for call in document(bench.get(f"/feedback{query}"))["calls"]]

    assert listed("?limit=2") == newest[:2]
    assert listed(f"?limit=2&before={newest[1]}") == newest[2:4]
    assert listed(f"?limit=2&before={newest[3]}") == newest[4:]
    assert listed(f"?before={newest[4]}") == []
    assert listed(f"?user=ann&before={newest[1]}") == [newest[3]]
    assert error_of(bench.get("/feedback?before=nobody"))[:2] == (404, "unknown_call")
