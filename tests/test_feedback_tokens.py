"""Feedback-Tokens by themselves: what is good for which call, for how long, and what was never made here."""

import pytest

from proxy.feedback_tokens import FeedbackTokens, Verdict, call_of

SECRET = "0123456789abcdef0123456789abcdef"
ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TOKENS = FeedbackTokens(SECRET, 60)
TOKEN = TOKENS.make(ID.encode(), 1000.9)


def test_a_token_says_when_it_ends_and_for_which_call_it_is() -> None:
    version, expiry, request_id, signature = TOKEN.split(b".")
    assert (version, expiry, request_id, len(signature)) == (b"v1", b"1060", ID.encode(), 43)
    assert call_of(TOKEN) == ID


def test_it_is_good_for_its_call_until_it_expires() -> None:
    assert TOKENS.check(TOKEN, ID, 1000) is Verdict.GOOD
    assert TOKENS.check(TOKEN, ID, 1059.99) is Verdict.GOOD
    assert TOKENS.check(TOKEN, ID, 1060) is Verdict.EXPIRED
    assert TOKENS.check(TOKEN, OTHER, 1000) is Verdict.ANOTHERS
    assert TOKENS.check(TOKEN, None, 1000) is Verdict.ANOTHERS
    assert TOKENS.check(TOKEN, OTHER, 1060) is Verdict.EXPIRED


def test_several_sidecars_with_one_secret_agree_and_with_another_one_nothing_is_good() -> None:
    assert FeedbackTokens(SECRET, 5).check(TOKEN, ID, 1000) is Verdict.GOOD
    assert FeedbackTokens(SECRET + "0", 60).check(TOKEN, ID, 1000) is Verdict.INVALID


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_no_byte_of_it_can_be_changed(position: int) -> None:
    for new in b"0", b"A", b".", b"\xff":
        changed = TOKEN[:position] + new + TOKEN[position + 1 :]
        if changed != TOKEN:
            assert TOKENS.check(changed, ID, 1000) is Verdict.INVALID


def test_its_last_character_has_one_spelling() -> None:
    """Of the last one two bits are no part of the signature: others must not be taken for it."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = [each for each in alphabet if TOKENS.check(TOKEN[:-1] + bytes([each]), ID, 0) is Verdict.GOOD]
    assert good == [TOKEN[-1]]


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"v1",
        TOKEN + b".",
        TOKEN + b"=",
        TOKEN + b"\n",
        b" " + TOKEN,
        TOKEN + b", " + TOKEN,
        TOKEN.upper(),
        TOKEN.replace(b"v1", b"v2"),
        TOKEN.replace(b"1060", b"01060"),
        TOKEN.replace(b"1060", b"+1060"),
        TOKEN.replace(b"1060", b"9" * 4000),
        TOKEN.replace(ID.encode(), ID.upper().encode()),
        TOKEN.replace(ID.encode(), OTHER.encode()),
        TOKEN[:-43] + b"A" * 43,
    ],
)
def test_what_was_never_made_here_is_invalid(token: bytes) -> None:
    assert TOKENS.check(token, ID, 1000) is Verdict.INVALID


def test_nothing_shows_the_secret() -> None:
    assert SECRET not in repr(TOKENS) + str(TOKENS)
