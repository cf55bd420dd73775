"""Who says a token, and where; sessions of browsers."""

import pytest

from proxy.guard.tokens import TOKEN_HEADER, Tokens
from proxy.relay.headers import PROVIDER_KEY_NAMES

ANNS = "anns-token-0123456789"
BOBS = "bobs/token+with=all~._-"
SECRET = b"s" * 32
PLACES = (TOKEN_HEADER, *PROVIDER_KEY_NAMES)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens({"": "nobodys-token-012345", "ann": ANNS, "bob": BOBS}, SECRET)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("before", [b"", b"Bearer ", b"bearer ", b"BEARER  ", b"bEaReR \t"])
def test_a_token_may_stand_in_any_of_the_places(tokens: Tokens, place: bytes, before: bytes) -> None:
    found = tokens.find({b"host": b"localhost", place: before + BOBS.encode()})
    assert found is not None
    assert (found.name, found.places) == ("bob", (place,))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        ANNS[:-1].encode(),
        ANNS.encode() + b"0",
        b" " + ANNS.encode(),
        ANNS.upper().encode(),
        b"x" + ANNS.encode(),
        b"Basic " + ANNS.encode(),
        b"Token " + ANNS.encode(),
        b"BearerX " + ANNS.encode(),
        b"Bearer" + ANNS.encode(),
        b"Bearer Bearer " + ANNS.encode(),
        # Repeated lines, as they are joined.
        ANNS.encode() + b", " + ANNS.encode(),
        b"Bearer " + ANNS.encode() + b", Bearer " + ANNS.encode(),
        ANNS.encode() + b"\xff",
        b"\xff\xfe\x00",
        ANNS.encode("utf-16"),
        b"ann",
        b"\x80" * 60_000,
    ],
)
def test_what_is_not_quite_one_is_none(tokens: Tokens, place: bytes, value: bytes) -> None:
    assert tokens.find({place: value}) is None


@pytest.mark.parametrize("name", [b"x-token", b"cookie", b"proxy-authorization", b"helicone-auth", b"host"])
def test_no_other_header_counts(tokens: Tokens, name: bytes) -> None:
    assert tokens.find({name: ANNS.encode()}) is None


def test_every_place_where_one_stands_is_told_and_the_first_says_who_it_is(tokens: Tokens) -> None:
    found = tokens.find(
        {
            b"authorization": b"Bearer " + BOBS.encode(),
            b"x-api-key": b"sk-proj-own",
            b"api-key": BOBS.encode(),
            TOKEN_HEADER: ANNS.encode(),
        }
    )
    assert found is not None
    assert found.name == "ann"
    assert found.places == (TOKEN_HEADER, b"authorization", b"api-key")


def test_a_wrong_one_in_one_place_does_not_spoil_a_right_one_in_another(tokens: Tokens) -> None:
    found = tokens.find({TOKEN_HEADER: b"old", b"authorization": b"Bearer " + ANNS.encode()})
    assert found is not None
    assert (found.name, found.places) == ("ann", (b"authorization",))


def test_the_token_without_a_name_is_nobodys(tokens: Tokens) -> None:
    found = tokens.find({b"x-api-key": b"nobodys-token-012345"})
    assert found is not None
    assert found.name == ""
    assert tokens.names == {"ann", "bob"}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (b"", False),
        (b"/v1/models?key=" + ANNS[:-1].encode(), False),
        (b"/v1/models?key=" + ANNS.encode() + b"&x", True),
        (b"/" + ANNS.encode() + b"/v1", True),
        (BOBS.encode(), True),
        (b"?key=bobs%2Ftoken%2bwith%3Dall~._-", True),
        (b"?key=%61nns-token-0123456789", True),
        (b"100%", False),
    ],
)
def test_a_token_is_seen_anywhere_percent_encoded_too(tokens: Tokens, text: bytes, *, held: bool) -> None:
    assert tokens.are_in(text) is held


def test_a_session_is_its_owners_in_this_process_alone(tokens: Tokens) -> None:
    session = tokens.session_of(ANNS.encode())
    assert session is not None
    assert tokens.name_of_session(session) == "ann"
    assert tokens.name_of(session.encode()) is None
    assert tokens.session_of(b"no token of ours") is None
    for other in ("", session[:-1], session.upper(), session + "0", ANNS, "ann", "\udcff", "é"):
        assert tokens.name_of_session(other) is None
    later = Tokens({"ann": ANNS}, b"t" * 32)
    assert later.name_of_session(session) is None
    assert later.session_of(ANNS.encode()) != session
    assert tokens.session_of(BOBS.encode()) != session


def test_a_repr_shows_nothing(tokens: Tokens) -> None:
    found = tokens.find({TOKEN_HEADER: ANNS.encode()})
    for shown in (repr(tokens), repr(found)):
        assert ANNS not in shown
        assert BOBS not in shown


def test_what_is_remembered_stays_bounded(tokens: Tokens) -> None:
    for number in range(600):
        assert tokens.find({b"authorization": b" " * number + b"x", TOKEN_HEADER: ANNS.encode()}) is not None
        value = b"Bearer " + b" " * number + ANNS.encode()
        assert tokens.find({b"authorization": value}) is not None
        assert not tokens.are_in_any([b"line %d" % number])
        assert len(tokens._known) <= 256
        assert len(tokens._harmless) <= 256


def test_a_long_path_is_not_searched_and_not_shown(tokens: Tokens) -> None:
    assert not tokens.may_be_in(b"/" * 1024)
    assert tokens.may_be_in(b"/" * 1025)
    assert tokens.may_be_in(b"/feedback/" + ANNS.encode())
