"""Tests of `proxy.calls.labels`."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.calls.labels import Labels

_NAMES = (b"helicone-user-id", b"x-chat-id")
_PREFIX = b"helicone-property-"


def test_heads_that_say_nothing_give_none() -> None:
    labels = Labels(_NAMES, _PREFIX)
    for _ in range(2):
        assert labels.read({b"host": b"a", b"accept": b"b"}) is None
    assert labels.read({}) is None


def test_headers_that_say_something_are_found_whatever_came_before() -> None:
    labels = Labels(_NAMES, _PREFIX)
    dull = {b"host": b"a", b"accept": b"b"}
    telling = {b"x-chat-id": b"7", b"helicone-property-plan": b"pro"}
    for _ in range(2):
        assert labels.read({**dull, **telling}) == telling
        assert labels.read(dull) is None


def test_what_is_found_stands_in_the_order_of_the_head() -> None:
    labels = Labels(_NAMES, _PREFIX)
    telling = {b"helicone-property-%d" % number: b"v" for number in range(100)}
    for _ in range(2):
        found = labels.read({b"host": b"a", **telling, b"accept": b"b"})
        assert found is not None
        assert list(found) == list(telling)


def test_a_header_that_is_turned_off_is_none() -> None:
    assert Labels([b""], _PREFIX).read({b"": b"x"}) is None


def test_names_that_are_made_up_for_each_call_are_not_all_kept() -> None:
    labels = Labels(_NAMES, _PREFIX)
    for number in range(10_000):
        labels.read({b"host": b"a", b"x-%d" % number: b"b", b"y" * 1000 + b"%d" % number: b"c"})
    assert len(labels._dull) <= 256
    assert max(map(len, labels._dull)) <= 100


_SOME_NAMES = st.sampled_from([*_NAMES, b"helicone-property-a", b"helicone-property", b"host", b"x", b"y"])


@given(st.lists(st.dictionaries(_SOME_NAMES, st.binary(max_size=2))))
def test_what_is_learnt_never_changes_what_is_found(heads: list[dict[bytes, bytes]]) -> None:
    labels = Labels(_NAMES, _PREFIX)
    for head in heads:
        telling = {name: value for name, value in head.items() if name in _NAMES or name.startswith(_PREFIX)}
        assert labels.read(head) == (telling or None)
