"""Keys are known by their fingerprints, kept in memory only, and shown nowhere."""

from collections.abc import Iterable

import pytest

from proxy.helicone import EU_API_URL, api_url_for, fingerprint
from proxy.keys import Credential, Keyring

OWN = "sk-helicone-ownownx-ownownx-ownownx-ownownx"
APPS = "sk-helicone-appappx-appappx-appappx-appappx"
EUROPEAN = "sk-helicone-eu-appappx-appappx-appappx-appappx"
HOME = "https://helicone.example.test"


def ring(own: str | None, api_urls: Iterable[str | None] = ()) -> Keyring:
    """Keys as the program has them."""
    return Keyring(own, fingerprint, api_url_for, api_urls)


def key_of(keys: Keyring, fingerprint: str | None) -> str | None:
    """The key alone."""
    found = keys.get(fingerprint)
    return None if found is None else found.key


def test_a_key_is_found_by_its_fingerprint() -> None:
    keys = ring(OWN)
    apps = keys.remember(APPS)
    assert apps == fingerprint(APPS)
    assert key_of(keys, apps) == APPS
    assert key_of(keys, keys.own_fingerprint) == OWN


def test_a_fingerprint_that_was_never_seen_opens_nothing() -> None:
    keys = ring(OWN)
    assert keys.get(fingerprint(APPS)) is None
    assert keys.get(None) is None
    assert ring(None).get(None) is None


def test_without_a_configured_key_there_is_no_own_fingerprint() -> None:
    keys = ring(None)
    assert keys.own_fingerprint is None
    assert key_of(keys, keys.remember(OWN)) == OWN


def test_an_app_may_send_the_configured_key_itself() -> None:
    keys = ring(OWN)
    assert keys.remember(OWN) == keys.own_fingerprint
    assert key_of(keys, keys.own_fingerprint) == OWN


def test_keys_that_a_caller_makes_up_do_not_fill_the_memory() -> None:
    keys = ring(OWN)
    prints = [keys.remember(f"{APPS}{number}") for number in range(5_000)]
    known = [each for each in prints if keys.get(each) is not None]
    assert known == prints[-len(known) :]
    assert 100 <= len(known) <= 1_000
    assert key_of(keys, keys.own_fingerprint) == OWN


def test_a_key_that_is_in_use_outlives_keys_that_a_caller_makes_up() -> None:
    keys = ring(None)
    apps = keys.remember(APPS)
    for number in range(2_000):
        keys.remember(f"{APPS}{number}")
        if number % 100 == 0:
            assert key_of(keys, apps) == APPS
            keys.remember(APPS)
    assert key_of(keys, apps) == APPS


def test_no_key_can_be_read_from_what_is_shown() -> None:
    keys = ring(OWN)
    apps = keys.remember(APPS)
    for shown in (repr(keys), str(keys), apps, keys.own_fingerprint or "", repr(keys.get(apps))):
        assert OWN not in shown
        assert APPS not in shown
        assert "sk-helicone" not in shown


def test_fingerprints_tell_keys_apart_and_say_nothing_of_them() -> None:
    prints = {fingerprint(f"sk-helicone-{number:07}-aaaaaaa-aaaaaaa-aaaaaaa") for number in range(10_000)}
    assert len(prints) == 10_000
    assert {len(each) for each in prints} == {16}
    assert fingerprint(OWN) == fingerprint(OWN)


def test_a_key_in_another_script_than_ascii_has_a_fingerprint_too() -> None:
    keys = ring(None)
    assert key_of(keys, keys.remember("sk-é")) == "sk-é"


# -- a key at several APIs


def test_a_key_has_a_fingerprint_for_each_api_and_leaves_for_that_one() -> None:
    keys = ring(OWN, (None, HOME))
    default, home = keys.remember(APPS), keys.remember(APPS, HOME)
    assert default != home
    assert keys.get(default) == Credential(APPS, api_url_for(APPS))
    assert keys.get(home) == Credential(APPS, HOME)
    assert keys.get(keys.own_fingerprint) == Credential(OWN, api_url_for(OWN))
    assert keys.get(keys.own_fingerprint_at(HOME)) == Credential(OWN, HOME)


def test_at_the_default_api_a_fingerprint_is_that_of_the_key_as_it_has_always_been() -> None:
    assert ring(None).remember("sk-helicone-a") == "fb130b18b6091a9a"
    assert ring("sk-helicone-a", (HOME,)).own_fingerprint_at(None) == "fb130b18b6091a9a"


@pytest.mark.parametrize("key", [OWN, EUROPEAN])
def test_a_default_api_that_is_spelt_out_is_the_default_one(key: str) -> None:
    spelt_out = api_url_for(key)
    keys = ring(key, (spelt_out,))
    assert keys.own_fingerprint_at(spelt_out) == keys.own_fingerprint
    assert keys.remember(key, spelt_out) == keys.remember(key) == keys.own_fingerprint
    assert keys.remember(APPS, EU_API_URL) != keys.remember(APPS)


def test_what_is_under_the_configured_key_can_be_sent_after_a_restart_and_an_apps_own_has_to_come_again() -> (
    None
):
    before, after = ring(OWN, (HOME,)), ring(OWN, (HOME,))
    ours, apps = before.own_fingerprint_at(HOME), before.remember(APPS, HOME)
    assert key_of(after, ours) == OWN
    assert after.get(apps) is None
    after.remember(APPS)
    assert after.get(apps) is None, "that was another API"
    after.remember(APPS, HOME)
    assert key_of(after, apps) == APPS


def test_who_waits_for_a_key_is_told_when_it_comes_up_at_its_api_once() -> None:
    keys = ring(OWN, (HOME,))
    told: list[str] = []
    keys.on_new = told.append
    fingerprints = [keys.remember(APPS, api_url) for api_url in (None, HOME, HOME, None)]
    assert told == fingerprints[:2]


def test_without_a_configured_key_there_is_no_own_fingerprint_at_any_api() -> None:
    keys = ring(None, (HOME,))
    assert (keys.own_fingerprint_at(None), keys.own_fingerprint_at(HOME)) == (None, None)


def test_keys_that_a_caller_makes_up_for_several_apis_are_let_go_of_cleanly() -> None:
    keys = ring(OWN, (HOME,))
    for number in range(2_000):
        for api_url in (None, HOME, api_url_for(None)):
            keys.remember(f"{APPS}{number}", api_url)
    assert "1000 seen" in repr(keys)


# -- a configured API


def test_a_rating_follows_its_api_and_not_what_is_configured_later() -> None:
    before = Keyring(OWN, fingerprint, api_url_for, (HOME,), default_url=HOME)
    stored = [before.own_fingerprint, before.own_fingerprint_at(HOME)]
    assert stored[0] == stored[1] != fingerprint(OWN)
    after = Keyring(OWN, fingerprint, api_url_for, (HOME,), default_url="https://new.example.test")
    assert [after.get(each) for each in stored] == [Credential(OWN, HOME)] * 2
    gone = Keyring(OWN, fingerprint, api_url_for, (), default_url="https://new.example.test")
    assert gone.get(stored[0]) is None, "it waits until that API is there again"
    apps = before.remember(APPS)
    assert apps == before.remember(APPS, HOME) == after.remember(APPS, HOME)
    assert apps != after.remember(APPS)


def test_a_rating_of_an_earlier_version_is_found_at_the_configured_api() -> None:
    keys = Keyring(OWN, fingerprint, api_url_for, default_url=HOME)
    assert keys.get(fingerprint(OWN)) == Credential(OWN, HOME)
    spelt_out = Keyring(OWN, fingerprint, api_url_for, (api_url_for(OWN),), default_url=HOME)
    assert spelt_out.get(fingerprint(OWN)) == Credential(OWN, api_url_for(OWN))


def test_the_configured_key_is_not_kept_for_an_api_that_it_may_not_go_to() -> None:
    keys = ring(OWN, (None,))
    assert keys.own_fingerprint_at(HOME) is None
