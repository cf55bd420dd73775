"""Where the tag goes: at the end of the head, whatever the document and its chunks."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.inject.places import Place

TAG = b"<script src=here></script>"


def tagged(*pieces: bytes) -> bytes:
    """A document that comes in these pieces, with the tag if there is a place for it."""
    place, gone = Place(), b""
    for number, piece in enumerate(pieces, 1):
        before, behind = place.look(piece)
        gone += before
        if place.found or place.missed:
            return gone + (TAG if place.found else b"") + behind + b"".join(pieces[number:])
    return gone + place.rest()


PLACED = {
    "the end of the head": b"<!doctype html><html><head><title>Hi</title>^</head><body></body></html>",
    "any case": b"<HTML><HEAD>^</HeAd ><BODY>",
    "no end of the head": b"<html><head><meta charset=utf-8>\n  ^<body class=a><p>",
    "no head": b"<!doctype html>\n^<p>Hello",
    "text": b"<title>Hi</title> ^Hello</head>",
    "a byte order mark": b"\xef\xbb\xbf<head>^</head>",
    "a mark and text": b"\xef\xbb\xbf^Hello",
    "an entity": b"<head>^&#32;</head>",
    "a less-than sign": b"<head>^< /head></head>",
    "a frameset": b"<head></title>^<frameset></frameset>",
    "a template": b"<head>^<template></head></template></head>",
    "an svg": b"<head>^<svg><![CDATA[</head>]]></svg></head>",
    "a textarea": b"<head>^<textarea></head></textarea>",
    "an element that begins alike": b"<head><link>^<linkage></head>",
    "a long name": b"<head>^<notoneofthosethatareknownhere></head>",
    "an end tag with a long name": b'<head></notoneofthosethat="areknown>^</head>"',
    "other end tags": b"<head></p></></ head></title></script>^</head>",
    "the end of a body": b"<head></div>^</body>",
    "the end of all": b"<head>^</html>",
    "a line break": b"<head>^</br></head>",
    "attributes": b"<html lang='a>b' x=\"</head>\" y=a/b z ='>'><head a='</head>'>^</head>",
    "a bare value": b"<meta content=a\"b'c><head>^</head>\"'",
    "a quote in a name": b'<meta a"b=c"><head>^</head>',
    "an equals sign first": b'<meta ="a><head>^</head>">',
    "an equals sign behind a slash": b'<meta /="a><head>^</head>">',
    "an equals sign behind a value": b"<meta a=''=\"b><head>^</head>\">",
    "an equals sign behind space": b'<meta a \n= \n"></head>"><head>^</head>',
    "no value": b"<meta a=><head>^</head>",
    "a slash in a value": b"<base href=/a/><title/></head></title>^</head>",
    "a comment": b"<head><!-- </head> -- > --!x --->^</head>",
    "a comment closed at once": b"<head><!-->^</head>-->",
    "a comment closed with one dash": b"<head><!--->^</head>-->",
    "an empty comment": b"<head><!---->^</head>-->",
    "a comment with a bang": b"<head><!-- </head> --!>^</head>-->",
    "a comment in a comment": b"<head><!-- <!-- </head> -->^</head>-->",
    "bogus comments": b"<?xml </head ?><!</head ><!-x></!-- </head>^</head>",
    "an empty declaration": b"<!>^</head>",
    "CDATA, which is none": b"<head><![CDATA[ </head >^</head>]]>",
    "a doctype with a quoted end": b'<!DOCTYPE html PUBLIC "a>^</head>">',
    "a title": b"<head><title></head><!--</title x='>'>^</head>-->",
    "a title that goes on": b"<title></titles></title\n>^</head>",
    "styles": b"<head><STYLE>a{content:'</head>'}</sTyLe/>^</head>",
    "noscript": b"<head><noscript></head><!-- </noscript>^</head>",
    "noframes": b"<head><noframes></head></noframes>^</head>",
    "a script": b"<head><script>x='</head>'</script>^</head>",
    "a script that closes itself, which it cannot": b"<script src=a /></head></script>^</head>",
    "a script with a comment": b"<script><!-- </head> </script>^</head>",
    "a script in a script's comment": b"<script><!-- <script></script> </head> --></script>^</head>",
    "one that is not closed": b"<script><!--<script ></script></head></script >^</head>",
    "one behind a closed comment": b"<script><!-- --><script></script>^</head>",
    "a comment in a script closed at once": b"<script><!--><script></script>^</head>",
    "a comment in a script with three dashes": b"<script><!---><script></script>^</head>",
    "other names in a script's comment": b"<script><!--<scripts></script>^</head>",
    "the end of a comment in a script in it": b"<script><!--<script>--></script>^</head>",
    "bytes of another charset": b"<title>\x83\x5c\xe3\x81\x82</title>^</head>",
    "bytes behind it": b"<head>^</head>\x00\x1b",
}  # fmt: skip

LEFT_ALONE = {
    "nothing": b"",
    "white space": b" \n",
    "a head alone": b"<html><head><title>Hi</title>",
    "UTF-16": "\ufeff<head></head>".encode("utf-16-le"),
    "UTF-16, the other way round": "\ufeff<head></head>".encode("utf-16-be"),
    "UTF-16 without a mark": "<head></head>".encode("utf-16-le"),
    "UTF-16 without a mark, the other way round": "<head></head>".encode("utf-16-be"),
    "UTF-16 that begins with text": "Hello".encode("utf-16-le"),
    "a NUL": b"<head>\x00</head>",
    "ISO-2022-JP": "<head><title>語</title></head>".encode("iso2022_jp"),
    "a comment without end": b"<head><!-- </head>",
    "a script without end": b"<script></head>",
    "a title without end": b"<title></head></titl",
    "a tag without end": b"<meta content='</head>",
    "a doctype without end": b"<!doctype </head",
}


@pytest.mark.parametrize("document", PLACED.values(), ids=PLACED)
def test_the_tag_goes_to_the_end_of_the_head(document: bytes) -> None:
    plain, wanted = document.replace(b"^", b""), document.replace(b"^", TAG)
    assert document.count(b"^") == 1
    assert tagged(plain) == wanted
    assert tagged(*(plain[at : at + 1] for at in range(len(plain)))) == wanted
    for at in range(len(plain)):
        assert tagged(plain[:at], plain[at:]) == wanted, at


@pytest.mark.parametrize("document", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_other_documents_are_left_alone(document: bytes) -> None:
    assert tagged(document) == document
    assert tagged(*(document[at : at + 1] for at in range(len(document)))) == document


PARTS = st.sampled_from(
    [
        *(b"<", b">", b"/", b"!", b"-", b"--", b"=", b'"', b"'", b" ", b"\n", b"?", b"a"),
        *(b"\x00", b"\x1b", b"\xff"),
        *(b"<!--", b"-->", b"--!>", b"<!doctype html>", b"<![CDATA[", b"]]>", b"\xef\xbb\xbf", b"\xff\xfe"),
        *(b"<html>", b"<head>", b"</head>", b"<HEAD ", b"</Head\n>", b"<body>", b"</body>", b"<meta ", b"<link/>"),
        *(b"<title>", b"</title>", b"<style>", b"</style>", b"<noscript>", b"</noscript>", b"<template>"),
        *(b"<script>", b"</script>", b"<script", b"</script", b"</title", b"<svg>", b"content=", b"x='</head>'"),
    ]
)  # fmt: skip
DOCUMENTS = st.one_of(st.binary(max_size=200), st.lists(PARTS, max_size=40).map(b"".join))


@given(DOCUMENTS, st.lists(st.integers(0, 400), max_size=12))
@example(b"<head></head>", [7, 8, 9])
def test_without_the_tag_it_is_the_same_document_in_any_chunks(document: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(document)) for cut in cuts), len(document)]
    pieces = [document[start:end] for start, end in itertools.pairwise(edges)]
    found = tagged(*pieces)
    assert found.count(TAG) <= 1
    assert found.replace(TAG, b"", 1) == document
    assert found == tagged(document), "the chunks decide"


@given(st.lists(DOCUMENTS, max_size=50))
def test_next_to_nothing_is_kept(pieces: list[bytes]) -> None:
    place = Place()
    for piece in pieces:
        if place.found or place.missed:
            break
        place.look(piece)
        assert len(place._kept) <= 12
