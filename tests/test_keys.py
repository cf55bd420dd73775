"""Keys are known by their fingerprints, kept in memory only, and shown nowhere."""

from proxy.helicone import fingerprint
from proxy.keys import Keyring

OWN = "sk-helicone-ownownx-ownownx-ownownx-ownownx"
APPS = "sk-helicone-appappx-appappx-appappx-appappx"


def test_a_key_is_found_by_its_fingerprint() -> None:
    keys = Keyring(OWN, fingerprint)
    apps = keys.remember(APPS)
    assert apps == fingerprint(APPS)
    assert keys.get(apps) == APPS
    assert keys.get(keys.own_fingerprint) == OWN


def test_a_fingerprint_that_was_never_seen_opens_nothing() -> None:
    keys = Keyring(OWN, fingerprint)
    assert keys.get(fingerprint(APPS)) is None
    assert keys.get(None) is None
    assert Keyring(None, fingerprint).get(None) is None


def test_without_a_configured_key_there_is_no_own_fingerprint() -> None:
    keys = Keyring(None, fingerprint)
    assert keys.own_fingerprint is None
    assert keys.get(keys.remember(OWN)) == OWN


def test_an_app_may_send_the_configured_key_itself() -> None:
    keys = Keyring(OWN, fingerprint)
    assert keys.remember(OWN) == keys.own_fingerprint
    assert keys.get(keys.own_fingerprint) == OWN


def test_keys_that_a_caller_makes_up_do_not_fill_the_memory() -> None:
    keys = Keyring(OWN, fingerprint)
    prints = [keys.remember(f"{APPS}{number}") for number in range(5_000)]
    known = [each for each in prints if keys.get(each) is not None]
    assert known == prints[-len(known) :]
    assert 100 <= len(known) <= 1_000
    assert keys.get(keys.own_fingerprint) == OWN


def test_a_key_that_is_in_use_outlives_keys_that_a_caller_makes_up() -> None:
    keys = Keyring(None, fingerprint)
    apps = keys.remember(APPS)
    for number in range(2_000):
        keys.remember(f"{APPS}{number}")
        if number % 100 == 0:
            assert keys.get(apps) == APPS
            keys.remember(APPS)
    assert keys.get(apps) == APPS


def test_no_key_can_be_read_from_what_is_shown() -> None:
    keys = Keyring(OWN, fingerprint)
    apps = keys.remember(APPS)
    for shown in (repr(keys), str(keys), apps, keys.own_fingerprint or ""):
        assert OWN not in shown
        assert APPS not in shown
        assert "helicone" not in shown


def test_fingerprints_tell_keys_apart_and_say_nothing_of_them() -> None:
    prints = {fingerprint(f"sk-helicone-{number:07}-aaaaaaa-aaaaaaa-aaaaaaa") for number in range(10_000)}
    assert len(prints) == 10_000
    assert {len(each) for each in prints} == {16}
    assert fingerprint(OWN) == fingerprint(OWN)


def test_a_key_in_another_script_than_ascii_has_a_fingerprint_too() -> None:
    keys = Keyring(None, fingerprint)
    assert keys.get(keys.remember("sk-é")) == "sk-é"
