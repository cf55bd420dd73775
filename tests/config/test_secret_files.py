"""Secrets in files of their own: what is read, what overrides it, and one sentence for all that cannot be."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config.loading import load_settings
from proxy.config.settings import Settings
from proxy.errors import ConfigurationError

KEY = "sk-helicone-SECRET1-SECRET2-SECRET3-SECRET4"
TOKEN = "a-SECRET-token-of-24-bytes"
KEY_FILE = "HELICONE_PROXY_HELICONE__API_KEY_FILE"


def key_of(environ: Mapping[str, str], file: Path | None = None) -> str | None:
    return load_settings(file, environ, {}).helicone.own_key


def problem(environ: Mapping[str, str], file: Path | None = None) -> str:
    """What is wrong, which is one thing, and holds no secret."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, environ, {})
    [said] = caught.value.problems
    assert "SECRET" not in said + repr(caught.value)
    return said


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "helicone.key"
    file.write_text(f"{KEY}\n")
    return file


def values(settings: Settings) -> tuple[str | None, ...]:
    secrets = (
        settings.helicone.api_key,
        settings.guard.token,
        settings.routes["default"].provider_key,
        settings.routes["groq"].provider_key,
    )
    return tuple(None if each is None else each.text for each in secrets)


def test_every_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    """Also that of a route with a name of its own, and with the line's end that editors put behind it."""
    for name, text in (("a", KEY), ("b", TOKEN), ("c", "sk-one"), ("d", "\ufeffgsk_two\r\n")):
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
    settings = load_settings(
        None,
        {
            KEY_FILE: str(tmp_path / "a"),
            "HELICONE_PROXY_GUARD__TOKEN_FILE": str(tmp_path / "b"),
            "HELICONE_PROXY_ROUTES__DEFAULT__PROVIDER_KEY_FILE": str(tmp_path / "c"),
            "HELICONE_PROXY_ROUTES__GROQ__PROVIDER_KEY_FILE": str(tmp_path / "d"),
        },
        {},
    )
    assert values(settings) == (KEY, TOKEN, "sk-one", "gsk_two")
    assert settings.helicone.api_key_file == str(tmp_path / "a")


def test_a_file_of_the_users_home_may_be_named_so(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(key_file.parent))
    assert key_of({KEY_FILE: "~/helicone.key"}) == KEY


def test_a_later_source_overrides_a_secret_and_its_file_together(key_file: Path, tmp_path: Path) -> None:
    """A key of the environment wins over a file that the configuration names, which may not even be there."""
    config = tmp_path / "config.toml"
    config.write_text('[helicone]\napi_key_file = "/not/there"')
    assert key_of({"HELICONE_API_KEY": "sk-helicone-env"}, config) == "sk-helicone-env"

    config.write_text('[helicone]\napi_key = "sk-helicone-old"')
    assert key_of({KEY_FILE: str(key_file)}, config) == KEY


@pytest.mark.parametrize("name", ["HELICONE_API_KEY", "HELICONE_PROXY_HELICONE__API_KEY"])
def test_one_source_that_says_both_is_a_problem(name: str, key_file: Path) -> None:
    assert (
        problem({name: KEY, KEY_FILE: str(key_file)})
        == f"{KEY_FILE}: means the same as {name}; set one of them"
    )


def test_both_in_the_file_is_a_problem_though_the_environment_overrides_them(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[guard]\ntoken = "{TOKEN}"\ntoken_file = "/run/secrets/token"')
    said = problem({"HELICONE_PROXY_GUARD__TOKEN": TOKEN}, config)
    assert said == f"{config}: guard.token_file: means the same as {config}: guard.token; set one of them"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty: it must hold the secret"),
        (b" \r\n", "is empty: it must hold the secret"),
        (b"SECRET" * 20_000, "must hold the secret alone, and has more than 64 KiB"),
        (KEY.encode("utf-16"), "must hold the secret alone, as text in UTF-8"),
        (b"Bearer SECRET", "must be the key alone, without spaces and without `Bearer`"),
        (b"SECRET\nSECRET", "must be the key alone, without spaces and without `Bearer`"),
        (b"SECRET\0", "must be the key alone, without spaces and without `Bearer`"),
    ],
)
def test_a_file_that_holds_no_key_is_named_and_nothing_of_it_shown(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "helicone.key"
    if content is not None:
        file.write_bytes(content)
    assert problem({KEY_FILE: str(file)}) == f"{KEY_FILE}: the file {file} {expected}"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert (
        problem({KEY_FILE: str(tmp_path)})
        == f"{KEY_FILE}: the file {tmp_path} cannot be read (Is a directory)"
    )


def test_a_file_that_may_not_be_read_says_so(key_file: Path) -> None:
    key_file.chmod(0)
    try:
        key_file.read_bytes()
    except PermissionError:
        assert problem({KEY_FILE: str(key_file)}).endswith("cannot be read (Permission denied)")
    else:
        pytest.skip("this user may read everything")


def test_a_token_that_could_be_guessed_is_refused_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("SECRET")
    said = problem(
        {"HELICONE_PROXY_GUARD__TOKEN_FILE": str(file), "HELICONE_PROXY_SERVER__HOST": "192.0.2.1"}
    )
    # And not that a token is missing.
    assert said.startswith(f"HELICONE_PROXY_GUARD__TOKEN_FILE: the file {file} must be 16 to 200 of")


@pytest.mark.parametrize("path", [KEY, "secrets/key", "./key", "~nobody-of-that-name/key", "/a\0b", "\ud800"])
def test_a_path_is_absolute_and_a_key_in_its_place_is_not_shown(path: str) -> None:
    assert problem({KEY_FILE: path}) == (
        f"{KEY_FILE}: must be the absolute path of a file, as /run/secrets/helicone_key or ~/helicone_key"
    )


@pytest.mark.parametrize("token", ["/aSECRETbcdefghijk", "/SECRET/with+slashes=", "/tmp/aSECRET1b2c3d4e5f6"])
def test_a_token_that_begins_with_a_slash_is_not_shown(token: str) -> None:
    assert "cannot be read (No such file or directory)" in problem({KEY_FILE: token})


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path(os.devnull)):
        said = problem({KEY_FILE: str(place)})
        assert said.endswith(f"{place} must be a file: a pipe or a device could keep the start waiting")


def test_a_key_file_has_a_short_name_in_the_environment(key_file: Path) -> None:
    assert key_of({"HELICONE_API_KEY_FILE": str(key_file)}) == KEY
    assert problem({"HELICONE_API_KEY_FILE": str(key_file), KEY_FILE: "/other"}) == (
        f"HELICONE_API_KEY_FILE: differs from {KEY_FILE}; set one of them"
    )


def test_a_key_in_a_path_is_not_shown() -> None:
    said = problem({KEY_FILE: f"/run/secrets/{KEY}"})
    assert said == f"{KEY_FILE}: the file /run/secrets/*** cannot be read (No such file or directory)"
