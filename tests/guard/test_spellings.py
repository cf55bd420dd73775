"""No input is let in that names another host for anybody who reads it, and none makes the guard stumble."""

import pytest

from fuzz.guard import kinds, try_out
from fuzz.readings import Place, readings

EXAMPLES = 3000
SEED = 1
"""The same values in every run: `make fuzz-guard` draws others."""


@pytest.mark.parametrize("number", range(5), ids=[kind.name for kind in kinds()])
def test_nothing_that_names_another_host_slips_through(number: int) -> None:
    kind = kinds()[number]
    try_out(kind, EXAMPLES, SEED)
    assert kind.tried >= EXAMPLES


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (b"http://localhost@attacker.test/", "attacker.test"),
        (b"http://localhost\\@attacker.test/", "attacker.test"),
        (b"http://attacker.test\\.localhost/", "attacker.test"),
        (b"http://attacker.test#.localhost/", "attacker.test"),
        (b"http://attacker.test%2f.localhost/", "attacker.test%2f.localhost"),
        (b"http://0xa.1/", "10.0.0.1"),
        (b"http://167772161/", "10.0.0.1"),
        (b"http://localhost, attacker.test/", "attacker.test"),
        ("http://attacker\N{FULLWIDTH FULL STOP}test/".encode(), "attacker.test"),
    ],
)
def test_the_readers_see_through_what_is_tried(url: bytes, host: str) -> None:
    """Without that, finding nothing would say nothing."""
    assert host in {read.host for read in readings(url).values()}


def test_a_guard_that_is_wrong_is_found_out() -> None:
    """The search, held against parsers as others write them."""
    for careless in (
        lambda value: value.split(b":")[0].endswith(b"localhost"),
        lambda value: value.startswith((b"localhost", b"127.")),
        lambda value: b"attacker" not in value,
    ):
        kind = kinds()[0]
        wrong = careless
        kind.judge = lambda value, wrong=wrong: b"http://" + value if wrong(value) else None  # type: ignore[misc]
        with pytest.raises(AssertionError, match=r"leads elsewhere|nobody can read"):
            try_out(kind, EXAMPLES, SEED)


def test_places_are_told_apart() -> None:
    assert readings(b"https://a.test:443/x") == dict.fromkeys(
        readings(b"https://a.test/"), Place("https", "a.test", 443)
    )
