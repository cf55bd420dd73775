"""A Content-Security-Policy of the app's allows the script, and nothing else."""

import re

import pytest

from harness.apps import HTML, OPENS, TAG, StartApp, answer, ask


def policy_and_tag(
    start_app: StartApp, policy: bytes, host: bytes = b"localhost:8748"
) -> tuple[bytes, bytes]:
    """What becomes of a policy, and the tag that the page gets."""
    sidecar, _ = start_app(answer(HTML, b"Content-Security-Policy: " + policy, b'ETag: "v1"'))
    page = ask(sidecar, OPENS, b"Host: " + host)
    tags = re.findall(rb"<script[^>]*></script>", page.body)
    assert len(tags) == 1
    assert (b"nonce=" in tags[0]) is (page.value(b"etag") is None), "a nonce is good for one answer"
    return page.value(b"content-security-policy") or b"", tags[0]


SCRIPT_AT = b"localhost:8748/_helicone-feedback/widget.js"
CALLS_AT = b"localhost:8748/_helicone-feedback/"


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (b"img-src x", b"img-src x"),
        (b"default-src 'self'", b"default-src 'self'"),
        (b"script-src *; connect-src 'SELF'", b"script-src *; connect-src 'SELF'"),
        (b"script-src 'none'", b"script-src " + SCRIPT_AT),
        (b"script-src cdn.example 'unsafe-inline'", b"script-src cdn.example 'unsafe-inline' " + SCRIPT_AT),
        (
            b"default-src 'none'; img-src x",
            b"default-src 'none'; img-src x; script-src " + SCRIPT_AT + b"; connect-src " + CALLS_AT,
        ),
        (
            b"script-src 'self'; script-src-elem a.example",
            b"script-src 'self'; script-src-elem a.example " + SCRIPT_AT,
        ),
        (b"script-src 'self', script-src b.example", b"script-src 'self', script-src b.example " + SCRIPT_AT),
        (b"connect-src api.example", b"connect-src api.example " + CALLS_AT),
        (b"script-src a.example; script-src 'none'", b"script-src a.example " + SCRIPT_AT),
    ],
)
def test_a_policy_of_the_apps_allows_the_script_and_nothing_else(
    start_app: StartApp, policy: bytes, wanted: bytes
) -> None:
    assert policy_and_tag(start_app, policy) == (wanted, TAG)


@pytest.mark.parametrize(
    "policy",
    [
        b"script-src 'nonce-abc' 'strict-dynamic'",
        b"script-src 'sha256-abc=' 'self'",
        b"default-src 'strict-dynamic'",
    ],
)
def test_a_policy_that_lives_by_nonces_gets_one_more(start_app: StartApp, policy: bytes) -> None:
    changed, tag = policy_and_tag(start_app, policy)
    [nonce] = re.findall(rb'nonce="([A-Za-z0-9_-]{24})"', tag)
    [scripts] = [each for each in changed.split(b"; ") if each.startswith(b"script-src")]
    assert scripts.endswith(b" 'nonce-" + nonce + b"'")
    assert policy_and_tag(start_app, policy)[1] != tag


def test_csp_has_no_way_to_write_an_ipv6_address(start_app: StartApp) -> None:
    assert (
        policy_and_tag(start_app, b"script-src a.example", b"[::1]:8748")[0] == b"script-src a.example 'self'"
    )
