"""Hooks and webhooks beside the other settings: what is wrong, what is odd, and which files others may read."""

import json
from pathlib import Path

import pytest

from proxy.config.loading import advice, load_settings
from proxy.config.permissions import permission_advice
from proxy.config.secrets import secrets_of
from proxy.errors import ConfigurationError
from proxy.redaction import Redaction
from proxy.signing_secret import FILE_NAME

SECRET = "0123456789abcdef0123456789abcdef"
GUARD = "colleagues-0123456789abcdef-token"
TOKEN = {"hooks.token": True}


def problems(**dotted: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, dotted)
    assert SECRET not in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize(
    "dotted",
    [{"hooks.secret": SECRET}, {"hooks.token_seconds": 60}, {"hooks.token": False, "hooks.secret": SECRET}],
)
def test_what_is_for_tokens_has_no_effect_without_them(dotted: dict[str, object]) -> None:
    [said] = problems(**dotted)
    assert said.endswith(": has no effect without hooks.token = true")


@pytest.mark.parametrize(
    "secret", ["", "short", "a" * 64, "with spaces in it, and long enough too", "ä" * 40, "x1" * 101]
)
def test_a_secret_is_one_that_nobody_guesses(secret: str) -> None:
    [said] = problems(**TOKEN, **{"hooks.secret": secret})
    assert said.startswith("hooks.secret: must be 32 to 200 visible characters")


def test_each_secret_is_one_of_its_own() -> None:
    assert problems(**TOKEN, **{"hooks.secret": SECRET, "guard.token": SECRET}) == [
        "hooks.secret: is that of guard.token, too; make a new one"
    ]
    assert problems(**TOKEN, **{"hooks.secret": SECRET, "webhooks.open_webui_secret": SECRET}) == [
        "webhooks.open_webui_secret: is that of hooks.secret, too; make a new one"
    ]
    assert problems(**{"webhooks.open_webui_secret": GUARD, "guard.tokens": json.dumps({"ann": GUARD})}) == [
        "webhooks.open_webui_secret: is that of guard.tokens, too; make a new one"
    ]


def test_pages_that_need_a_token_to_rate_and_none_to_call_are_told() -> None:
    pages = {**TOKEN, "guard.allowed_origins": ["https://app.example.com"]}
    [said] = advice(load_settings(None, {}, pages), {})
    assert "whoever opens them may make calls" in said
    assert advice(load_settings(None, {}, {**pages, "guard.token": GUARD}), {}) == []


def test_a_webhook_that_can_find_no_call_is_told() -> None:
    dotted = {"webhooks.open_webui_secret": GUARD, "feedback.message_id_header": ""}
    [said] = advice(load_settings(None, {}, dotted), {})
    assert "feedback.message_id_header" in said


def test_the_secrets_are_known_to_the_net_under_the_log() -> None:
    settings = load_settings(None, {}, {**TOKEN, "hooks.secret": SECRET, "webhooks.open_webui_secret": GUARD})
    assert {SECRET, GUARD} <= set(secrets_of(settings))
    assert SECRET not in repr(settings)


def test_a_secret_that_was_made_is_never_forgotten_by_the_net() -> None:
    redaction = Redaction()
    redaction.keep(SECRET)
    for number in range(200):
        redaction.learn(f"sk-key-of-an-app-{number}")
    assert redaction(f"x {SECRET} y") == "x *** y"


def test_files_with_the_secrets_are_for_this_user_alone(tmp_path: Path) -> None:
    given = {"webhooks.open_webui_secret_file": str(tmp_path / "webui")}
    for name in ("webui", FILE_NAME):
        (tmp_path / name).write_text(SECRET)
        (tmp_path / name).chmod(0o644)
    settings = load_settings(None, {}, {**TOKEN, **given, "outbox.state_dir": str(tmp_path)})
    said = list(permission_advice(None, settings, lambda _: "ext4"))
    assert [each.partition(" ")[0] for each in said] == [str(tmp_path / "webui"), str(tmp_path / FILE_NAME)]
    config = tmp_path / "config.toml"
    config.write_text("[hooks]\ntoken = true\n")
    config.chmod(0o644)
    settings = load_settings(config, {}, {"outbox.state_dir": str(tmp_path / "empty")})
    assert list(permission_advice(config, settings, lambda _: "ext4")) == []
