"""GET /feedback/widget.js: how the script is served. What it does is in browsers/test_widget.py."""

import gzip
from importlib import resources

import pytest

from harness.benches import Bench, StartBench, error_of

PATH = "/feedback/widget.js"
SCRIPT = resources.files("proxy.web").joinpath("static", "widget.js").read_bytes()
ABOUT_BYTES = 5_500
"""As it goes over the wire, where gzip is accepted: "about 5 kB" has to stay true."""


def test_it_is_served_as_it_lies_there(bench: Bench) -> None:
    answer = bench.get(PATH)
    assert (answer.status, answer.body) == (200, SCRIPT)
    assert answer.value(b"content-type") == b"text/javascript; charset=utf-8"
    assert answer.value(b"content-encoding") is None
    assert answer.value(b"access-control-allow-origin") is None
    assert answer.value(b"set-cookie") is None


def test_it_takes_about_five_kilobytes(bench: Bench) -> None:
    answer = bench.get(PATH, b"Accept-Encoding: gzip, deflate, br, zstd")
    assert answer.value(b"content-encoding") == b"gzip"
    assert gzip.decompress(answer.body) == SCRIPT
    assert len(answer.body) < ABOUT_BYTES


@pytest.mark.parametrize("said", [b"identity", b"br", b"gzip;q=0", b"deflate, gzip; q=0.0, br", b"x-gzipped"])
def test_it_is_not_compressed_for_who_does_not_say_so(bench: Bench, said: bytes) -> None:
    assert bench.get(PATH, b"Accept-Encoding: " + said).body == SCRIPT


def test_who_has_it_is_told_so(bench: Bench) -> None:
    digest = bench.get(PATH).value(b"etag")
    assert digest is not None
    for said in (digest, b'"other", ' + digest, b"*", digest.removeprefix(b"W/")):
        answer = bench.get(PATH, b"If-None-Match: " + said, b"Accept-Encoding: gzip")
        assert (answer.status, answer.body, answer.value(b"etag")) == (304, b"", digest)
    assert bench.get(PATH, b'If-None-Match: "other"').status == 200


def test_the_script_alone_is_for_other_origins(bench: Bench) -> None:
    assert bench.get(PATH).value(b"cross-origin-resource-policy") == b"cross-origin"
    for target in ("/feedback", "/feedback/health", "/feedback/openapi.json", "/feedback/last"):
        assert bench.get(target).value(b"cross-origin-resource-policy") is None


def test_a_query_is_refused(bench: Bench) -> None:
    assert error_of(bench.get(f"{PATH}?v=1"))[:2] == (400, "bad_request")
    assert error_of(bench.rate(PATH))[:2] == (405, "method_not_allowed")


def test_pages_of_a_listed_origin_may_load_it_as_a_module(start_bench: StartBench) -> None:
    bench = start_bench(
        **{"guard.allowed_origins": ["http://localhost:3000"], "guard.token": "0123456789abcdef"}
    )
    answer = bench.get(
        PATH, b"Origin: http://localhost:3000", b"Sec-Fetch-Site: same-site", b"Sec-Fetch-Mode: cors"
    )
    assert answer.status == 200
    assert answer.value(b"access-control-allow-origin") == b"http://localhost:3000"
