"""What people and programs send as a thumb: every form that rates, and every one that must not."""

import json
import re
import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.errors import InvalidRating, JsonRequired
from proxy.ratings import has_rating, parse_thumb

UP = ["true", "up", "good", "+1", "👍", "thumbs_up"]
DOWN = ["false", "down", "bad", "-1", "👎", "thumbs_down"]
WORDS = [(word, True) for word in UP] + [(word, False) for word in DOWN]
CASES = [str.lower, str.upper, str.title, str.swapcase]

CURLS_LABEL = "application/x-www-form-urlencoded"


def thumb(body: bytes | str = b"", query: str = "", *, label: str = CURLS_LABEL) -> bool:
    """The thumb in what a person sends."""
    raw = body.encode() if isinstance(body, str) else body
    return parse_thumb(raw, query, content_type=label, browser=False)


def refused(body: bytes | str = b"", query: str = "") -> str:
    """The sentence with which a request is refused."""
    with pytest.raises(InvalidRating) as caught:
        thumb(body, query)
    assert (caught.value.status, caught.value.code) == (422, "invalid_rating")
    return caught.value.message


# -- what rates


@pytest.mark.parametrize(("word", "up"), WORDS)
@pytest.mark.parametrize("case", CASES)
def test_every_word_rates_in_any_case_and_every_place(word: str, up: bool, case: type[str]) -> None:
    written = case(word)
    assert thumb(json.dumps({"rating": written})) is up
    assert thumb(json.dumps({"rating": written}, ensure_ascii=False)) is up
    assert thumb(f"rating={written}") is up
    assert thumb(query=f"rating={written}") is up


@pytest.mark.parametrize(("body", "up"), [('{"rating": true}', True), ('{"rating":false}', False)])
@pytest.mark.parametrize(
    "label",
    [
        "",
        "application/json",
        CURLS_LABEL,
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/xml",
        "?",
    ],
)
def test_json_rates_under_any_label(body: str, up: bool, label: str) -> None:
    assert thumb(body, label=label) is up


@pytest.mark.parametrize(
    "body", ["rating=up", "rating=%F0%9F%91%8D", "rating=👍", "rating=+1", "rating=%2B1"]
)
@pytest.mark.parametrize("label", ["", CURLS_LABEL, "application/json", "text/plain"])
def test_a_form_rates_under_any_label(body: str, label: str) -> None:
    assert thumb(body, label=label)


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n", b"\n\t "])
def test_the_query_rates_when_the_body_is_empty(body: bytes) -> None:
    assert thumb(body, "rating=up")
    assert not thumb(body, "back=1&rating=down")


def test_a_plus_in_a_query_arrives_as_a_space() -> None:
    assert thumb(query="rating=+1")
    assert thumb(query="rating= 1")
    assert thumb(query="rating=%2B1")


@pytest.mark.parametrize(
    ("written", "up"),
    [
        ("👍🏻", True),
        ("👍🏿", True),
        ("👍🏽\ufe0f", True),
        ("👍\ufe0f", True),
        ("👎🏼", False),
        ("👎\ufe0f", False),
        (" up ", True),
        ("\tDown\n", False),
    ],
)
def test_skin_tones_variant_selectors_and_space_around_a_word_do_not_matter(written: str, up: bool) -> None:
    assert thumb(json.dumps({"rating": written})) is up
    assert thumb(json.dumps({"rating": written}, ensure_ascii=False)) is up


@pytest.mark.parametrize("body", ['\n {"rating": true} \n', '{"rating":\n\ttrue\n}', "rating=up\n"])
def test_space_around_a_body_does_not_matter(body: str) -> None:
    assert thumb(body)


def test_both_places_may_say_the_same() -> None:
    assert thumb('{"rating": true}', "rating=up")
    assert not thumb("rating=-1", "rating=bad")
    assert thumb(query="rating=up&rating=good")
    assert thumb('{"rating": true, "rating": "up"}')


def test_other_names_in_the_query_are_not_ours_to_judge() -> None:
    assert thumb("rating=up", "back=1&utm_source=x")


# -- what does not


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ('{"rating": true}', "rating=down"),
        ("rating=up", "rating=down"),
        ("rating=up&rating=down", ""),
        ("", "rating=up&rating=down"),
        ('{"rating": true, "rating": false}', ""),
        ('{"rating": "up", "rating": "down"}', ""),
    ],
)
def test_up_and_down_at_once_is_no_rating(body: str, query: str) -> None:
    assert "both up and down" in refused(body, query)


@pytest.mark.parametrize(
    "value", ["null", "1", "0", "1.0", "-1", "[]", "[true]", "{}", '{"rating":true}', '""']
)
def test_what_helicone_would_misread_or_refuse_is_no_rating(value: str) -> None:
    assert "nothing was recorded" in refused(f'{{"rating": {value}}}')


@pytest.mark.parametrize(
    "word", ["", "1", "0", "yes", "no", "maybe", "null", "+2", "👌", "👍👎", "up down", "tru"]
)
def test_a_word_that_is_not_known_is_no_rating(word: str) -> None:
    refused(json.dumps({"rating": word}))
    refused(f"rating={word}")
    refused(query=f"rating={word}")


@pytest.mark.parametrize("body", ["", " ", "{}", "{ }"])
@pytest.mark.parametrize("query", ["", "back=1", "ratings=up", "Rating=up"])
def test_nothing_at_all_is_no_rating(body: str, query: str) -> None:
    assert "no rating in the request" in refused(body, query)


@pytest.mark.parametrize(
    "body",
    [
        '{"rating": true, "comment": "good"}',
        "rating=up&comment=good",
        '{"Rating": true}',
        '{"helicone-id": "x"}',
    ],
)
def test_a_name_that_is_not_known_is_refused_rather_than_dropped(body: str) -> None:
    assert "is not known here" in refused(body)


@pytest.mark.parametrize("body", ["true", "up", "👍", "1", "null", "<rating>up</rating>"])
def test_a_bare_word_is_no_body(body: str) -> None:
    refused(body)


@pytest.mark.parametrize(
    "body",
    [
        '{"rating": true',
        '{"rating": True}',
        "{'rating': true}",
        '{"rating": true,}',
        '{"rating": true}}',
        "{rating: true}",
        '{"rating": tru',
        '"',
        "[",
        '{"rating": ' + "9" * 5000 + "}",
    ],
)
def test_broken_json_is_said_to_be_broken(body: str) -> None:
    assert "not valid JSON" in refused(body)


@pytest.mark.parametrize("body", ["[]", '["up"]', '"up"', '[{"rating": true}]'])
def test_json_that_is_no_object_is_said_to_be_none(body: str) -> None:
    assert "has to be a JSON object" in refused(body)


@pytest.mark.parametrize(
    "body", [b"\xff", b'{"rating": "\xff"}', b"rating=\xe9", '{"rating": true}'.encode("utf-16")]
)
def test_a_body_that_is_not_utf8_is_said_to_be_none(body: bytes) -> None:
    assert "not UTF-8" in refused(body)


@pytest.mark.parametrize("depth", [10, 300, 500, 900, 5_000, 20_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"rating":', "}"), ('[{"a":', "}]")]
)
def test_json_of_any_depth_is_refused_in_words(opening: str, closing: str, depth: int) -> None:
    refused('{"rating":' + opening * depth + "1" + closing * depth + "}")
    refused(opening * depth + "1" + closing * depth)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ("", ""),
        ("{}", ""),
        ('{"rating": null}', ""),
        ('{"rating": 1}', ""),
        ("rating=maybe", ""),
        ("", "rating=maybe"),
        ('{"rating": true', ""),
        ("[]", ""),
        ("up", ""),
        ('{"x": true}', ""),
        ("rating=up", "rating=down"),
        (b"\xff", ""),
    ],
)
def test_every_refusal_shows_an_example_that_works(body: str | bytes, query: str) -> None:
    shown = re.search(r"curl (.+?) \(or", refused(body, query))
    assert shown is not None
    arguments = shlex.split(shown[1])
    assert arguments[0] == "-d"
    assert arguments[2] == "localhost:8747/feedback/last"
    assert thumb(arguments[1])


def test_a_refusal_repeats_no_more_than_the_beginning_of_what_was_sent() -> None:
    canary = "canary" * 1000
    for body in (json.dumps({"rating": canary}), json.dumps({canary: 1}), f"rating={canary}", canary):
        assert len(refused(body)) < 250


def test_a_refusal_can_be_printed_on_any_terminal() -> None:
    for body in (
        '{"rating": "\\u001b[31m"}',
        '{"\\ud800": 1}',
        '{"rating": "\\ud800"}',
        "rating=%1b%5b31m%0a",
    ):
        assert refused(body).isprintable()


# -- browsers


@pytest.mark.parametrize(
    "label",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=x"],
)
def test_a_browser_rates_with_real_json(label: str) -> None:
    assert parse_thumb(b'{"rating": true}', "", content_type=label, browser=True)


@pytest.mark.parametrize(
    "label",
    [
        "",
        CURLS_LABEL,
        "text/plain",
        "multipart/form-data",
        "text/json",
        "application/jsonp",
        "x;application/json",
    ],
)
@pytest.mark.parametrize(
    ("body", "query"), [(b'{"rating": true}', ""), (b"", "rating=up"), (b"rating=up", "")]
)
def test_a_browser_that_sends_anything_else_is_refused(label: str, body: bytes, query: str) -> None:
    with pytest.raises(JsonRequired) as caught:
        parse_thumb(body, query, content_type=label, browser=True)
    assert (caught.value.status, caught.value.code) == (415, "json_required")
    assert "application/json" in caught.value.message


# -- queries of a GET


@pytest.mark.parametrize(
    ("query", "tries"),
    [
        ("rating=up", True),
        ("rating", True),
        ("rating=", True),
        ("back=1&rating=x", True),
        ("", False),
        ("ratings=up", False),
    ],
)
def test_a_query_that_tries_to_rate_is_seen(query: str, tries: bool) -> None:
    assert has_rating(query) is tries


# -- anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rating", "x", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = (
    st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | json_values.map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps({"rating": value}).encode())
    | st.text().map(lambda text: f"rating={text}".encode("utf-8", "replace"))
)


@settings(max_examples=300, deadline=None)
@given(
    body=bodies,
    query=st.text() | st.text().map(lambda text: f"rating={text}"),
    label=st.text() | st.sampled_from(["application/json", CURLS_LABEL]),
    browser=st.booleans(),
)
@example(b'{"rating": NaN}', "", "", False)
@example(b'{"rating": -0}', "", "", False)
@example(b"\x00", "&&;=%", "", False)
def test_whatever_is_sent_is_a_thumb_or_a_sentence(
    body: bytes, query: str, label: str, browser: bool
) -> None:
    try:
        found = parse_thumb(body, query, content_type=label, browser=browser)
    except (InvalidRating, JsonRequired):
        return
    assert isinstance(found, bool)
    assert not browser or label.lower().startswith("application/json")
