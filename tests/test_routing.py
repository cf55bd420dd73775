"""Routes as they hold, what is wrong with them, and what is worth saying: every sentence."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.calls.route_rules import rules_of
from proxy.config.loading import advice, load_settings
from proxy.config.settings import Settings
from proxy.errors import ConfigurationError
from proxy.presets import PRESETS
from proxy.routing import ResolvedRoute, resolve

SECRET = "sk-helicone-SECRET1-SECRET2-SECRET3-SECRET4"
EU_KEY = "sk-helicone-eu-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"
OWN = "https://llm.example.test"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(
    text: str = "",
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *routes: str,
    **flags: object,
) -> Settings:
    if config is not None:
        config.write_text(text)
    return load_settings(config, environ or {}, {"routes": routes, **flags})


def problems(
    text: str = "",
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *routes: str,
    **flags: object,
) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(text, config, environ, *routes, **flags)
    assert "SECRET" not in str(caught.value) + repr(caught.value)
    folder = f"{config.parent}/" if config is not None else "\0"
    return [problem.removeprefix(folder) for problem in caught.value.problems]


def only(settings: Settings, name: str) -> ResolvedRoute:
    (route,) = (each for each in resolve(settings) if each.name == name)
    return route


# -- where routes come from


def test_an_empty_table_means_the_preset_of_its_name(config: Path) -> None:
    default, anthropic, groq = resolve(load("[routes.anthropic]\n[routes.groq]\npath = '/g'", config))
    assert (default.name, default.path, default.preset, default.url) == (
        "default",
        "",
        "openai",
        PRESETS["openai"].url,
    )
    assert (anthropic.name, anthropic.path, anthropic.url) == (
        "anthropic",
        "/anthropic",
        PRESETS["anthropic"].url,
    )
    assert (groq.path, groq.url) == ("/g", PRESETS["groq"].url)


def test_a_url_of_its_own_makes_a_route_a_plain_one_unless_it_names_a_preset(config: Path) -> None:
    text = f"""[routes.ai-gateway]
url = '{OWN}'
[routes.mine]
url = '{OWN}/x'
preset = 'ai-gateway'
[routes.other]
url = '{OWN}'"""
    settings = load(text, config)
    named, marked, plain = (only(settings, name) for name in ("ai-gateway", "mine", "other"))
    assert (named.preset, named.key_name, named.url) == ("ai-gateway", b"authorization", OWN)
    assert (marked.preset, marked.key_name, marked.url) == ("ai-gateway", b"authorization", f"{OWN}/x")
    assert (plain.preset, plain.key_name, plain.url) == (None, b"helicone-auth", OWN)


@pytest.mark.parametrize(
    ("url", "preset"),
    [
        ("https://ai-gateway.helicone.ai", "ai-gateway"),
        ("https://AI-gateway.helicone.ai.:443/", "ai-gateway"),
        ("https://oai.helicone.ai", "openai"),
        ("https://oai.eu.hconeai.com", "eu"),
        ("http://localhost:8585/v1/gateway/anthropic", "self-hosted-anthropic"),
        ("https://oai.helicone.ai/v1", None),
        ("https://oai.helicone.ai:444", None),
        ("http://localhost:8585", None),
        (OWN, None),
    ],
)
def test_a_presets_own_url_is_the_preset(url: str, preset: str | None) -> None:
    for name, settings in (
        ("r", load("", None, None, f"r={url}")),
        ("default", load("", None, None, **{"routes.default.url": url})),
    ):
        assert only(settings, name).preset == preset


def test_who_says_where_a_route_goes_means_no_earlier_preset_or_url(config: Path) -> None:
    upstream = {"routes.default.url": "https://oai.helicone.ai"}
    settings = load("[routes.default]\npreset = 'ai-gateway'", config, None, **upstream)
    assert (only(settings, "default").preset, only(settings, "default").key_name) == (
        "openai",
        b"helicone-auth",
    )
    text = f"[routes.ai]\nurl = '{OWN}'\npath = '/x'"
    route = only(load(text, config, None, "ai=ai-gateway"), "ai")
    assert (route.url, route.path) == (PRESETS["ai-gateway"].url, "/x")
    environ = {
        "HELICONE_PROXY_ROUTES__AI__PRESET": "ai-gateway",
        "HELICONE_PROXY_ROUTES__AI__URL": f"{OWN}/y",
    }
    route = only(load(text, config, environ), "ai")
    assert (route.preset, route.url) == ("ai-gateway", f"{OWN}/y"), "one source may say both"


def test_flags_say_routes_by_name_by_preset_and_by_url() -> None:
    settings = load("", None, None, "anthropic", "fast=groq", f"mine={OWN}/a=b")
    assert [(route.name, route.path, route.url) for route in resolve(settings)[1:]] == [
        ("anthropic", "/anthropic", PRESETS["anthropic"].url),
        ("fast", "/fast", PRESETS["groq"].url),
        ("mine", "/mine", f"{OWN}/a=b"),
    ]


def test_the_environment_says_routes_with_underscores_for_hyphens() -> None:
    environ = {
        "HELICONE_PROXY_ROUTES__AI_GATEWAY__PRESET": "ai-gateway",
        "HELICONE_PROXY_ROUTES__MY_OWN__URL": OWN,
        "helicone_proxy_routes__my_own__headers": '{"X-Team": "blue"}',
        "HELICONE_PROXY_ROUTES__MY_OWN__API_URL": "http://gateway.test:8585",
    }
    settings = load("", None, environ)
    assert [route.name for route in resolve(settings)] == ["default", "ai-gateway", "my-own"]
    mine = only(settings, "my-own")
    assert (mine.url, mine.api_url) == (OWN, "http://gateway.test:8585")
    assert [(each.name, each.value.text) for each in mine.headers] == [("X-Team", "blue")]


def test_all_sources_speak_of_one_route(config: Path) -> None:
    environ = {
        "HELICONE_PROXY_ROUTES__ANTHROPIC__PATH": "/b",
        "HELICONE_PROXY_ROUTES__ANTHROPIC__HELICONE": "true",
    }
    settings = load("[routes.anthropic]\npath = '/a'", config, environ, f"anthropic={OWN}")
    route = only(settings, "anthropic")
    assert (route.path, route.url, route.may_have_key) == ("/b", OWN, True)


# -- what follows


@pytest.mark.parametrize(
    ("text", "key", "api_url", "realtime_url"),
    [
        ("[routes.r]\npreset = 'openai'", None, None, "https://api.helicone.ai/v1/gateway/oai/realtime"),
        ("[routes.r]\npreset = 'eu'", EU_KEY, None, "https://eu.api.helicone.ai/v1/gateway/oai/realtime"),
        ("[routes.r]\npreset = 'eu'", None, None, "https://eu.api.helicone.ai/v1/gateway/oai/realtime"),
        (
            "[routes.r]\npreset = 'self-hosted'",
            None,
            "http://localhost:8585",
            "http://localhost:8585/v1/gateway/oai/realtime",
        ),
        (
            "[routes.r]\npreset = 'self-hosted'\nurl = 'https://h.test/jawn/v1/gateway/oai'\nhelicone = true",
            None,
            "https://h.test",
            "https://h.test/jawn/v1/gateway/oai/realtime",
        ),
        ("[routes.r]\npreset = 'self-hosted-anthropic'", None, "http://localhost:8585", None),
        ("[routes.r]\npreset = 'rust-ai-gateway'", None, None, None),
        ("[routes.r]\npreset = 'groq'", None, None, None),
        (f"[routes.r]\nurl = '{OWN}'", None, None, None),
        (
            f"[routes.r]\npreset = 'openai'\napi_url = '{OWN}'",
            None,
            OWN,
            "https://api.helicone.ai/v1/gateway/oai/realtime",
        ),
        (
            f"[routes.r]\npreset = 'openai'\nurl = '{OWN}/oai'\napi_url = '{OWN}'",
            None,
            OWN,
            f"{OWN}/v1/gateway/oai/realtime",
        ),
        (f"[routes.r]\npreset = 'openai'\nurl = '{OWN}'", None, None, None),
        ("[routes.r]\npreset = 'openai'\nurl = 'https://groq.helicone.ai'", None, None, None),
        (f"[routes.r]\npreset = 'openai'\nrealtime_url = '{OWN}/rt'", None, None, f"{OWN}/rt"),
        (
            f"[helicone]\napi_url = '{OWN}'\n[routes.r]\npreset = 'openai'",
            None,
            None,
            "https://api.helicone.ai/v1/gateway/oai/realtime",
        ),
        (
            f"[helicone]\napi_url = '{OWN}'\n[routes.r]\npreset = 'openai'\nurl = '{OWN}/oai'",
            None,
            None,
            f"{OWN}/v1/gateway/oai/realtime",
        ),
    ],
)
def test_the_api_and_the_realtime_host_of_a_route(
    config: Path, text: str, key: str | None, api_url: str | None, realtime_url: str | None
) -> None:
    environ = {} if key is None else {"HELICONE_API_KEY": key}
    route = only(load(text, config, environ), "r")
    assert (route.api_url, route.realtime_url, route.realtime_path) == (
        api_url,
        realtime_url,
        "/r/v1/realtime",
    )


@pytest.mark.parametrize(
    ("url", "may_have_it"),
    [
        ("https://oai.helicone.ai", True),
        ("https://OAI.helicone.ai.", True),
        ("https://evilhelicone.ai", False),
        ("http://localhost.:1", True),
        ("http://[::ffff:127.0.0.1]:1", True),
        ("http://[::ffff:10.0.0.1]:1", False),
        ("http://a.localhost:1", True),
        (OWN, False),
    ],
)
def test_one_reading_of_a_host_decides_where_our_key_may_go(url: str, may_have_it: bool) -> None:
    route = only(load("", None, None, f"r={url}"), "r")
    assert route.may_have_key is may_have_it
    assert (rules_of(route, SECRET).key_line is not None) is may_have_it


def test_the_realtime_host_is_judged_by_itself(config: Path) -> None:
    text = f"[routes.r]\nurl = '{OWN}'\nhelicone = true\nrealtime_url = '%s'"
    for url, may_have_it in (
        (f"{OWN}:444/x", True),
        (OWN.replace("https:", "http:") + ":81", False),
        ("https://other.test", False),
        ("http://localhost:1", True),
    ):
        route = only(load(text % url, config), "r")
        assert (rules_of(route, SECRET).key_line is not None) is True
        assert (rules_of(route, SECRET, realtime=True).key_line is not None) is may_have_it


def test_where_the_gateway_needs_no_mark_it_is_on_the_realtime_host_that_was_given(config: Path) -> None:
    text = f"[routes.r]\nurl = 'http://localhost:1'\nhelicone = true\nrealtime_url = '{OWN}/rt'"
    route = only(load(text, config), "r")
    assert (route.may_have_key, route.realtime_may_have_key) == (True, True)


def test_our_key_stands_in_helicone_auth_on_every_realtime_session(config: Path) -> None:
    text = f"[routes.r]\npreset = 'ai-gateway'\nrealtime_url = '{OWN}/rt'"
    route = only(load(f"{text}\nhelicone = true", config), "r")
    calls, sessions = rules_of(route, SECRET), rules_of(route, SECRET, realtime=True)
    assert (calls.key_name, sessions.key_name) == (b"authorization", b"helicone-auth")
    assert sessions.key_line == b"Helicone-Auth: Bearer " + SECRET.encode() + b"\r\n"
    without = only(load(f"{text}\nhelicone_key = 'none'", config), "r")
    assert rules_of(without, SECRET, realtime=True).key_line is None


@pytest.mark.parametrize(
    ("more", "may_have_it"),
    [("", False), ("helicone = true", True), (f"api_url = '{OWN}'", True)],
)
def test_our_key_goes_to_an_api_that_was_given_or_that_a_trusted_gateway_has(
    config: Path, more: str, may_have_it: bool
) -> None:
    text = f"[routes.r]\npreset = 'self-hosted'\nurl = '{OWN}/v1/gateway/oai'\n{more}"
    route = only(load(text, config), "r")
    assert (route.api_url, route.api_may_have_key) == (OWN, may_have_it)
    assert resolve(load())[0].api_may_have_key


def test_only_some_gateways_pass_audio_and_files_on_unread() -> None:
    raw = {name for name in PRESETS if only(load("", None, None, f"r={name}"), "r").passes_raw}
    assert raw == {"openai", "eu", "azure", "anthropic"}
    assert only(load("", None, None, f"r={OWN}"), "r").passes_raw


def test_headers_of_the_configuration_are_the_calls_scope(config: Path) -> None:
    text = """[routes.r]
preset = "groq"
headers = { Helicone-User-Id = "me", helicone-session-id = "s", Helicone-Property-Team = "blue", X-A = "1" }"""
    rules = rules_of(only(load(text, config), "r"), None)
    assert (rules.user, rules.session, dict(rules.properties)) == ("me", "s", {"team": "blue"})
    plain = rules_of(resolve(load())[0], None)
    assert (plain.user, plain.session, dict(plain.properties)) == (None, None, {})


def test_headers_take_what_they_name_from_the_environment(config: Path) -> None:
    text = '[routes.r]\npreset = "groq"\nheaders = { A = "${WHO}-${WHO}", B = "$$5 for ${WHO}$${WHO}" }'
    headers = only(load(text, config, {"WHO": "$me"}), "r").headers
    assert [each.value.text for each in headers] == ["$me-$me", "$5 for $me${WHO}"]
    assert "$me" not in repr(headers)


# -- problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[routes.antropic]",
            "routes.antropic: needs a url, or the name of a preset; did you mean anthropic?",
        ),
        (
            "[routes.mine]\npath = '/x'",
            "routes.mine: needs a url, or the name of a preset; they are " + ", ".join(PRESETS),
        ),
        (
            "[routes.mine]\npreset = 'antropic'",
            "routes.mine.preset: must be the name of a preset; did you mean anthropic?",
        ),
        ("[routes.mine]\nurl = 'x'", "routes.mine.url: must be a URL that begins with http:// or https://"),
        (
            "[routes.a]\npreset = 'groq'\npath = '/groq'\n[routes.groq]",
            "routes.groq: has the path of the route a; choose another",
        ),
        (
            "[routes.feedback]\npreset = 'groq'",
            "routes.feedback: the path /feedback is the sidecar's own; choose another",
        ),
        (
            "[routes.groq]\npath = '/feedback/x'",
            "routes.groq.path: the path /feedback is the sidecar's own; choose another",
        ),
        (
            "[routes.default]\npath = '/x'",
            "routes.default.path: has no effect: the route named default takes what no other does",
        ),
        (
            "[routes.groq]\nhelicone = true",
            "routes.groq.helicone: has no effect: the Helicone key may go to that host anyway",
        ),
        (
            f"[routes.r]\nurl = '{OWN}'\nhelicone = true\nhelicone_key = 'none'",
            "routes.r.helicone: has no effect beside helicone_key: no key is to go there",
        ),
        (
            "[routes.r]\nurl = 'http://groq.helicone.ai'",
            "routes.r.url: must begin with https:// there, or keys would go in clear text",
        ),
        (
            "[routes.groq]\nrealtime_url = 'http://api.helicone.ai/x'",
            "routes.groq.realtime_url: must begin with https:// there, or keys would go in clear text",
        ),
        (
            "[routes.groq]\napi_url = 'http://api.helicone.ai.'",
            "routes.groq.api_url: must begin with https:// there, or keys would go in clear text",
        ),
        (
            "[routes.groq]\nhelicone_key = 'x-api-key'",
            "routes.groq.helicone_key: must be 'helicone-auth', 'authorization' or 'none'",
        ),
        (
            "[routes.groq]\nhelicone_key = 'authorization'",
            (
                "routes.groq.helicone_key: the Helicone key would stand in Authorization, which that gateway "
                "hands on to the provider; only the AI gateway takes it there"
            ),
        ),
        (
            "[routes.ai-gateway]\nurl = 'https://oai.helicone.ai'",
            (
                "routes.ai-gateway.url: the Helicone key would stand in Authorization, which that gateway "
                "hands on to the provider; only the AI gateway takes it there"
            ),
        ),
    ],
)
def test_a_route_that_cannot_be(config: Path, text: str, expected: str) -> None:
    assert problems(text, config) == [f"config.toml: {expected}"]


@pytest.mark.parametrize("setting", ["url", "realtime_url", "api_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8747",
        "http://localhost.:8747/x",
        "http://a.localhost:8747",
        "http://[::ffff:127.0.0.1]:8747",
    ],
)
def test_no_url_of_a_route_is_the_sidecars_own(config: Path, setting: str, url: str) -> None:
    text = f"[routes.r]\npreset = 'groq'\n{setting} = '{url}'"
    assert problems(text, config) == [
        f"config.toml: routes.r.{setting}: is the sidecar's own address; it must lead to Helicone"
    ]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "x",
        "/x/",
        "//x",
        "/x//y",
        "/.",
        "/x/..",
        "/a%20b",
        "/%61",
        "/a?b",
        "/a#b",
        "/a b",
        "/ä",
        "/a\\\\b",
    ],
)
def test_a_path_that_no_call_can_have_as_it_is(config: Path, path: str) -> None:
    [said] = problems(f'[routes.groq]\npath = "{path}"', config)
    assert said.startswith("config.toml: routes.groq.path: must be a path such as /anthropic")


def test_the_paths_that_a_route_can_have(config: Path) -> None:
    for path in ("/a", "/a/b.c", "/a-b/~_!$&'()*+,;=:@/1"):
        assert only(load(f'[routes.groq]\npath = "{path}"', config), "groq").path == path


def test_a_path_holds_no_key(config: Path) -> None:
    [said] = problems(f'[routes.groq]\npath = "/{SECRET}"', config)
    assert said.startswith("config.toml: routes.groq.path: must hold no key")


@pytest.mark.parametrize("text", ["routes = 3", "[[routes]]\nurl = 'x'"])
def test_routes_is_a_table_of_sections(config: Path, text: str) -> None:
    assert problems(text, config) == [
        "config.toml: routes: is a table of sections: write [routes.<name>] for each, and its settings below"
    ]


def test_a_route_needs_a_name_of_its_own(config: Path) -> None:
    [said] = problems("[routes.'<name>']\npreset = 'groq'", config)
    assert said.startswith("config.toml: routes.***.preset: a route's name is up to 40 of a-z")
    [said] = problems("", None, {"HELICONE_PROXY_ROUTES__<NAME>__PRESET": "groq"})
    assert "names no setting" in said


@pytest.mark.parametrize("keys", [("routes", "routes.default.url"), ("routes.default.url", "routes")])
def test_two_flags_that_say_where_the_default_route_goes_are_a_problem(keys: tuple[str, str]) -> None:
    values = {"routes": ("default=groq",), "routes.default.url": OWN}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, {key: values[key] for key in keys})
    assert caught.value.problems == ["--route: names the route default twice; say once where it goes"]


def test_what_a_route_says_whatever_the_app_sends_is_said_once(config: Path) -> None:
    text = "[routes.self-hosted]\nheaders = { Accept-Encoding = 'gzip', Helicone-User-Id = 'SECRET' }"
    rules = rules_of(only(load(text, config), "self-hosted"), None)
    assert [name for name, _ in rules.added] == [b"helicone-user-id"]
    assert [name for name, _ in rules.instead] == [b"accept-encoding"]
    assert "SECRET" not in repr(rules)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"A B" = "1"', "*** is no name that a header can have"),
        ('"" = "1"', "*** is no name that a header can have"),
        ('Authorization = "SECRET"', "Authorization cannot be added: keys and ids belong to the app"),
        ('X-API-Key = "SECRET"', "X-API-Key cannot be added: keys and ids belong to the app"),
        ('api-key = "SECRET"', "api-key cannot be added: keys and ids belong to the app"),
        ('Helicone-Auth = "SECRET"', "Helicone-Auth cannot be added: keys and ids belong to the app"),
        ('Helicone-Request-Id = "SECRET"', "Helicone-Request-Id cannot be added: keys and ids belong to the app"),
        *(
            (f'{name} = "SECRET"', f"{name} cannot be added: it is about the connection or the body")
            for name in (
                "Host", "Cookie", "Via", "Expect", "Connection", "Content-Length", "Transfer-Encoding", "TE",
                "Trailer", "Upgrade", "Proxy-Authorization", "Origin", "Sec-Fetch-Mode",
            )
        ),
        ("A = 1", "A must have text in quotes as its value"),
        ('A = ""', "A must have a value of visible ASCII characters"),
        ('A = "SECRET\\r\\nB: 1"', "A must have a value of visible ASCII characters"),
        ('A = "SECRET\\u0000"', "A must have a value of visible ASCII characters"),
        ('A = " SECRET"', "A must have a value of visible ASCII characters"),
        ('A = "SECRETä"', "A must have a value of visible ASCII characters"),
        ('A = "SECRET$"', "A has a $ that means nothing"),
        ('A = "SECRET${1}"', "A has a $ that means nothing"),
        ('A = "${NOT_SET}"', "A needs NOT_SET in the environment, where it is not set"),
        ('A = "SECRET${EMPTY}"', "A needs EMPTY in the environment, where it is not set"),
        ('A = "SECRET${BAD}"', "A cannot have what BAD is in the environment: only visible ASCII can be sent"),
        ('A = "1", a = "2"', "must name a header only once: case makes no difference"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_added(config: Path, header: str, expected: str) -> None:
    environ = {"EMPTY": "", "BAD": "SECRET\n"}
    [said] = problems(f"[routes.groq]\nheaders = {{ {header} }}", config, environ)
    assert said.startswith(f"config.toml: routes.groq.headers: {expected}")


def test_headers_are_a_table(config: Path) -> None:
    for text in ("'SECRET'", "['SECRET']", "1"):
        [said] = problems(f"[routes.groq]\nheaders = {text}", config)
        assert said.startswith("config.toml: routes.groq.headers: must be a table of headers, such as")


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (("Groq",), "must be NAME, NAME=PRESET or NAME=URL; a route's name is up to 40 of a-z, 0-9 and -"),
        ((SECRET,), "must be NAME, NAME=PRESET or NAME=URL; a route's name"),
        (("=groq",), "must be NAME, NAME=PRESET or NAME=URL; a route's name"),
        (("groq", "groq=anthropic"), "names the route groq twice; say once where it goes"),
        (("r=grok",), "must be the name of a preset; did you mean groq?"),
        ((f"r={SECRET}",), "must be the name of a preset; they are openai, "),
        (("r=",), "must be the name of a preset"),
        (("grok",), "needs a url, or the name of a preset; did you mean groq?"),
        ((f"r=https://x.test/{SECRET}",), "must hold no key"),
    ],
)
def test_a_flag_that_makes_no_route(routes: tuple[str, ...], expected: str) -> None:
    [said] = problems("", None, None, *routes)
    assert said.startswith(f"--route: {expected}")


def test_two_variables_that_mean_one_setting_are_a_problem() -> None:
    environ = {
        "HELICONE_PROXY_ROUTES__AI_GATEWAY__URL": OWN,
        "HELICONE_PROXY_ROUTES__AI-GATEWAY__URL": OWN,
    }
    [said] = problems("", None, environ)
    assert said == (
        "HELICONE_PROXY_ROUTES__AI-GATEWAY__URL: means the same as HELICONE_PROXY_ROUTES__AI_GATEWAY__URL; set "
        "one of them"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HELICONE_PROXY_ROUTES__GROQ__ULR", "HELICONE_PROXY_ROUTES__GROQ__URL"),
        ("HELICONE_PROXY_ROUTES__GROQ", ""),
        ("HELICONE_PROXY_ROUTES____URL", "HELICONE_PROXY_ROUTES__DEFAULT__URL"),
    ],
)
def test_a_variable_of_a_route_that_means_nothing(name: str, meant: str) -> None:
    [said] = problems("", None, {name: "SECRET"})
    assert said.startswith(f"{name}: names no setting")
    assert meant in said


def test_all_problems_of_all_routes_come_at_once(config: Path) -> None:
    text = "[routes.a]\n[routes.b]\npath = 'x'\nurl = 'SECRET'\n[routes.c]\nulr = 'x'"
    said = problems(text, config, {"HELICONE_PROXY_ROUTES__D__PATH": "/d"}, "e=f")
    assert [each.partition(": ")[0] + ": " + each.split(": ")[1].split(" ")[0] for each in said] == [
        "config.toml: routes.c.ulr",
        "config.toml: routes.b.path",
        "config.toml: routes.b.url",
        "--route: must",
        "config.toml: routes.a",
        "config.toml: routes.c",
        "HELICONE_PROXY_ROUTES__D__PATH: needs",
    ]


# -- notes


def notes(text: str, config: Path, **environ: str) -> list[str]:
    return advice(load(text, config, environ), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[routes.groq]", None),
        (
            "[routes.azure]",
            (
                "Calls on the route azure need Helicone-OpenAI-Api-Base: the app sends it, or [routes.azure] "
                "headers adds it."
            ),
        ),
        ("[routes.azure]\nheaders = { helicone-openai-api-base = 'https://x.openai.azure.com' }", None),
        (
            "[routes.gateway]",
            (
                "Calls on the route gateway need Helicone-Target-URL: the app sends it, or [routes.gateway] "
                "headers adds it."
            ),
        ),
        (
            "[routes.a]\npreset = 'groq'\n[routes.b]\npreset = 'mistral'\npath = '/a/v1'",
            "Calls below /a/v1 go to b, and not to a, which has /a.",
        ),
        (
            "[routes.groq]\npath = '/v1'",
            "Calls below /v1 go to groq: apps that mean the default gateway ask for such paths, too.",
        ),
        (
            "[routes.r]\nurl = 'https://groq.helicone.ai/v1'",
            "[routes.r] The gateway's URL ends in /v1, and so does an app's base URL: calls will go to /v1/v1.",
        ),
        (
            f"[routes.r]\nurl = '{OWN}'",
            (
                "llm.example.test is no host of Helicone's, so it gets no Helicone key but the app's own. If it "
                "is a Helicone gateway of your own, set helicone = true in [routes.r]; if it is not, Helicone has "
                "none of its calls, and their ratings get nowhere."
            ),
        ),
        (
            f"[routes.r]\nurl = '{OWN}'\nhelicone = true",
            (
                "Ratings of calls to llm.example.test go to https://api.helicone.ai. If that gateway has an API "
                "of its own, set api_url in [routes.r]."
            ),
        ),
        (f"[routes.r]\nurl = '{OWN}'\nhelicone = true\napi_url = '{OWN}'", None),
        (f"[helicone]\napi_url = '{OWN}'\n[routes.r]\nurl = '{OWN}'\nhelicone = true", None),
        (f"[routes.r]\nurl = '{OWN}'\nhelicone_key = 'none'", None),
        ("[routes.self-hosted]\n[routes.rust-ai-gateway]", None),
        ("[routes.eu]", None),
        (
            f"[routes.groq]\nrealtime_url = '{OWN}'",
            (
                "Realtime sessions on the route groq go to llm.example.test without the Helicone key. If that is "
                "a Helicone of your own, set helicone = true in [routes.groq]."
            ),
        ),
        (f"[routes.groq]\nhelicone = true\nrealtime_url = '{OWN}'", None),
        (
            (
                f"[routes.r]\nurl = '{OWN}'\nhelicone = true\napi_url = '{OWN}'\n"
                f"realtime_url = '{OWN.replace('https:', 'http:')}:81'"
            ),
            (
                "Realtime sessions on the route r go to llm.example.test without the Helicone key: helicone = "
                "true is about the host and the scheme of its url."
            ),
        ),
    ],
)
def test_what_is_worth_saying_of_a_route(config: Path, text: str, expected: str | None) -> None:
    assert notes(text, config) == ([] if expected is None else [expected])


def test_a_route_for_europe_with_a_key_of_elsewhere_is_told(config: Path) -> None:
    key = "sk-helicone-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"
    assert notes("[routes.eu]", config, HELICONE_API_KEY=EU_KEY) == []
    assert notes("[routes.eu]", config, HELICONE_API_KEY=key) == [
        "The route eu is for Europe, and the Helicone key is not: its calls are most likely not logged there."
    ]


def test_one_note_names_all_hosts_that_a_proxy_is_not_used_for(config: Path) -> None:
    settings = load("[routes.groq]", config)
    [said] = advice(settings, {"HTTPS_PROXY": "http://proxy.test", "NO_PROXY": "api.helicone.ai"})
    assert said.startswith(
        "HTTPS_PROXY is set, and is not used: calls go to oai.helicone.ai, groq.helicone.ai directly."
    )
