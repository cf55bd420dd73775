"""Settings: three sources, later ones win; every problem at once, named where it stands, without a value."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.config.guarding import NamedToken
from proxy.config.kinds import ANY_NAME, Secret
from proxy.config.loading import advice, load_settings
from proxy.config.routes import Header, Route
from proxy.config.rules import Rule, When
from proxy.config.settings import FLAGS, Settings, describe_settings
from proxy.errors import ConfigurationError
from proxy.helicone import DEFAULT_GATEWAY_URL, api_url_for
from proxy.routing import resolve

SECRET = "sk-helicone-SECRET1-SECRET2-SECRET3-SECRET4"
TOKEN = "a-SECRET-token-of-24-bytes"
KEYS = ("helicone.api_key", "guard.token", "webhooks.open_webui_secret")
"""Settings that are a secret text themselves."""
EXAMPLE_FILE = Path(__file__).parents[2] / "config.example.toml"
AUTHORITY_FILE = Path(__file__).parent.parent / "authority.pem"
OWN = "own"
"""The name of a route, where settings of all routes are spoken of."""
SETTINGS = {
    doc.key.replace(ANY_NAME, OWN): replace(
        doc,
        key=doc.key.replace(ANY_NAME, OWN),
        environment=doc.environment.replace(ANY_NAME.upper(), OWN.upper()),
    )
    for doc in describe_settings()
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(
    text: str | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    if text is not None:
        assert config is not None
        config.write_text(text, encoding="utf-8")
    return load_settings(config, environ or {}, flags or {})


def problems(
    text: str | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> list[str]:
    """What is wrong, with the file's folder cut off."""
    with pytest.raises(ConfigurationError) as caught:
        load(text, config, environ, flags)
    assert caught.value.__cause__ is None
    said = str(caught.value) + repr(caught.value)
    for doc in SETTINGS.values():
        said = said.replace(doc.environment, "")
    assert "SECRET" not in said
    folder = f"{config.parent}/" if config is not None else "\0"
    return [problem.removeprefix(folder) for problem in caught.value.problems]


def as_table(settings: Settings) -> dict[str, object]:
    return asdict(settings)


# --- values and their order -------------------------------------------------------------------------------


def test_nothing_given_means_the_defaults() -> None:
    settings = load()

    assert settings.server.host == ("127.0.0.1", "::1")
    assert (settings.server.port, settings.server.grace_seconds) == (8747, 10)
    assert settings.routes == {"default": Route()}
    assert resolve(settings)[0].url == DEFAULT_GATEWAY_URL
    assert (settings.helicone.api_key, settings.helicone.api_url) == (None, None)
    assert settings.helicone.timeout_seconds == 10
    assert settings.upstream.via is True
    assert (settings.upstream.connect_timeout_seconds, settings.upstream.idle_timeout_seconds) == (10, 15)
    server, upstream = settings.server, settings.upstream
    assert server.max_connections == 9_500
    assert (server.head_timeout_seconds, server.body_timeout_seconds) == (15, 60)
    assert (server.idle_timeout_seconds, server.unread_timeout_seconds) == (75, 300)
    assert (upstream.first_byte_timeout_seconds, upstream.silence_timeout_seconds) == (None, None)
    assert (settings.upstream.max_connections, settings.upstream.max_idle_connections) == (10_000, 256)
    assert (settings.upstream.trust_env, settings.upstream.ca_file) == (False, None)
    assert settings.calls.capacity == 10_000
    feedback = settings.feedback
    assert (feedback.wait, feedback.timeout_seconds, feedback.hold_seconds) == ("accepted", 2, 0)
    assert (feedback.scope_header, feedback.strict) == (None, False)
    assert (settings.outbox.path, settings.outbox.state_dir, settings.outbox.max_size_mib) == (
        None,
        None,
        256,
    )
    delivery = settings.delivery
    assert (delivery.burst, delivery.per_second, delivery.first_look_seconds) == (30, 1, 20)
    guard = settings.guard
    assert (guard.allowed_hosts, guard.allowed_origins, guard.allowed_targets) == ((), (), ())
    assert (guard.token, guard.tokens, guard.dangerously_bind_all_interfaces) == (None, None, False)
    assert settings.server.unix_socket is None
    hooks = settings.hooks
    assert (hooks.id, hooks.url, hooks.link, hooks.token) == (True, True, False, False)
    assert (hooks.token_seconds, hooks.secret, hooks.secret_file) == (86_400, None, None)
    assert settings.webhooks.open_webui_secret is None
    assert (settings.log.level, settings.log.format) == ("info", "text")


def test_the_environment_overrides_the_file_and_flags_override_both(config: Path) -> None:
    file = "[server]\nport = 1\ngrace_seconds = 1\n[calls]\ncapacity = 1"
    environ = {"HELICONE_PROXY_SERVER__PORT": "2", "HELICONE_PROXY_SERVER__GRACE_SECONDS": "2.5"}

    settings = load(file, config, environ, {"server.port": 3})

    assert (settings.server.port, settings.server.grace_seconds, settings.calls.capacity) == (3, 2.5, 1)


OWN_GATEWAY = {"HELICONE_PROXY_ROUTES__OWN__URL": "https://llm.example.test"}
PROVIDER_KEY = {"HELICONE_PROXY_ROUTES__DEFAULT__PROVIDER_KEY": "sk-SECRET-of-a-provider"}
BESIDE = {
    "hooks.token_seconds": {"HELICONE_PROXY_HOOKS__TOKEN": "true"},
    "hooks.secret": {"HELICONE_PROXY_HOOKS__TOKEN": "true"},
    "routes.own.provider_key_header": {"HELICONE_PROXY_ROUTES__OWN__PROVIDER_KEY": "sk-SECRET-of-a-provider"},
    "guard.allowed_targets": PROVIDER_KEY,
    "guard.dangerously_bind_all_interfaces": {
        "HELICONE_PROXY_SERVER__HOST": "0.0.0.0",
        "HELICONE_PROXY_GUARD__TOKEN": "a-SECRET-token-of-24-bytes",
    },
}
APP = {"HELICONE_PROXY_INJECT__UPSTREAM": "http://127.0.0.1:3000"}
BESIDE |= dict.fromkeys(
    (
        "inject.port",
        "inject.host",
        *(f"inject.{of}_{place}" for of in ("user", "session") for place in ("cookie", "header")),
    ),
    APP,
)
"""What has to be set for a setting to have an effect."""
NO_HEADER = "must be the name of a header, such as X-OpenWebUI-Message-Id, or empty for none"
TEXTS = {
    "server.host": ("::1,127.0.0.1", ("::1", "127.0.0.1")),
    "server.port": ("0", 0),
    "server.unix_socket": ("~/proxy.sock", str(Path("~/proxy.sock").expanduser())),
    "server.grace_seconds": ("0", 0),
    "server.max_connections": ("7", 7),
    "server.head_timeout_seconds": ("1.5", 1.5),
    "server.body_timeout_seconds": ("5", 5),
    "server.idle_timeout_seconds": ("6", 6),
    "server.unread_timeout_seconds": ("7", 7),
    "routes.own.preset": ("groq", "groq"),
    "routes.own.url": ("http://gateway.test:8787/v1/", "http://gateway.test:8787/v1"),
    "routes.own.path": ("/a-path/below", "/a-path/below"),
    "routes.own.helicone": ("false", False),
    "routes.own.helicone_key": ("authorization", "authorization"),
    "routes.own.provider_key": (SECRET, Secret(SECRET)),
    "routes.own.provider_key_header": ("x-api-key", "x-api-key"),
    "routes.own.headers": ('{"Helicone-User-Id": "me"}', (Header("Helicone-User-Id", Secret("me")),)),
    "routes.own.realtime_url": ("https://api.example.test/realtime", "https://api.example.test/realtime"),
    "routes.own.api_url": ("http://gateway.test:8585", "http://gateway.test:8585"),
    "helicone.api_key": (SECRET, Secret(SECRET)),
    "helicone.api_url": ("http://[::1]:8585", "http://[::1]:8585"),
    "helicone.timeout_seconds": ("0.5", 0.5),
    "upstream.via": ("false", False),
    "upstream.connect_timeout_seconds": ("3", 3),
    "upstream.idle_timeout_seconds": ("4", 4),
    "upstream.first_byte_timeout_seconds": ("600", 600),
    "upstream.silence_timeout_seconds": ("0.25", 0.25),
    "upstream.max_connections": ("1000", 1000),
    "upstream.max_idle_connections": ("0", 0),
    "upstream.trust_env": ("true", True),
    "upstream.ca_file": (str(AUTHORITY_FILE), str(AUTHORITY_FILE)),
    "calls.capacity": ("1", 1),
    "calls.persist": ("true", True),
    "calls.preview": ("true", True),
    "feedback.wait": ("queued", "queued"),
    "feedback.timeout_seconds": ("60", 60),
    "feedback.hold_seconds": ("3600", 3600),
    "feedback.message_id_header": ("X-Chat-Id", "X-Chat-Id"),
    "feedback.scope_header": ("X-OpenWebUI-Chat-Id", "X-OpenWebUI-Chat-Id"),
    "feedback.strict": ("true", True),
    "outbox.path": ("~/ratings.db", str(Path("~/ratings.db").expanduser())),
    "outbox.state_dir": ("/var/lib/helicone-proxy", "/var/lib/helicone-proxy"),
    "outbox.max_size_mib": ("1", 1),
    "delivery.burst": ("5", 5),
    "delivery.per_second": ("0.2", 0.2),
    "delivery.first_look_seconds": ("3", 3),
    "guard.allowed_hosts": ("host.docker.internal, My_Box ,", ("host.docker.internal", "my_box")),
    "guard.allowed_origins": (
        "https://App.example.com:443,http://localhost:3000",
        ("https://app.example.com", "http://localhost:3000"),
    ),
    "guard.token": (f"{TOKEN}\n", Secret(TOKEN)),
    "guard.tokens": (
        json.dumps({"ann": TOKEN, "build-1": f"{TOKEN}2"}),
        (NamedToken("ann", Secret(TOKEN)), NamedToken("build-1", Secret(f"{TOKEN}2"))),
    ),
    "guard.allowed_targets": ("https://API.openai.com:443", ("https://api.openai.com",)),
    "guard.dangerously_bind_all_interfaces": ("true", True),
    "hooks.id": ("no", False),
    "hooks.url": ("0", False),
    "hooks.link": ("yes", True),
    "hooks.token": ("1", True),
    "hooks.token_seconds": ("60", 60),
    "hooks.secret": (f"{SECRET}\n", Secret(SECRET)),
    "webhooks.open_webui_secret": (f"{TOKEN}\n", Secret(TOKEN)),
    "inject.upstream": ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
    "inject.port": ("9001", 9001),
    "inject.host": ("::1", ("::1",)),
    "inject.user_cookie": ("user_id", "user_id"),
    "inject.user_header": ("X-Forwarded-User", "X-Forwarded-User"),
    "inject.session_cookie": ("chat.sid", "chat.sid"),
    "inject.session_header": ("X-Session", "X-Session"),
    "log.level": ("debug", "debug"),
    "log.format": ("json", "json"),
    "rules": (
        '[{"name": "slow", "when": {"duration_min_seconds": 9}, "rating": "down"}]',
        (Rule(name="slow", when=When(duration_min_seconds=9.0), rating=False),),
    ),
}


FILES = {
    "routes.own.provider_key_file": "routes.own.provider_key",
    "helicone.api_key_file": "helicone.api_key",
    "guard.token_file": "guard.token",
    "hooks.secret_file": "hooks.secret",
    "webhooks.open_webui_secret_file": "webhooks.open_webui_secret",
}
"""The settings that name a file, and what stands in it. tests/config/test_secret_files.py has more."""


def value_of(settings: Settings, key: str) -> object:
    value: object = settings
    for name in key.split("."):
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return value


def test_every_setting_is_tried() -> None:
    assert SETTINGS.keys() == TEXTS.keys() | FILES.keys()


@pytest.mark.parametrize("key", TEXTS)
@pytest.mark.parametrize("spelling", [str, str.lower])
def test_every_setting_has_an_environment_variable_in_any_case(
    key: str, spelling: Callable[[str], str]
) -> None:
    text, expected = TEXTS[key]
    beside = OWN_GATEWAY | BESIDE.get(key, {})
    settings = load(environ=beside | {spelling(SETTINGS[key].environment): text})

    assert value_of(settings, key) == expected


@pytest.mark.parametrize("key", TEXTS)
def test_every_setting_can_come_as_a_flags_text(key: str) -> None:
    text, expected = TEXTS[key]

    settings = load(environ=OWN_GATEWAY | BESIDE.get(key, {}), flags={key: text})
    assert value_of(settings, key) == expected


@pytest.mark.parametrize("key", SETTINGS)
def test_an_empty_environment_variable_is_not_set(key: str) -> None:
    assert as_table(load(environ={SETTINGS[key].environment: ""})) == as_table(load())


def test_a_list_in_the_environment_may_be_json() -> None:
    settings = load(environ={"HELICONE_PROXY_GUARD__ALLOWED_HOSTS": '["a.internal", "b.internal"]'})

    assert settings.guard.allowed_hosts == ("a.internal", "b.internal")


def test_flags_come_as_click_gives_them() -> None:
    settings = load(flags={"server.host": ("127.0.0.1",), "server.port": 0, "log.format": None})
    assert (settings.server.host, settings.server.port, settings.log.format) == (("127.0.0.1",), 0, "text")

    assert load(flags={"server.host": ()}).server.host == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["localhost"], ["127.0.0.1", "::1"]),
        (["localhost", "127.0.0.1"], ["127.0.0.1", "::1"]),
        (["127.0.0.2", "localhost"], ["127.0.0.2", "127.0.0.1", "::1"]),
        (["0:0:0:0:0:0:0:1"], ["::1"]),
    ],
)
def test_localhost_means_both_loopback_addresses(given: list[str], expected: list[str]) -> None:
    assert load(flags={"server.host": given}).server.host == tuple(expected)


def test_the_helicone_key_has_a_short_name_in_the_environment() -> None:
    for environ in (
        {"HELICONE_API_KEY": SECRET},
        {"HELICONE_API_KEY": f"{SECRET}\n"},
        {"HELICONE_API_KEY": SECRET, "HELICONE_PROXY_HELICONE__API_KEY": SECRET},
        {"HELICONE_API_KEY": SECRET, "HELICONE_PROXY_HELICONE__API_KEY": ""},
    ):
        key = load(environ=environ).helicone.api_key
        assert key is not None
        assert key.text == SECRET


def test_the_environments_key_overrides_the_files(config: Path) -> None:
    key = load(
        '[helicone]\napi_key = "sk-helicone-old"', config, {"HELICONE_API_KEY": SECRET}
    ).helicone.api_key

    assert key == Secret(SECRET)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, api_url_for(None)),
        ({"HELICONE_API_KEY": "sk-helicone-a"}, api_url_for(None)),
        ({"HELICONE_API_KEY": "sk-helicone-eu-a"}, api_url_for("sk-helicone-eu-a")),
        (
            {
                "HELICONE_API_KEY": "sk-helicone-eu-a",
                "HELICONE_PROXY_HELICONE__API_URL": "http://localhost:1",
            },
            "http://localhost:1",
        ),
    ],
)
def test_the_api_is_the_one_set_or_the_one_of_the_keys_region(environ: dict[str, str], expected: str) -> None:
    assert load(environ=environ).helicone.resolved_api_url == expected


def test_settings_are_frozen_and_their_repr_holds_no_key() -> None:
    settings = load(environ={"HELICONE_API_KEY": SECRET})

    assert "SECRET" not in repr(settings) + str(settings) + repr(settings.helicone)
    with pytest.raises(FrozenInstanceError):
        settings.server.port = 1  # type: ignore[misc]


def test_the_processs_own_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELICONE_PROXY_SERVER__PORT", "1")
    monkeypatch.setenv("HELICONE_API_KEY", SECRET)

    assert as_table(load()) == as_table(Settings())
    assert load().server.port == 8747


def test_the_clients_own_variable_is_no_setting_and_no_problem() -> None:
    assert as_table(load(environ={"HELICONE_PROXY_URL": "http://x", "HELICONE_OTHER": "y"})) == as_table(
        load()
    )


# --- problems ---------------------------------------------------------------------------------------------


def test_all_problems_of_all_sources_come_at_once(config: Path) -> None:
    file = '[server]\nport = "x"\nprot = 1\n[calls]\ncapacity = 0\n[routes.default]\nhelicone = true'
    environ = {"HELICONE_PROXY_SERVER__PORT": "x", "HELICONE_PROXY_CALLS__CAPACTY": "1"}

    assert problems(file, config, environ, {"server.port": "x", "log.format": "xml"}) == [
        "config.toml: server.prot: names no setting; did you mean server.port?",
        "config.toml: server.port: must be a whole number",
        "config.toml: calls.capacity: must be 1 or more",
        "HELICONE_PROXY_CALLS__CAPACTY: names no setting; did you mean HELICONE_PROXY_CALLS__CAPACITY?",
        "HELICONE_PROXY_SERVER__PORT: must be a whole number",
        "--port: must be a whole number",
        "--log-format: must be 'text' or 'json'",
        "config.toml: routes.default.helicone: has no effect: the Helicone key may go to that host anyway",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nport 1", "config.toml:2: this is not valid TOML, column 6 "),
        ("[server]\nport = ", "config.toml:2: this is not valid TOML"),
        (f"[helicone]\napi_key = {SECRET}", "config.toml:2: this is not valid TOML"),
        (f"{SECRET} = 1\n{SECRET} = 2", "config.toml:2: this is not valid TOML"),
        (f"a.{SECRET} = 1\n[a.{SECRET}]", "config.toml:2: this is not valid TOML"),
        (f"a = {{{SECRET}=1, {SECRET}=2}}", "config.toml:1: this is not valid TOML"),
        (f'[helicone]\napi_key = "{SECRET}\n', "config.toml:2: this is not valid TOML"),
        ("a = [1,\n2,\n", "config.toml:2: this is not valid TOML"),
        ("a = " + "9" * 5000, "config.toml: a number is too long"),
        ("a = " + "[" * 20_000, "config.toml: "),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_its_line(config: Path, text: str, expected: str) -> None:
    [problem] = problems(text, config)

    assert problem.startswith(expected)


def test_a_file_that_cannot_be_read_is_one_problem(config: Path) -> None:
    assert problems(config=config) == ["config.toml: the file does not exist"]
    assert problems(config=config.parent)[0].endswith(": the file cannot be read (Is a directory)")
    config.write_bytes(b"[server]\n# \xff")
    assert problems(config=config) == ["config.toml:2: the file is not UTF-8 text"]


def test_an_unreadable_file_does_not_hide_the_other_sources_problems(config: Path) -> None:
    assert problems("x", config, {"HELICONE_PROXY_LOG__LEVEL": "loud"})[1:] == [
        "HELICONE_PROXY_LOG__LEVEL: must be 'debug', 'info', 'warning' or 'error'"
    ]


def test_a_byte_order_mark_is_no_problem(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf[server]\r\nport = 1\r\n")

    assert load(config=config).server.port == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port = 1", "port: names no setting; did you mean server.port or inject.port?"),
        ("[sever]\nport = 1", "sever.port: names no setting; did you mean server.port?"),
        (
            "[helicone]\napi_kye = 'SECRET'",
            "helicone.api_kye: names no setting; did you mean helicone.api_key?",
        ),
        (
            "[helicone]\napi-key = 'SECRET'",
            "helicone.api-key: names no setting; did you mean helicone.api_key?",
        ),
        ("[helicone]\ntotally = 1", "helicone.totally: names no setting"),
        (f"[helicone]\n{SECRET} = 1", "helicone.***: names no setting"),
        ("['SECRET\\u001b[31m and more']\nx = 1", "***.x: names no setting"),
        ("'server.port' = 1", "***.***: names no setting; did you mean server.port?"),
        ("[unknown]", "unknown: names no setting"),
        ("_env_file = '/etc/passwd'", "_env_file: names no setting"),
        ("_cli_parse_args = true", "_cli_parse_args: names no setting"),
        ("server = 1", "server: is a section: write [server], and its settings below"),
        ("[[server]]\nport = 1", "server: is a section: write [server], and its settings below"),
        (
            "[routes]\ndefault = 'x'",
            "routes.default: is a section: write [routes.default], and its settings below",
        ),
        ("[routes]\nurl = 'x'", "routes.url: names no setting; did you mean routes.default.url?"),
        (
            "[routes.azure]\nulr = 'x'",
            "routes.azure.ulr: names no setting; did you mean routes.azure.url?",
        ),
        (
            "[routes.Azure]\nurl = 'x'",
            "routes.Azure.url: a route's name is up to 40 of a-z, 0-9 and -, begins with a letter, and is no key",
        ),
        (
            f"[routes.{SECRET}]\nurl = 'x'",
            "routes.***.url: a route's name is up to 40 of a-z, 0-9 and -, begins with a letter, and is no key",
        ),
        ("[routes]\nazure = 'x'", "routes.azure: is a section: write [routes.azure], and its settings below"),
        ("[server.port]\na = 1", "server.port: must be a whole number"),
        ("[server.port]", "server.port: must be a whole number"),
    ],
)
def test_a_key_that_names_no_setting(config: Path, text: str, expected: str) -> None:
    assert problems(text, config) == [f"config.toml: {expected}"]


@pytest.mark.parametrize("table", ["server", "routes", "routes.default", "hooks"])
def test_an_empty_section_is_no_problem(config: Path, table: str) -> None:
    assert as_table(load(f"[{table}]", config)) == as_table(load())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "HELICONE_PROXY_SERVER__PROT",
            "did you mean HELICONE_PROXY_SERVER__PORT?",
        ),
        (
            "HELICONE_PROXY_SERVER_PORT",
            "did you mean HELICONE_PROXY_SERVER__PORT?",
        ),
        ("HELICONE_PROXY_PORT", "did you mean HELICONE_PROXY_SERVER__PORT or HELICONE_PROXY_INJECT__PORT?"),
        ("helicone_proxy_port", "did you mean HELICONE_PROXY_SERVER__PORT or HELICONE_PROXY_INJECT__PORT?"),
        ("HELICONE_PROXY_SERVER", "names no setting"),
        ("HELICONE_PROXY_", "names no setting"),
        ("HELICONE_PROXY_ZZZ", "names no setting"),
    ],
)
def test_a_variable_with_our_prefix_that_names_no_setting(name: str, expected: str) -> None:
    [problem] = problems(environ={name: '{"port": "SECRET"}'})

    assert problem.startswith(f"{name.upper()}: names no setting")
    assert problem.endswith(expected)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("server.port = '1'", "must be a whole number"),
        ("server.port = true", "must be a whole number"),
        ("server.port = 1.5", "must be a whole number"),
        ("server.port = -1", "must be 0 or more"),
        ("server.port = 65536", "must be 65535 or less"),
        ("server.grace_seconds = -0.1", "must be 0 or more"),
        ("server.grace_seconds = '1'", "must be a number"),
        ("server.grace_seconds = nan", "must be a finite number"),
        ("server.host = '127.0.0.1'", 'must be a list of texts, such as ["one", "two"]'),
        ("server.host = []", "must name at least one address, unless server.unix_socket names a Unix socket"),
        ("upstream.via = 1", "must be true or false"),
        ("upstream.via = 'true'", "must be true or false"),
        ("upstream.connect_timeout_seconds = 0", "must be more than 0"),
        ("upstream.idle_timeout_seconds = inf", "must be a finite number"),
        ("feedback.timeout_seconds = 60.5", "must be 60 or less"),
        ("feedback.hold_seconds = 3601", "must be 3600 or less"),
        ("feedback.hold_seconds = -1", "must be 0 or more"),
        ('feedback.message_id_header = "X Chat"', NO_HEADER),
        ('feedback.message_id_header = "X-Chat:"', NO_HEADER),
        ("feedback.wait = 'stored'", "must be 'queued', 'accepted' or 'verified'"),
        ("helicone.timeout_seconds = 1979-05-27", "must be a number"),
        ("calls.capacity = 0", "must be 1 or more"),
        ("calls.capacity = 1000001", "must be 1000000 or less"),
        (
            "feedback.scope_header = 'X Chat'",
            NO_HEADER,
        ),
        ("feedback.scope_header = 'X-API-Key'", "must be a header without secrets in it: its value is shown"),
        (
            "feedback.scope_header = 'helicone-auth'",
            "must be a header without secrets in it: its value is shown",
        ),
        *(
            (
                f"feedback.scope_header = '{name}'",
                "must be a header without secrets in it: its value is shown",
            )
            for name in (
                "X-Goog-Api-Key",
                "Helicone-JWT",
                "Helicone-Authorization",
                "Proxy-Authorization",
                "Cookie",
            )
        ),
        ("feedback.strict = 'yes'", "must be true or false"),
        ("hooks.id = 'yes'", "must be true or false"),
        ("log.level = 'INFO'", "must be 'debug', 'info', 'warning' or 'error'"),
        ("log.format = 1", "must be 'text' or 'json'"),
        ("routes.default.helicone = 'yes'", "must be true or false"),
        ("routes.default.url = 1", "must be text in quotes"),
        ("helicone.api_key = 1", "must be text in quotes"),
        ("helicone.api_key = ''", "must not be empty; leave it out to run without a key"),
        ("helicone.api_key = 'Bearer SECRET'", "must be the key alone, without spaces and without `Bearer`"),
        ('helicone.api_key = "SECRET\\u0000"', "must be the key alone, without spaces and without `Bearer`"),
        ("helicone.api_key = 'SECRETä'", "must be the key alone, without spaces and without `Bearer`"),
    ],
)
def test_a_wrong_value_is_told_in_a_users_words(config: Path, setting: str, expected: str) -> None:
    key = setting.partition(" ")[0]

    assert problems(setting, config) == [f"config.toml: {key}: {expected}"]


@pytest.mark.parametrize("key", [key for key in SETTINGS if key not in KEYS])  # A key may be any of it.
@pytest.mark.parametrize(
    "text",
    [
        "SECRET x",
        "[",
        "[" * 20_000,
        '["SECRET',
        '[{"SECRET": 1}]',
        "9" * 5000,
        "[" + "9" * 5000,
        "SECRET\udc80",
        "SECRET\x00",
    ],
)
def test_a_wrong_text_in_the_environment_is_a_problem_of_its_variable(key: str, text: str) -> None:
    [problem] = {problem.partition(":")[0] for problem in problems(environ={SETTINGS[key].environment: text})}

    assert problem == SETTINGS[key].environment


@pytest.mark.parametrize("key", ["routes.default.url", "helicone.api_url"])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "must be a URL that begins with http:// or https://"),
        ("oai.example.test", "must be a URL that begins with http:// or https://"),
        ("ftp://example.test", "must be a URL that begins with http:// or https://"),
        ("http:/example.test", "must be a URL that begins with http:// or https://"),
        ("https://user:SECRET@example.test", "must be a URL without user name and password"),
        ("https://SECRET@example.test/v1", "must be a URL without user name and password"),
        ("https://example.test?key=SECRET", "must be a URL without query and fragment"),
        ("https://example.test/#SECRET", "must be a URL without query and fragment"),
        ("https://example.test/a b", "must be a URL without spaces, backslashes or characters beyond ASCII"),
        (
            "https://example.test\\@SECRET",
            "must be a URL without spaces, backslashes or characters beyond ASCII",
        ),
        ("https://exämple.test", "must be a URL without spaces, backslashes or characters beyond ASCII"),
        ("https://", "must be a URL with a host"),
        ("https:///v1", "must be a URL with a host"),
        ("https://example.test:port", "must be a URL with a host"),
        ("https://example.test:65536", "must be a URL with a host"),
        ("https://[::1", "must be a URL with a host"),
        ("https://127.1", "must be a URL with a host"),
    ],
)
def test_a_url_that_nothing_can_be_sent_to(key: str, url: str, expected: str) -> None:
    [problem] = problems(flags={key: url})

    assert problem.startswith(f"{FLAGS[key]}: {expected}")


@pytest.mark.parametrize("environ", [{"HELICONE_API_KEY": "SECRET-one"}, {"helicone_api_key": "SECRET-one"}])
def test_two_keys_that_differ_are_a_problem(environ: dict[str, str]) -> None:
    assert problems(environ=environ | {"HELICONE_PROXY_HELICONE__API_KEY": "SECRET-two"}) == [
        "HELICONE_API_KEY: differs from HELICONE_PROXY_HELICONE__API_KEY; set one of them"
    ]


def test_a_bad_key_is_named_as_the_user_set_it() -> None:
    [problem] = problems(environ={"HELICONE_API_KEY": "Bearer SECRET"})

    assert problem.startswith("HELICONE_API_KEY: must be the key alone")


# --- settings without effect ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        DEFAULT_GATEWAY_URL,
        DEFAULT_GATEWAY_URL.upper().replace("HTTPS", "https"),
        "http://localhost:1",
        "http://[::1]:1/v1",
        "http://127.0.0.9",
        "http://app.localhost:1",
    ],
)
@pytest.mark.parametrize("mark", [True, False])
def test_marking_a_host_that_may_have_the_key_anyway_has_no_effect(url: str, mark: bool) -> None:
    assert problems(flags={"routes.default.url": url, "routes.default.helicone": mark}) == [
        "routes.default.helicone: has no effect: the Helicone key may go to that host anyway"
    ]


def test_marking_a_host_of_ones_own_has_an_effect() -> None:
    settings = load(flags={"routes.default.url": "https://llm.example.test", "routes.default.helicone": True})

    assert settings.routes["default"].helicone is True


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("0.0.0.0", "has no effect: 0.0.0.0"),
        ("::", "has no effect: 0.0.0.0"),
        ("*", "must be one exact name: no wildcard exists"),
        ("*.internal", "must be one exact name: no wildcard exists"),
        ("http://a.internal", "must be a name alone, without scheme and path"),
        ("a.internal/v1", "must be a name alone, without scheme and path"),
        ("a.internal:8747", "must be a name without a port: any port is allowed"),
        ("[fd00::5]:80", "must be a name without a port: any port is allowed"),
        ("a b", "must be a host name or an IP address in its usual form"),
        ("", "must be a host name or an IP address in its usual form"),
        ("2130706433", "must be a host name or an IP address in its usual form"),
        ("user@a.internal", "must be a host name or an IP address in its usual form"),
        ("büro.internal", "must be a host name or an IP address in its usual form"),
    ],
)
def test_an_allowed_host_that_allows_nothing(entry: str, expected: str) -> None:
    [problem] = problems(flags={"guard.allowed_hosts": ["a.internal", entry]})

    assert problem.startswith(f"guard.allowed_hosts: entry 2 {expected}")


@pytest.mark.parametrize("entry", ["localhost", "app.LOCALHOST", "127.0.0.1", "[::1]"])
def test_this_machines_own_names_need_not_be_listed_and_may_be(entry: str) -> None:
    allowed = load(flags={"guard.allowed_hosts": ["a.internal", entry]})
    [note] = [each for each in advice(allowed, {}) if "need not list" in each]
    assert note.startswith(f"guard.allowed_hosts need not list {entry.lower().strip('[]')}")


def test_an_allowed_host_listed_twice_has_no_effect() -> None:
    assert problems(flags={"guard.allowed_hosts": ["a.internal", "A.internal"]}) == [
        "guard.allowed_hosts: must list a name only once"
    ]


@pytest.mark.parametrize("key", ["routes.default.url", "helicone.api_url"])
@pytest.mark.parametrize(
    "url",
    ["http://localhost:8747", "http://127.0.0.1:8747/v1", "http://[::1]:8747", "https://localhost:8747"],
)
def test_the_sidecar_is_not_sent_to_itself(key: str, url: str) -> None:
    assert problems(flags={key: url}) == [
        f"{FLAGS[key]}: is the sidecar's own address; it must lead to Helicone"
    ]


def test_another_port_or_address_of_this_machine_is_not_the_sidecar() -> None:
    assert load(flags={"routes.default.url": "http://localhost:8787"}).server.port == 8747
    assert load(flags={"routes.default.url": "http://127.0.0.2:8747"}).server.port == 8747
    assert load(flags={"routes.default.url": "http://localhost", "server.port": 0}).server.port == 0
    assert problems(flags={"routes.default.url": "http://localhost", "server.port": 80})


# --- nothing leaks, nothing crashes -----------------------------------------------------------------------


@pytest.mark.parametrize("key", SETTINGS)
def test_a_key_in_any_wrong_place_is_never_shown(config: Path, key: str) -> None:
    files = [f'{key}x = "{SECRET}"', f'{key} = {{ "{SECRET}" = "{SECRET}" }}', f'{key} = [["{SECRET}"]]']
    environment = [SETTINGS[key].environment + "X"]
    if key not in {*KEYS, "guard.allowed_hosts"}:  # It is a key, and could be a host's name.
        files.append(f'{key} = "{SECRET}"')
        environment.append(SETTINGS[key].environment)

    for text in files:
        assert problems(text, config)  # `problems` looks for the key.
    for name in environment:
        assert problems(environ={name: SECRET})


@pytest.mark.parametrize("key", ["outbox.path", "outbox.state_dir"])
@pytest.mark.parametrize(
    "text", ["", "state", "./state", "~nobody-of-that-name/x", "/a\0b", "state/:memory:"]
)
def test_the_outboxs_place_does_not_depend_on_where_one_starts(key: str, text: str) -> None:
    [said] = problems(flags={key: text})

    assert said.removeprefix(FLAGS.get(key, key)).startswith(": must be a")


def test_a_folder_is_no_file_for_the_outbox(tmp_path: Path) -> None:
    assert problems(flags={"outbox.path": str(tmp_path)}) == ["outbox.path: must name a file, not a folder"]
    [too_long] = problems(flags={"outbox.path": "/" + "x" * 5000})
    assert too_long.startswith("outbox.path: must be a path that can be used")


def test_a_state_folder_beside_a_path_has_no_effect(config: Path) -> None:
    assert problems('[outbox]\npath = "/tmp/a.db"\nstate_dir = "/tmp"', config) == [
        "config.toml: outbox.state_dir: has no effect beside path, which names the file itself"
    ]


def test_ratings_in_memory_only_are_warned_of() -> None:
    [said] = [each for each in advice(load(flags={"outbox.path": ":memory:"}), {}) if "memory" in each]

    assert "lost when the sidecar ends" in said


@given(
    st.dictionaries(st.sampled_from(sorted(SETTINGS)), st.text(max_size=20), max_size=4),
    st.dictionaries(st.sampled_from(sorted(SETTINGS)), st.text(max_size=20), max_size=4),
)
@example({"server.host": "[" * 5}, {"helicone.api_key": "null"})
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_setting_or_a_problem(environ: dict[str, str], flags: dict[str, str]) -> None:
    names = {SETTINGS[key].environment for key in environ} | {FLAGS.get(key, key) for key in flags}
    found: list[str] = []
    try:
        load(environ={SETTINGS[key].environment: text for key, text in environ.items()}, flags=flags)
    except ConfigurationError as error:
        found = error.problems

    assert {problem.partition(":")[0] for problem in found} <= names


# --- the way out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "must name a file that can be read (No such file or directory)"),
        ("", "must name a file with certificates in PEM form: this one holds none"),
        ("SECRET", "must name a file with certificates in PEM form: this one holds none"),
        ("-----BEGIN CERTIFICATE-----\nU0VDUkVU\n-----END CERTIFICATE-----\n", "must name a file with cert"),
    ],
)
def test_a_bundle_without_certificates_is_a_problem(
    tmp_path: Path, config: Path, content: str | None, expected: str
) -> None:
    bundle = tmp_path / "SECRET.pem"
    if content is not None:
        bundle.write_text(content)

    [said] = problems(f'[upstream]\nca_file = "{bundle.as_posix()}"', config)

    assert said.startswith(f"config.toml: upstream.ca_file: {expected}")


@pytest.mark.parametrize("name", ["", ".", "\0", "~nobody-of-that-name/x", "x" * 5000, "\ud800"])
def test_what_is_no_file_at_all_is_a_problem_too(name: str) -> None:
    [said] = problems(flags={"upstream.ca_file": name or "."})

    assert said.startswith("upstream.ca_file: must name a file")


def test_a_bundle_may_be_below_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_bytes(AUTHORITY_FILE.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))

    assert load(flags={"upstream.ca_file": "~/ca.pem"}).upstream.ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("https://SECRET:SECRET@proxy.test", "must name a proxy that is spoken to over http://"),
        ("socks5h://SECRET@proxy.test:1080", "must name a proxy that is spoken to over http://"),
        ("http://SECRET:SECRET@", "must name a proxy as http://host:port"),
        ("http://proxy.test:99999", "must name a proxy as http://host:port"),
        ("http://SECRET:a b@proxy.test", "must name a proxy as http://host:port"),
        ("http://proxy.test:1/path", "must name a proxy as http://host:port"),
    ],
)
def test_a_proxy_that_is_to_be_used_and_cannot_be_is_a_problem(proxy: str, expected: str) -> None:
    environ = {"HTTPS_PROXY": proxy}

    [said] = problems(environ=environ, flags={"upstream.trust_env": "true"})
    assert said.startswith(f"HTTPS_PROXY: {expected}")
    # It is told as well where only the ratings would go through it.
    local = {"routes.default.url": "http://127.0.0.1:1", "upstream.trust_env": "true"}
    assert problems(environ=environ, flags=local) == [said]
    assert load(environ=environ).upstream.trust_env is False
    # Apps may send keys of the other region.
    european = {"HELICONE_API_KEY": "sk-helicone-eu-a"}
    european["NO_PROXY"] = urlsplit(api_url_for(european["HELICONE_API_KEY"])).netloc
    assert problems(environ=environ | european, flags=local) == [said]
    environ["NO_PROXY"] = urlsplit(api_url_for(None)).netloc  # The other one's name is below it.
    assert load(environ=environ, flags=local).upstream.trust_env is True


@pytest.mark.parametrize(
    ("url", "environ", "trust_env", "is_told"),
    [
        ("https://oai.helicone.ai", {"HTTPS_PROXY": "http://SECRET@proxy.test"}, "false", True),
        ("https://oai.helicone.ai", {"https_proxy": "socks5://SECRET"}, "false", True),
        ("https://oai.helicone.ai", {"HTTPS_PROXY": "http://proxy.test"}, "true", False),
        (
            "https://oai.helicone.ai",
            {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "helicone.ai"},
            "false",
            False,
        ),
        ("https://localhost:8443", {"HTTPS_PROXY": "http://proxy.test"}, "false", False),
        ("http://127.0.0.1:8787", {"HTTPS_PROXY": "http://proxy.test"}, "false", False),
        ("https://oai.helicone.ai", {"HTTPS_PROXY": ""}, "false", False),
        ("https://oai.helicone.ai", {"HTTP_PROXY": "http://proxy.test"}, "false", False),
    ],
)
def test_a_proxy_that_is_not_used_is_told(
    url: str, environ: dict[str, str], trust_env: str, is_told: bool
) -> None:
    said = advice(load(flags={"routes.default.url": url, "upstream.trust_env": trust_env}), environ)

    assert sum("trust_env = true" in each for each in said) == is_told
    assert "SECRET" not in "".join(said)


def test_keeping_more_connections_than_may_be_open_has_no_effect() -> None:
    [said] = problems(flags={"upstream.max_connections": "10", "upstream.max_idle_connections": "11"})

    assert said.startswith("upstream.max_idle_connections: has no effect above max_connections")
    assert load(flags={"upstream.max_connections": "10"}).upstream.max_idle_connections == 256


def test_keeping_calls_where_there_is_no_file_has_no_effect() -> None:
    [said] = problems(flags={"calls.persist": "true", "outbox.path": ":memory:"})

    assert said == "calls.persist: has no effect beside outbox.path :memory:, where no file is"
    assert load(flags={"calls.persist": "true"}).calls.persist
    assert not load(flags={"calls.persist": "false", "outbox.path": ":memory:"}).calls.persist


# --- documents --------------------------------------------------------------------------------------------


def uncommented(mark: str) -> str:
    """The example file with the lines that begin with `mark` in force, and no other setting."""
    lines = EXAMPLE_FILE.read_text(encoding="utf-8").splitlines()
    return "\n".join(re.sub(rf"^{mark} (\w+ = )", r"\1", line) for line in lines)


def keys_of(table: Mapping[str, object], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, value in table.items():
        is_table = isinstance(value, dict) and name not in ("headers", "tokens")
        keys |= keys_of(value, f"{prefix}{name}.") if is_table else {prefix + name}  # type: ignore[arg-type]
    return keys


def test_every_setting_is_described() -> None:
    everything = replace(Settings(), routes={OWN: Route()})
    assert keys_of(as_table(everything)) == set(SETTINGS)
    for doc in SETTINGS.values():
        assert re.fullmatch(r"[A-Z].*\.", doc.sentence), doc.key
        assert doc.type
        assert doc.environment == f"HELICONE_PROXY_{doc.key.upper().replace('.', '__')}"
        assert value_of(everything, doc.key) == doc.default
    assert {key.replace("default", OWN) for key in FLAGS} <= {*SETTINGS, "routes"}


def test_the_example_file_changes_nothing_as_it_is(config: Path) -> None:
    assert as_table(load(config=EXAMPLE_FILE)) == as_table(load())


def test_the_example_file_shows_every_setting_at_its_default(config: Path) -> None:
    text = uncommented("#")

    assert keys_of(tomllib.loads(text)) == {key for key, doc in SETTINGS.items() if doc.default is not None}
    assert as_table(load(text, config)) == as_table(load())


def test_the_example_file_shows_an_example_of_every_setting_without_default(config: Path) -> None:
    text = uncommented("##").replace("company-ca.pem", AUTHORITY_FILE.as_posix())
    # Tokens that everybody can read here are nobody's.
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"guard\.token: must be 16 to 200 of") as caught:
        load_settings(config, {"USER": "me"}, {"routes.default.url": "https://llm.example.test"})
    assert len([each for each in caught.value.problems if "must be 16 to 200 of" in each]) == 4
    for name in ("token", "ann", "build", "open_webui_secret", "secret"):
        text = text.replace(f'{name} = "..."', f'{name} = "{TOKEN}-{name}"')
    text = text.replace("[hooks]", "[hooks]\ntoken = true")

    shown = {key.replace("routes.default.", f"routes.{OWN}.") for key in keys_of(tomllib.loads(text))}
    shown -= {"hooks.token"}
    assert shown == {key for key, doc in SETTINGS.items() if doc.default is None}
    # The outbox's path and the folder for it are two ways to say one thing; so are a secret and its file.
    usable = re.sub(
        r"^(state_dir|path|api_key_file|provider_key_file|token_file|\w*secret_file) = .*$",
        "",
        text,
        flags=re.MULTILINE,
    )
    settings = load(usable, config, {"USER": "me"}, {"routes.default.url": "https://llm.example.test"})
    assert settings.routes["default"].headers == (
        Header("Helicone-User-Id", Secret("me")),
        Header("Helicone-Property-Team", Secret("blue")),
    )


def test_the_example_file_has_every_settings_sentence_above_it() -> None:
    words = re.sub(
        r"\s+", " ", re.sub(r"^#+ ", "", EXAMPLE_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )

    for key, doc in SETTINGS.items():
        assert f"{doc.sentence} {key.rpartition('.')[2]} = " in words


@pytest.mark.parametrize("key", ["routes.default.url", "helicone.api_url"])
def test_keys_do_not_travel_in_clear_text_to_helicone(key: str) -> None:
    for scheme in ("http", "HTTP"):
        with pytest.raises(ConfigurationError, match="https://"):
            load_settings(None, {}, {key: f"{scheme}://oai.helicone.ai"})
