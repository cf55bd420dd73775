"""Settings, declared once: here are their names, defaults, rules, and a sentence on each in the user's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from proxy.config.guarding import GuardSettings
from proxy.config.hooking import Hooks, Webhooks
from proxy.config.injecting import Inject
from proxy.config.kinds import (
    ANY_NAME,
    Secret,
    choice,
    declared_settings,
    seconds,
    sections,
    setting,
    text,
    texts,
    truth,
    whole,
)
from proxy.config.problems import (
    IN_MEMORY,
    LOOPBACKS,
    ca_bundle,
    database_path,
    folder,
    header_name,
    listen_host,
    listen_hosts,
    secret_file,
    socket_path,
    usable_key,
)
from proxy.config.routes import DEFAULT, URL, Route
from proxy.config.rule_problems import RULES
from proxy.config.rules import Rule
from proxy.config.sources import KEY_FILE_NAME, KEY_NAME, environment_name
from proxy.helicone import API_URLS, api_url_for

FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "server.host": "--host",
        "server.port": "--port",
        "routes": "--route",
        "routes.default.url": "--upstream",
        "outbox.state_dir": "--state-dir",
        "helicone.api_url": "--api-url",
        "log.format": "--log-format",
    }
)

_SECONDS: Final = seconds()
_AT_LEAST_ONE: Final = whole(least=1)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the sidecar listens."""

    host: tuple[str, ...] = setting(
        texts(listen_host, listen_hosts),
        LOOPBACKS,
        'Addresses to listen on; "localhost" means both loopback addresses, others need a token in [guard]. '
        "[] is for a Unix socket alone.",
    )
    port: int = setting(whole(least=0, most=65_535), 8747, "Port to listen on; 0 picks a free one.")
    unix_socket: str | None = setting(
        text(socket_path, "path"),
        None,
        "A Unix socket to listen on, too, for this user's programs alone: no page of a browser gets there.",
    )
    grace_seconds: float = setting(
        seconds(or_zero=True), 10, "How long running calls may go on when the sidecar is told to stop."
    )
    max_connections: int = setting(
        _AT_LEAST_ONE, 9_500, "How many connections of apps may be open; above that, calls get 503."
    )
    head_timeout_seconds: float = setting(_SECONDS, 15, "How long the head of a request may take.")
    body_timeout_seconds: float = setting(_SECONDS, 60, "How long an app may pause within a request's body.")
    idle_timeout_seconds: float = setting(
        _SECONDS, 75, "How long a connection of an app may be open without a call."
    )
    unread_timeout_seconds: float = setting(
        _SECONDS, 300, "How long an app may leave its answer unread; the gateway waits meanwhile."
    )


@dataclass(frozen=True, kw_only=True)
class Helicone:
    """Helicone's API, which takes the ratings."""

    api_key: Secret | None = setting(
        text(usable_key, "secret text"),
        None,
        f"Your Helicone key, better given as {KEY_NAME}: it goes onto calls that carry none, "
        "and ratings of those calls leave under it.",
    )
    api_key_file: str | None = setting(
        text(secret_file, "path"),
        None,
        f"A file that holds your Helicone key, such as a Docker secret, in place of api_key; {KEY_FILE_NAME} "
        "names it, too.",
    )
    api_url: str | None = setting(
        URL, None, "Helicone's API, if it is one of your own; unset means the one of your key's region."
    )
    timeout_seconds: float = setting(_SECONDS, 10, "How long a rating waits for Helicone's API.")

    @property
    def resolved_api_url(self) -> str:
        """The API to post to under our own key: as set, else the one of the key's region."""
        return self.url_for(self.own_key)

    @property
    def own_key(self) -> str | None:
        """The configured key, if there is one."""
        return self.api_key.text if self.api_key else None

    def url_for(self, key: str | None) -> str:
        """The API to post to under a key: as set, else the one of the key's region."""
        return self.api_url or api_url_for(key)

    @property
    def api_urls(self) -> tuple[str, ...]:
        """Every API that `url_for` can give, that of our own key first."""
        return (self.api_url,) if self.api_url else tuple(dict.fromkeys((self.resolved_api_url, *API_URLS)))


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """Connections to the gateway."""

    via: bool = setting(truth(), True, "Send a Via header to the gateway, which lets us see loops.")
    connect_timeout_seconds: float = setting(
        _SECONDS, 10, "How long connecting to the gateway may take, TLS included."
    )
    idle_timeout_seconds: float = setting(
        _SECONDS, 15, "How long an unused connection to the gateway is kept; keep it below the gateway's own."
    )
    first_byte_timeout_seconds: float | None = setting(
        _SECONDS,
        None,
        "How long the gateway may take to begin its answer; unset means without end, since reasoning "
        "models think long.",
    )
    silence_timeout_seconds: float | None = setting(
        _SECONDS, None, "How long the gateway may pause within an answer; unset means without end."
    )
    max_connections: int = setting(
        _AT_LEAST_ONE,
        10_000,
        "How many connections to a gateway may be open; calls above that wait for a free one.",
    )
    max_idle_connections: int = setting(
        whole(least=0), 256, "How many unused connections to a gateway are kept."
    )
    trust_env: bool = setting(
        truth(), False, "Go through the proxy that HTTPS_PROXY names, except to the hosts in NO_PROXY."
    )
    ca_file: str | None = setting(
        text(ca_bundle, "path"),
        None,
        "File with the certificates (PEM) of authorities to trust besides the system's, "
        "for the gateway and for Helicone's API.",
    )


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What is remembered."""

    capacity: int = setting(
        whole(least=1, most=1_000_000),
        10_000,
        "How many calls are remembered; the least recently used one makes room.",
    )
    persist: bool = setting(
        truth(),
        False,
        "Keep them on disk, too (ids, paths, models, users, times), so that they can be rated after a restart.",
    )
    preview: bool = setting(
        truth(),
        False,
        "Keep the first 200 characters of the last user message and of the answer, in memory only, and show them "
        "with the call, so that a person knows which it is.",
    )


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """How ratings are taken."""

    wait: Literal["queued", "accepted", "verified"] = setting(
        choice("queued", "accepted", "verified"),
        "accepted",
        "What the answer to a rating waits for: that it is kept, that Helicone has accepted it, "
        "or that Helicone has stored it; ?wait= says otherwise for one rating.",
    )
    timeout_seconds: float = setting(
        seconds(or_zero=True, most=60), 2, "How long it waits for that at most; ?timeout= says otherwise."
    )
    hold_seconds: float = setting(
        seconds(or_zero=True, most=3600),
        0,
        "How long a rating is kept back before it leaves, so that it can still be taken back; "
        "?hold= says otherwise.",
    )
    message_id_header: str = setting(
        text(header_name, "header name"),
        "X-OpenWebUI-Message-Id",
        "The header in which a chat UI sends the id of a message, so that a call can be rated by that id; "
        "empty for none.",
    )
    scope_header: str | None = setting(
        text(header_name, "header name"),
        None,
        "A header that names the conversation of a call, such as X-OpenWebUI-Chat-Id; its value is the "
        "call's session where Helicone-Session-Id does not say it.",
    )
    strict: bool = setting(
        truth(),
        False,
        "Answer 409 instead of taking the newest answer when more than one conversation was active in the "
        "last minute; ?strict= says otherwise.",
    )

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The headers that these settings name, in lower case."""
        named = (self.message_id_header, self.scope_header or "")
        return tuple(name.lower().encode() for name in named if name)


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """Where ratings are kept until they have arrived."""

    path: str | None = setting(
        text(database_path, "path"),
        None,
        "The outbox's file; unset means outbox-<port>.db in the state folder. "
        f'"{IN_MEMORY}" keeps ratings in memory, where a restart loses them.',
    )
    state_dir: str | None = setting(
        text(folder, "path"),
        None,
        "The state folder; unset means the system's own for programs, such as "
        "~/.local/state/helicone-feedback-proxy.",
    )
    max_size_mib: int = setting(
        whole(least=1, most=1_048_576), 256, "How large the file may become; above that, ratings get 507."
    )


@dataclass(frozen=True, kw_only=True)
class DeliverySettings:
    """How ratings are taken to Helicone."""

    burst: int = setting(
        _AT_LEAST_ONE, 30, "How many requests to Helicone's API may leave at once under one key."
    )
    per_second: float = setting(
        seconds(), 1, "How many a second after that; the whole organisation shares Helicone's limit."
    )
    first_look_seconds: float = setting(
        _SECONDS,
        20,
        "How long after a rating has left Helicone is asked whether it is stored; later looks wait "
        "longer and longer.",
    )


@dataclass(frozen=True, kw_only=True)
class Log:
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        choice("debug", "info", "warning", "error"), "info", "The least that is logged."
    )
    format: Literal["text", "json"] = setting(
        choice("text", "json"), "text", "Lines for people, or JSON for programs."
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Made by `load_settings`, which checks them; its sections do not."""

    server: Server = Server()
    routes: Mapping[str, Route] = sections(Route, DEFAULT)
    helicone: Helicone = Helicone()
    upstream: Upstream = Upstream()
    calls: Calls = Calls()
    feedback: Feedback = Feedback()
    outbox: OutboxSettings = OutboxSettings()
    delivery: DeliverySettings = DeliverySettings()
    guard: GuardSettings = GuardSettings()
    hooks: Hooks = Hooks()
    webhooks: Webhooks = Webhooks()
    inject: Inject = Inject()
    log: Log = Log()
    rules: tuple[Rule, ...] = setting(
        RULES, (), "Rules that rate calls by themselves: one [[rules]] table each, see README."
    )


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting as documents show it."""

    key: str
    environment: str
    flag: str | None
    type: str
    default: object
    sentence: str


def describe_settings() -> list[SettingDoc]:
    """Every setting, in the order of the file."""
    return [
        SettingDoc(
            key=key,
            environment=environment_name(key),
            flag=FLAGS.get(key.replace(ANY_NAME, DEFAULT)),
            type=declared.kind.name,
            default=declared.default,
            sentence=declared.sentence,
        )
        for key, declared in declared_settings(Settings).items()
    ]
