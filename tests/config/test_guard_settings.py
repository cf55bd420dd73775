"""Who may come in, as the configuration says it: addresses, tokens, origins, providers' keys."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.programs import Program, run_command
from proxy.config.loading import advice, load_settings
from proxy.config.settings import Settings
from proxy.errors import ConfigurationError

TOKEN = "a-SECRET-token-of-24-bytes"
KEY = "sk-SECRET-of-a-provider"
ALL = "guard.dangerously_bind_all_interfaces"
WITH_TOKEN: Mapping[str, object] = {"guard.token": TOKEN}
NEEDS_TOKEN = "--host: names an address that other machines may reach, which needs a token: set guard.token"
NEEDS_FLAG = "--host: names all addresses of this machine (0.0.0.0 or ::)"


def load(flags: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(None, environ or {}, flags)


def problems(flags: Mapping[str, object], environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(flags, environ)
    assert "SECRET" not in str(caught.value) + repr(caught.value)
    return caught.value.problems


def notes(flags: Mapping[str, object]) -> str:
    said = "\n".join(advice(load(flags), {}))
    assert "SECRET" not in said
    return said


# -- addresses


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("127.0.0.2", "127.0.0.2"),
        ("FD00::0:5", "fd00::5"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("FE80::1%2", "fe80::1%2"),
        ("169.254.1.1", "169.254.1.1"),
    ],
)
def test_any_address_of_this_machine_can_be_listened_on(host: str, expected: str) -> None:
    assert load({"server.host": [host], **WITH_TOKEN}).server.host == (expected,)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("::ffff:127.0.0.1", "must be written as the IPv4 address that it is"),
        ("::ffff:192.168.1.5", "must be written as the IPv4 address that it is"),
        ("::ffff:0.0.0.0", "must be written as the IPv4 address that it is"),
        ("fe80::1", "must name its interface where it begins with fe80"),
        ("::1%lo", "must name its interface where it begins with fe80, as in fe80::1%eth0, and only there"),
        ("fe80::1%", "must be an IP address"),
        ("fe80::1%sk-SECRET", "must be an IP address"),
        ("fe80::1%a-name-that-is-too-long", "must be an IP address"),
        ("224.0.0.1", "must be an address of this machine"),
        ("ff02::1%eth0", "must be an address of this machine"),
        ("255.255.255.255", "must be an address of this machine"),
        ("example.test", "must be an IP address"),
        ("127.1", "must be an IP address"),
        ("127.0.0.1:80", "must be an IP address"),
        ("192.168.1.0/24", "must be an IP address"),
        ("[::1]", "must be an IP address"),
        ("", "must be an IP address"),
        ("*", "must be an IP address"),
    ],
)
def test_what_is_no_address_of_a_machine_is_told(host: str, expected: str) -> None:
    [problem] = problems({"server.host": ["127.0.0.1", host], **WITH_TOKEN})
    assert problem.startswith(f"--host: entry 2 {expected}")


@pytest.mark.parametrize("host", ["192.168.1.5", "fd00::5", "fe80::1%eth0", "203.0.113.9"])
def test_an_address_beyond_loopback_needs_a_token(host: str, tmp_path: Path) -> None:
    [problem] = problems({"server.host": ["localhost", host]})
    assert problem.startswith(NEEDS_TOKEN)

    file = tmp_path / "token"
    file.write_text(TOKEN)
    tokens = '{"ann": "a-SECRET-token-of-anns"}'
    for token in (("TOKEN", TOKEN), ("TOKEN_FILE", str(file)), ("TOKENS", tokens)):
        environ = {f"HELICONE_PROXY_GUARD__{token[0]}": token[1]}
        assert load({"server.host": [host]}, environ).server.host == (host,)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_need_a_token_and_a_flag(host: str) -> None:
    flag: dict[str, object] = {ALL: True}
    hosts: dict[str, object] = {"server.host": [host]}
    assert [each.partition(NEEDS_TOKEN)[1] for each in problems({**hosts, **flag})] == [NEEDS_TOKEN]
    assert [each.partition(NEEDS_FLAG)[1] for each in problems({**hosts, **WITH_TOKEN})] == [NEEDS_FLAG]
    assert [each[:30] for each in problems(hosts)] == [NEEDS_TOKEN[:30], NEEDS_FLAG[:30]]
    assert load({**hosts, **flag, **WITH_TOKEN}).server.host == (host,)


def test_the_flag_alone_has_no_effect() -> None:
    elsewhere: dict[str, object] = {"server.host": ["192.168.1.5"]}
    for hosts in ({}, elsewhere):
        assert problems({ALL: True, **WITH_TOKEN, **hosts}) == [
            f"{ALL}: has no effect: server.host names neither 0.0.0.0 nor ::"
        ]
    assert load({ALL: False}).guard.dangerously_bind_all_interfaces is False


@pytest.mark.parametrize(("hosts", "version"), [(["0.0.0.0", "localhost"], 4), (["::1", "::"], 6)])
def test_all_addresses_and_one_of_them_cannot_be(hosts: list[str], version: int) -> None:
    [problem] = problems({"server.host": hosts, ALL: True, **WITH_TOKEN})
    assert problem.startswith(f"--host: must name no other IPv{version} address beside ")
    both = load({"server.host": ["0.0.0.0", "::"], ALL: True, **WITH_TOKEN})
    assert both.server.host == ("0.0.0.0", "::")


def test_a_token_that_is_wrong_is_told_once() -> None:
    [problem] = problems({"server.host": ["192.168.1.5"], "guard.token": "SECRET"})
    assert problem.startswith("guard.token: must be 16 to 200 of")


@pytest.mark.parametrize(
    ("hosts", "url", "is_own"),
    [
        (["0.0.0.0"], "http://127.0.0.1:8747", True),
        (["0.0.0.0"], "http://127.0.0.9:8747", True),
        (["0.0.0.0"], "http://localhost:8747", True),
        (["0.0.0.0"], "http://0.0.0.0:8747", True),
        (["0.0.0.0"], "http://[::1]:8747", False),
        (["::"], "http://[::1]:8747", True),
        (["::"], "http://app.localhost:8747", True),
        (["::"], "http://127.0.0.1:8747", False),
        (["192.168.1.5"], "http://192.168.1.5:8747", True),
        (["192.168.1.5"], "http://192.168.1.5:8748", False),
        (["192.168.1.5"], "http://localhost:8747", False),
        (["192.168.1.5"], "http://127.0.0.1:8747", False),
        (["192.168.1.5"], "http://0.0.0.0:8747", False),
        (["fe80::1%eth0"], "http://[fe80::1]:8747", True),
        (["127.0.0.1"], "http://0.0.0.0:8747", True),
        (["127.0.0.1"], "http://[::ffff:127.0.0.1]:8747", True),
        (["127.0.0.1"], "http://[::]:8747", False),
        ([], "http://127.0.0.1:8747", False),
    ],
)
def test_the_sidecar_is_not_sent_to_itself(hosts: list[str], url: str, is_own: bool) -> None:
    environ = {"HELICONE_PROXY_SERVER__HOST": "[]"} if not hosts else {}
    flags: dict[str, object] = {
        "server.host": hosts,
        "routes.default.url": url,
        "server.unix_socket": "/run/x.sock",
        **WITH_TOKEN,
    }
    if not {"0.0.0.0", "::"}.isdisjoint(hosts):
        flags[ALL] = True
    if is_own:
        assert problems(flags, environ) == [
            "--upstream: is the sidecar's own address; it must lead to Helicone"
        ]
    else:
        assert load(flags, environ).routes["default"].url == url


@pytest.mark.parametrize("name", ["check", "serve"])
def test_the_programs_refuse_and_say_why(name: str) -> None:
    done = run_command(name, "--host", "192.0.2.7")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(NEEDS_TOKEN)
    assert done.stderr.count("\n") == 1


def test_serve_says_that_calls_need_a_token() -> None:
    env = {"HELICONE_PROXY_GUARD__TOKEN": TOKEN, "HELICONE_PROXY_OUTBOX__PATH": ":memory:"}
    with Program("serve", "--port", "0", env=env) as program:
        program.wait_for(r"^Calls need a token \(guard.token\): apps send it in the place of their API key.$")
        assert program.stop() == 0
    assert "SECRET" not in program.stdout + program.stderr


# -- the Unix socket


def test_a_unix_socket_needs_neither_address_nor_token() -> None:
    settings = load({"server.unix_socket": "/run/x.sock"}, {"HELICONE_PROXY_SERVER__HOST": "[]"})
    assert (settings.server.host, settings.server.unix_socket) == ((), "/run/x.sock")


def test_nothing_to_listen_on_is_a_problem() -> None:
    assert problems({}, {"HELICONE_PROXY_SERVER__HOST": "[]"}) == [
        (
            "HELICONE_PROXY_SERVER__HOST: must name at least one address, unless server.unix_socket names a Unix "
            "socket"
        )
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("proxy.sock", "must be an absolute path"),
        ("@abstract", "must be an absolute path"),
        ("/a\0b", "must be an absolute path"),
        ("/\ud800", "must be an absolute path"),
        ("/SECRET" + "x" * 107, "must be at most 107 bytes long, or no socket can have that name"),
        ("/" + "é" * 54, "must be at most 107 bytes long, or no socket can have that name"),
        ("/", "must name the socket itself, not a folder"),
    ],
)
def test_a_path_that_no_socket_can_have(path: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.config.problems.SOCKET_PATH_BYTES", 107)
    [problem] = problems({"server.unix_socket": path})
    assert problem.startswith(f"server.unix_socket: {expected}")


# -- tokens


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ("SECRET", "must be a table of tokens by name, such as "),
        ('["SECRET"]', "must be a table of tokens by name, such as "),
        ('{"ann": 1}', "ann must have text in quotes as its value"),
        ('{"ann": "SECRET"}', "ann must be 16 to 200 of A-Z"),
        (f'{{"Ann": "{TOKEN}"}}', "Ann must be a name of up to 40"),
        (f'{{"": "{TOKEN}"}}', "*** must be a name of up to 40"),
        (f'{{"sk-SECRET": "{TOKEN}"}}', "*** must be a name of up to 40"),
        (f'{{"a": "{TOKEN}", "b": "{TOKEN}"}}', "must give each name a token of its own"),
    ],
)
def test_tokens_in_the_environment_are_json_and_wrong_ones_are_told(tokens: str, expected: str) -> None:
    name = "HELICONE_PROXY_GUARD__TOKENS"
    [problem] = problems({}, {name: tokens})
    assert problem.startswith(f"{name}: {expected}")


def test_a_variable_for_one_name_is_no_setting() -> None:
    [problem] = problems({}, {"HELICONE_PROXY_GUARD__TOKENS__ANN": TOKEN})
    assert problem == (
        "HELICONE_PROXY_GUARD__TOKENS__ANN: names no setting; HELICONE_PROXY_GUARD__TOKENS is the whole table, as "
        'JSON: {"ann": "..."}'
    )


def test_a_token_has_one_name() -> None:
    [problem] = problems({"guard.token": TOKEN}, {"HELICONE_PROXY_GUARD__TOKENS": f'{{"ann": "{TOKEN}"}}'})
    assert problem == "guard.token: is one of guard.tokens, too; give each a token of its own"


def test_a_key_is_no_token() -> None:
    """Apps hold tokens so that they hold no keys."""
    key = "sk-helicone-SECRET-of-ours"
    said = problems({"guard.token": key, "helicone.api_key": key})
    assert said == ["guard.token: is the key in helicone.api_key, which no app should hold; make a new one"]
    [problem] = problems(
        {"routes.groq.provider_key": KEY}, {"HELICONE_PROXY_GUARD__TOKENS": f'{{"ann": "{KEY}"}}'}
    )
    assert problem.startswith(
        "HELICONE_PROXY_GUARD__TOKENS: that of ann is the key in routes.groq.provider_key"
    )


@pytest.mark.parametrize("token", ["a" * 48, "SECRET-" * 3])
def test_a_token_that_is_guessed_is_refused(token: str) -> None:
    [problem] = problems({"guard.token": token})
    assert problem.startswith("guard.token: must have 8 different characters at least")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HELICONE_PROXY_GUARD__TOKEN", "no token is needed"),
        ("HELICONE_PROXY_GUARD__TOKEN_FILE", "no token is needed"),
        ("HELICONE_API_KEY", "no Helicone key is configured"),
        ("HELICONE_API_KEY_FILE", "no Helicone key is configured"),
        ("HELICONE_PROXY_ROUTES__GROQ__PROVIDER_KEY", "the route groq has no provider's key"),
    ],
)
def test_an_empty_secret_of_the_environment_is_told(name: str, words: str) -> None:
    [note] = [each for each in advice(load({}, {name: ""}), {name: ""}) if name in each]
    assert note.startswith(f"{name} is set and empty, so {words}")
    held = {
        "guard.token": TOKEN,
        "helicone.api_key": "sk-helicone-SECRET",
        "routes.groq.provider_key": KEY,
    }
    assert name not in "".join(advice(load(held, {name: ""}), {name: ""}))


def test_names_beyond_this_machine_need_a_token_where_keys_are_given() -> None:
    names: dict[str, object] = {"guard.allowed_hosts": ["host.docker.internal"]}
    key = {**names, "helicone.api_key": "sk-helicone-SECRET"}
    assert "host.docker.internal get keys of this sidecar's" in notes(key)
    assert "host.docker.internal get keys" in notes({**names, "routes.default.provider_key": KEY})
    assert "get keys" not in notes(names) + notes({**key, **WITH_TOKEN})
    assert "get keys" not in notes({**key, "guard.allowed_hosts": ["localhost"]})


def test_all_addresses_answer_to_localhost_alone_until_names_are_listed() -> None:
    flags = {"server.host": ["0.0.0.0"], ALL: True, **WITH_TOKEN}
    assert "answers only to localhost until guard.allowed_hosts" in notes(flags)
    assert "answers only" not in notes({**flags, "guard.allowed_hosts": ["box.test"]})


def test_the_helicone_key_in_clear_text_is_warned_of() -> None:
    gateway = {"routes.default.url": "http://llm.example.test", "routes.default.helicone": True}
    key = {"helicone.api_key": "sk-helicone-SECRET"}
    said = "The Helicone key goes to {} in clear text"
    assert said.format("llm.example.test") in notes(gateway | key)
    assert said.format("api.example.test") in notes({"helicone.api_url": "http://api.example.test", **key})
    assert "clear text" not in notes(gateway)
    assert "clear text" not in notes({"helicone.api_url": "http://localhost:8585", **key})


# -- origins


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("*", "must be one exact origin: no wildcard exists"),
        ("https://*.example.com", "must be one exact origin: no wildcard exists"),
        ("null", "must be an origin: null is that of any page"),
        ("https://app.example.com/", "must be an origin such as"),
        ("https://app.example.com/path", "must be an origin such as"),
        ("app.example.com", "must be an origin such as"),
        ("https://SECRET@app.example.com", "must be an origin such as"),
        ("https://", "must be an origin such as"),
        ("", "must be an origin such as"),
    ],
)
def test_an_origin_is_exact(origin: str, expected: str) -> None:
    [problem] = problems({"guard.allowed_origins": ["https://one.example.com", origin]})
    assert problem.startswith(f"guard.allowed_origins: entry 2 {expected}")


def test_an_origin_has_one_spelling() -> None:
    given = ["HTTPS://App.Example.com:443", "http://localhost:3000", "chrome-extension://abcdef"]
    assert load({"guard.allowed_origins": given}).guard.allowed_origins == (
        "https://app.example.com",
        "http://localhost:3000",
        "chrome-extension://abcdef",
    )
    twice = ["https://a.example.com", "https://A.example.com:443"]
    assert problems({"guard.allowed_origins": twice}) == ["guard.allowed_origins: must list a name only once"]


def test_ones_own_origin_may_be_listed() -> None:
    """It has an effect: to a page of http://localhost:8747, http://127.0.0.1:8747 is another origin."""
    assert load({"guard.allowed_origins": ["http://localhost:8747"]}).guard.allowed_origins


def test_pages_in_clear_text_are_warned_of() -> None:
    assert "http://app.example.com come in clear text" in notes(
        {"guard.allowed_origins": ["http://app.example.com"]}
    )
    assert "clear text" not in notes(
        {"guard.allowed_origins": ["http://localhost:3000", "https://a.example.com"]}
    )


# -- providers' keys


@pytest.mark.parametrize("preset", ["ai-gateway", "rust-ai-gateway", "bedrock", "worker-api"])
def test_a_preset_without_a_place_for_a_providers_key(preset: str) -> None:
    [problem] = problems({"routes.mine.preset": preset, "routes.mine.provider_key": KEY})
    assert problem.startswith(
        f"routes.mine.provider_key: has no effect: calls on the preset {preset} carry no provider's key"
    )


def test_a_providers_key_where_the_helicone_key_stands() -> None:
    url = {"routes.mine.url": "https://llm.example.test", "routes.mine.helicone_key": "authorization"}
    [problem] = problems(url | {"routes.mine.provider_key": KEY})
    assert problem.startswith(
        "routes.mine.provider_key: has no effect: the Helicone key goes there in that header"
    )
    header = url | {"routes.mine.provider_key": KEY, "routes.mine.provider_key_header": "authorization"}
    assert problems(header) == [
        "routes.mine.provider_key_header: is where the Helicone key goes there; choose another header"
    ]
    assert load(header | {"routes.mine.provider_key_header": "x-api-key"}).routes["mine"].provider_key


def test_a_header_without_a_key_for_it_has_no_effect(tmp_path: Path) -> None:
    header = {"routes.default.provider_key_header": "api-key"}
    place = "routes.default.provider_key_header"
    assert problems(header) == [f"{place}: has no effect without provider_key"]
    # A key that cannot be read is told, and not that there is none.
    [problem] = problems(header | {"routes.default.provider_key_file": str(tmp_path / "none")})
    assert problem.startswith("routes.default.provider_key_file: the file ")


def test_targets_without_a_providers_key_have_no_effect() -> None:
    targets = {"guard.allowed_targets": ["https://api.openai.com"]}
    assert problems(targets) == ["guard.allowed_targets: has no effect: no route has a provider_key"]
    assert load(targets | {"routes.default.provider_key": KEY}).guard.allowed_targets
    # A route that leads nowhere yet has a key all the same.
    [problem] = problems(targets | {"routes.mine.provider_key": KEY})
    assert "needs a url" in problem


@pytest.mark.parametrize(
    "target",
    ["http://api.openai.com", "https://api.openai.com/v1", "api.openai.com", "https://*.openai.com", "*"],
)
def test_a_target_is_an_origin_that_is_encrypted(target: str) -> None:
    [problem] = problems({"guard.allowed_targets": [target], "routes.default.provider_key": KEY})
    assert problem.startswith("guard.allowed_targets: entry 1 must be ")


def test_a_providers_key_without_a_token_is_anybodys_on_this_machine() -> None:
    key = {"routes.default.provider_key": KEY}
    assert "Any program on this machine can spend the provider's key of the route default" in notes(key)
    assert "a placeholder in its place counts as a key of the app's own" in notes(key)
    assert "Any program" not in notes({**key, **WITH_TOKEN})
    alone = load(key | {"server.unix_socket": "/run/x.sock"}, {"HELICONE_PROXY_SERVER__HOST": "[]"})
    assert "Any program" not in "\n".join(advice(alone, {}))


def test_a_providers_key_in_clear_text_is_warned_of() -> None:
    key = {"routes.default.provider_key": KEY, **WITH_TOKEN}
    said = "The provider's key of the route default goes to llm.example.test in clear text"
    assert said in notes({**key, "routes.default.url": "http://llm.example.test"})
    for url in ("https://llm.example.test", "http://localhost:8585", "http://127.0.0.1:1"):
        assert "clear text" not in notes({**key, "routes.default.url": url})
