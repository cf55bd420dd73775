"""What people and programs send as a rating: every form that rates, and every one that must not."""

import json
import re
import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.errors import InvalidRating, JsonRequired
from proxy.model import Rating
from proxy.rating_fields import FIELDS
from proxy.ratings import (
    LARGEST_BATCH,
    BatchItem,
    has_rating,
    parse_batch,
    parse_rating,
    parse_retry,
    require_json,
)

UP = ["true", "up", "good", "+1", "👍", "thumbs_up"]
DOWN = ["false", "down", "bad", "-1", "👎", "thumbs_down"]
WORDS = [(word, True) for word in UP] + [(word, False) for word in DOWN]
CASES = [str.lower, str.upper, str.title, str.swapcase]

HOST = "localhost:9001"

CURLS_LABEL = "application/x-www-form-urlencoded"


def rating(body: bytes | str | dict[str, object] = b"", query: str = "") -> Rating:
    """The rating in what a person sends; a dictionary is sent as JSON."""
    if isinstance(body, dict):
        body = json.dumps(body)
    return parse_rating(body.encode() if isinstance(body, str) else body, query, HOST)


def thumb(body: bytes | str = b"", query: str = "") -> bool | None:
    """The thumb in what a person sends, if that is all of it."""
    found = rating(body, query)
    assert found == Rating(up=found.up)
    return found.up


def refused(body: bytes | str | dict[str, object] = b"", query: str = "") -> str:
    """The sentence with which a request is refused."""
    with pytest.raises(InvalidRating) as caught:
        rating(body, query)
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
def test_a_mark_before_json_or_a_form_is_passed_over(body: str, up: bool) -> None:
    """As editors on Windows write it."""
    assert thumb("\ufeff" + body) is up
    assert thumb(f"\ufeffrating={str(up).lower()}") is up


@pytest.mark.parametrize(("body", "up"), [('{"rating": true}', True), ('{"rating":false}', False)])
def test_json_rates(body: str, up: bool) -> None:
    assert thumb(body) is up


@pytest.mark.parametrize(
    "body", ["rating=up", "rating=%F0%9F%91%8D", "rating=👍", "rating=+1", "rating=%2B1"]
)
def test_a_form_rates(body: str) -> None:
    assert thumb(body)


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
        '{"rating": true, "commment": "good"}',
        "rating=up&commment=good",
        '{"Rating": true}',
        '{"helicone-id": "x"}',
        '{"up": true}',
        '{"rating": true, "id": "x"}',
    ],
)
def test_a_name_that_is_not_known_is_refused_rather_than_dropped(body: str) -> None:
    sentence = refused(body)
    assert "is not known here" in sentence
    assert "rating, comment, " in sentence


def test_scores_go_into_json_alone() -> None:
    assert "known in a form are rating, comment, rater, source and tags" in refused("rating=up&scores=1")
    assert has_rating("scores=1") is False


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
    assert arguments[2] == f"{HOST}/feedback/last"
    assert thumb(arguments[1])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("comment", "x" * 5000),
        ("comment", ""),
        ("rater", 7),
        ("scores", {"tone": 4.5}),
        ("scores", []),
        ("tags", "x"),
    ],
)
def test_advice_on_rating_is_for_those_who_need_it(field: str, value: object) -> None:
    assert "curl" not in refused({"rating": True, field: value})
    assert "curl" not in refused({"rating": True, "comment": "a"}, "comment=b")


def test_only_who_sends_a_fraction_is_told_what_to_send_instead() -> None:
    assert refused({"scores": {"tone": 4.5}}).endswith("Send 45 in place of 4.5, say.")
    for value in ("4", None, [4]):
        assert refused({"scores": {"tone": value}}).endswith("and Helicone takes nothing else.")


@pytest.mark.parametrize("field", ["comment", "scores", "rater", "source", "tags"])
def test_null_takes_nothing_away_and_says_so(field: str) -> None:
    sentence = refused({"rating": True, field: None})
    assert "can only be replaced" in sentence
    assert f"Leave {field} out" in sentence


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '--------0e5\r\nContent-Disposition: form-data; name="rating"\r\n\r\nup\r\n--------0e5--\r\n',
            "A multipart form is not read here: send JSON, or a plain form such as rating=up.",
        ),
        ("<rating>up</rating>", "XML is not read here: send JSON, or a form such as rating=up."),
        ("up", "send rating=up."),
        ("👎", "send rating=down."),
        ("+1", "send rating=up."),
        ("true", "send rating=up."),
    ],
)
def test_what_is_no_form_is_told_what_it_should_be(body: str, words: str) -> None:
    assert words in refused(body)


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


# -- more than a thumb

EVERYTHING: dict[str, object] = {
    "rating": "down",
    "comment": "too long,\n\tand wrong",
    "scores": {"helpful": True, "tone": 4, "low": 1 - 2**53, "high": 2**53 - 1},
    "rater": "ada@example.com",
    "source": "end_user",
    "tags": ["wrong tone", "too long"],
}


def test_json_holds_every_field() -> None:
    found = rating(EVERYTHING)
    assert found == Rating(
        up=False,
        comment="too long,\n\tand wrong",
        scores={"helpful": True, "tone": 4, "low": 1 - 2**53, "high": 2**53 - 1},
        rater="ada@example.com",
        source="end_user",
        tags=("wrong tone", "too long"),
    )
    assert [type(score) for score in found.scores.values()] == [bool, int, int, int]
    assert Rating.from_document(found.as_document()) == found
    assert set(EVERYTHING) == set(FIELDS)


@pytest.mark.parametrize(("body", "query"), [(True, False), (False, True)])
def test_forms_and_queries_hold_all_but_scores(body: bool, query: bool) -> None:
    text = "rating=up&comment=so%2C+so%0Awell&rater=ada&source=developer&tags=a,+b+c,"
    found = rating(text if body else b"", text if query else "")
    assert found == Rating(
        up=True, comment="so, so\nwell", rater="ada", source="developer", tags=("a", "b c")
    )


def test_fields_may_come_from_both_places() -> None:
    assert rating({"rating": True}, "comment=fine&back=1") == Rating(up=True, comment="fine")
    assert rating("comment=fine", "rating=up&comment=fine") == Rating(up=True, comment="fine")


@pytest.mark.parametrize("body", [{"comment": "x"}, {"scores": {"tone": 0}}, {"scores": {"tone": False}}])
def test_scores_or_a_comment_are_enough(body: dict[str, object]) -> None:
    assert rating(body).up is None


@pytest.mark.parametrize(
    "body", [{"rater": "ada"}, {"source": "x", "tags": ["a"]}, {"scores": {}}, {"tags": []}]
)
def test_without_rating_scores_and_comment_there_is_nothing_to_deliver(body: dict[str, object]) -> None:
    assert "no rating in the request" in refused(body)


def test_nothing_in_a_list_or_an_object_is_nothing_said() -> None:
    assert rating({"rating": True, "scores": {}, "tags": []}) == Rating(up=True)
    assert rating("rating=up&tags=") == Rating(up=True)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"rating": True, "comment": "a"}, "comment=b"),
        ("rating=up&comment=a&comment=b", ""),
        ('{"rating": true, "tags": ["a"], "tags": ["b"]}', ""),
        ('{"rating": true, "scores": {"a": 1}, "scores": {"a": true}}', ""),
        ("rating=up&rater=a", "rater=b"),
    ],
)
def test_a_field_that_is_said_twice_and_differently_is_refused(
    body: str | dict[str, object], query: str
) -> None:
    assert "twice, and differently" in refused(body, query)


@pytest.mark.parametrize("values", ["1, 2", "1, true", "0, false", "true, false"])
def test_a_score_that_is_said_twice_and_differently_is_refused(values: str) -> None:
    first, second = values.split(", ")
    assert "twice" in refused(f'{{"scores": {{"tone": {first}, "tone": {second}}}}}')
    assert rating(f'{{"scores": {{"tone": {first}, "tone": {first}}}}}').scores == {"tone": json.loads(first)}


@pytest.mark.parametrize("name", ["comment", "scores", "rater", "source", "tags"])
@pytest.mark.parametrize("value", [None, 1, True, 1.5, [1], [None], [["a"]]])
def test_a_field_of_another_type_is_refused(name: str, value: object) -> None:
    refused({"rating": True, name: value})


def test_text_is_no_list_and_no_object_and_the_other_way_round() -> None:
    assert "list of texts" in refused({"rating": True, "tags": "a,b"})
    assert "list of texts" in refused({"rating": True, "tags": {"a": "b"}})
    assert "object" in refused({"rating": True, "scores": [["a", 1]]})
    assert "has to be text" in refused({"rating": True, "comment": {"a": "b"}})


@pytest.mark.parametrize("value", ["4.5", "1e-3", "1e999", "NaN", "Infinity", "null", '"4"', "[1]", "{}"])
def test_a_score_is_a_whole_number_or_a_truth(value: str) -> None:
    sentence = refused(f'{{"rating": true, "scores": {{"tone": {value}}}}}')
    assert '"tone" is neither a whole number nor true or false' in sentence
    assert "Helicone" in sentence


@pytest.mark.parametrize(("written", "number"), [("1.0", 1), ("1e3", 1000), ("-0.0", 0), ("-4.0", -4)])
def test_a_whole_number_may_be_written_with_a_point(written: str, number: int) -> None:
    score = rating(f'{{"scores": {{"tone": {written}}}}}').scores["tone"]
    assert (type(score), score) == (int, number)


@pytest.mark.parametrize("value", [2**53, -(2**53), 10**300, 1e300])
def test_a_score_is_one_that_helicone_can_keep(value: float) -> None:
    assert "too large" in refused({"scores": {"tone": value}})


@pytest.mark.parametrize("name", ["tone", "Tone of voice/2", "é👍", "x" * 100])
def test_a_score_may_have_almost_any_name(name: str) -> None:
    assert rating({"scores": {name: 1}}).scores == {name: 1}


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 101, "a\nb", "\ud800", "helicone-score-feedback", "tone-hcone-bool", "__proto__"]
)
def test_names_of_scores_that_helicone_would_not_keep_are_refused(name: str) -> None:
    sentence = refused({"scores": {name: 1}})
    assert "cannot be the name of a score: it " in sentence
    assert sentence.isprintable()


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("comment", "x" * 4096),
        ("comment", "é" * 2048),
        ("comment", "👍" * 1024),
        ("rater", "é" * 200),
        ("source", "é" * 100),
    ],
)
def test_a_text_may_be_so_long_and_no_longer(name: str, longest: str) -> None:
    assert getattr(rating({"rating": True, name: longest}), name) == longest
    assert "too long" in refused({"rating": True, name: longest + "x"})


def test_there_may_be_so_many_and_no_more() -> None:
    scores: dict[str, object] = {f"score {number}": number for number in range(33)}
    assert "32 are the most" in refused({"scores": scores})
    del scores["score 32"]
    assert rating({"scores": scores}).scores == scores
    tags = [f"tag {number}" for number in range(17)]
    assert "16 are the most" in refused({"rating": True, "tags": tags})
    assert rating({"rating": True, "tags": [*tags[:16], *tags[:3]]}).tags == tuple(tags[:16])
    assert rating({"rating": True, "tags": ["x" * 50]}).tags == ("x" * 50,)
    assert "50 characters" in refused({"rating": True, "tags": ["x" * 51]})


@pytest.mark.parametrize("name", ["comment", "rater", "source"])
@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_text_is_refused(name: str, value: str) -> None:
    assert "is empty" in refused({"rating": True, name: value})


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x85", "\r", "\ud800"])
def test_control_characters_are_refused(character: str) -> None:
    for name in ("comment", "rater", "source"):
        assert "control characters" in refused({"rating": True, name: f"a{character}b"})
    assert "control characters" in refused({"rating": True, "tags": [f"a{character}b"]})


def test_lines_stand_in_a_comment_alone() -> None:
    assert rating({"comment": "a\r\nb\n\tc"}).comment == "a\nb\n\tc"
    assert "control characters" in refused({"rating": True, "rater": "a\nb"})


def test_space_around_short_texts_does_not_matter() -> None:
    found = rating({"rating": True, "rater": " ada ", "source": "x\n", "tags": [" a "]})
    assert (found.rater, found.source, found.tags) == ("ada", "x", ("a",))


def test_a_comma_is_no_part_of_a_tag() -> None:
    assert "comma" in refused({"rating": True, "tags": ["a,b"]})


def test_no_refusal_repeats_what_somebody_wrote() -> None:
    canary = "canary canary"
    bodies: list[dict[str, object]] = [
        {"comment": f"{canary}\x00"},
        {"rating": True, "rater": canary * 100},
        {"rating": True, "source": f"{canary}\x1b"},
        {"rating": True, "tags": [f"{canary},"]},
        {"scores": {"tone": canary}},
        {"scores": {"sk-canary": 1.5}},
        {"scores": {"sk-canary\n": 1}},
    ]
    for body in bodies:
        assert "canary" not in refused(body)


# -- batches

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"


def sentence_of(item: BatchItem) -> str:
    """What is wrong with an item."""
    assert isinstance(item.rating, InvalidRating)
    return item.rating.message


@pytest.mark.parametrize("form", ["{}", '{{"ratings": {}}}', "\n {} \n"])
def test_a_batch_is_a_list_or_an_object_with_one(form: str) -> None:
    listed = json.dumps([{"id": ID, **EVERYTHING}, {"rating": "up", "id": "any"}])
    found = parse_batch(form.format(listed).encode())
    assert found == [BatchItem(ID, rating(EVERYTHING)), BatchItem("any", Rating(up=True))]


def test_every_item_has_its_own_mistake() -> None:
    items: list[object] = [
        {"id": ID, "rating": None},
        {"id": ID, "ratign": True},
        {"id": ID},
        {"rating": True},
        {"id": 1, "rating": True},
        {"id": ID, "rating": True},
        True,
        [],
    ]
    found = parse_batch(json.dumps(items).encode())
    assert [item.request_id for item in found] == [ID, ID, ID, None, None, ID, None, None]
    assert found[5].rating == Rating(up=True)
    assert "nothing was recorded" in sentence_of(found[0])
    assert "is not known here" in sentence_of(found[1])
    assert "no rating" in sentence_of(found[2])
    assert "needs one id" in sentence_of(found[3])
    assert "needs one id" in sentence_of(found[4])
    assert "has to be a JSON object" in sentence_of(found[6])
    assert "has to be a JSON object" in sentence_of(found[7])


def test_an_item_with_two_ids_is_refused() -> None:
    found = parse_batch(b'[{"id": "a", "id": "b", "rating": true}, {"id": "a", "id": "a", "rating": true}]')
    assert "needs one id" in sentence_of(found[0])
    assert found[1] == BatchItem("a", Rating(up=True))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rating=up",
        b"{}",
        b"[]",
        b"true",
        b'{"ratings": []}',
        b'{"ratings": {}}',
        b'{"ratings": [{}], "x": 1}',
        b'{"id": "x", "rating": true}',
        b"[{",
        b"\xff",
        json.dumps([{}] * (LARGEST_BATCH + 1)).encode(),
    ],
)
def test_what_is_no_batch_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(InvalidRating) as caught:
        parse_batch(body)
    assert 'as in [{"id": "...", "rating": true}' in caught.value.message


def test_a_batch_may_be_so_large() -> None:
    assert len(parse_batch(json.dumps([{}] * LARGEST_BATCH).encode())) == LARGEST_BATCH


# -- what is to be sent again


@pytest.mark.parametrize(
    ("body", "request_id"),
    [(b"", None), (b"{}", None), (b' {"id": "x"}\n', "x"), (b'{"id": "x", "id": "x"}', "x")],
)
def test_a_retry_names_one_call_or_means_all(body: bytes, request_id: str | None) -> None:
    assert parse_retry(body) == request_id


@pytest.mark.parametrize(
    "body", [b"[]", b'{"id": null}', b'{"id": 1}', b'{"ids": "x"}', b"x", b"\xff", b'{"id": "x", "id": "y"}']
)
def test_a_retry_of_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRating):
        parse_retry(body)


# -- browsers


@pytest.mark.parametrize(
    "label",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=x"],
)
def test_a_browser_rates_with_real_json(label: str) -> None:
    require_json(label, browser=True)


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
def test_a_browser_that_sends_anything_else_is_refused_and_nobody_else(label: str) -> None:
    require_json(label, browser=False)
    with pytest.raises(JsonRequired) as caught:
        require_json(label, browser=True)
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
        ("comment=x", True),
        ("tags=", True),
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
    | st.dictionaries(st.sampled_from(FIELDS), json_values).map(lambda value: json.dumps(value).encode())
    | st.text().map(lambda text: f"rating={text}".encode("utf-8", "replace"))
)


@settings(max_examples=300, deadline=None)
@given(body=bodies, query=st.text() | st.text().map(lambda text: f"rating={text}"))
@example(b'{"rating": NaN}', "")
@example(b'{"rating": -0}', "")
@example(b"\x00", "&&;=%")
def test_whatever_is_sent_is_a_rating_or_a_sentence(body: bytes, query: str) -> None:
    try:
        found = parse_rating(body, query, HOST)
    except InvalidRating:
        return
    assert Rating.from_document(json.loads(json.dumps(found.as_document()))) == found
    json.dumps(found.as_document(), ensure_ascii=False).encode()


@settings(max_examples=100, deadline=None)
@given(body=bodies | st.lists(json_values).map(lambda value: json.dumps(value).encode()))
def test_whatever_is_sent_is_a_batch_or_a_sentence(body: bytes) -> None:
    try:
        found = parse_batch(body)
    except InvalidRating:
        return
    assert all(isinstance(item, BatchItem) for item in found)
