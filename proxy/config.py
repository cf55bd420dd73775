"""Settings, declared once: here are their names, defaults, rules, and a sentence on each in the user's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo

from proxy.config_problems import (
    LOOPBACKS,
    allowed_host,
    base_url,
    ca_bundle,
    each_once,
    listen_host,
    listen_hosts,
    usable_key,
)
from proxy.config_sources import KEY_NAME, declared_settings, environment_name
from proxy.helicone import DEFAULT_GATEWAY_URL, api_url_for

FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "server.host": "--host",
        "server.port": "--port",
        "routes.default.url": "--upstream",
        "helicone.api_url": "--api-url",
        "log.format": "--log-format",
    }
)

_TYPES_IN_WORDS: Final[Mapping[object, str]] = MappingProxyType(
    {
        bool: "true or false",
        int: "whole number",
        float: "number",
        str: "text",
        SecretStr: "secret text",
        list: "list of texts",
    }
)

Url = Annotated[str, AfterValidator(base_url)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of the file. Strict, so that `port = true` is no port; texts are converted before."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class Server(Section):
    """Where the sidecar listens."""

    host: Annotated[list[Annotated[str, AfterValidator(listen_host)]], AfterValidator(listen_hosts)] = Field(
        list(LOOPBACKS),
        description='Addresses to listen on: loopback addresses, or "localhost" for both of them.',
    )
    port: int = Field(8747, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    grace_seconds: float = Field(
        10, ge=0, description="How long running calls may go on when the sidecar is told to stop."
    )
    max_connections: int = Field(
        9_500,
        ge=1,
        description="How many connections of apps may be open; above that, calls get 503.",
    )
    head_timeout_seconds: Seconds = Field(15, description="How long the head of a request may take.")
    body_timeout_seconds: Seconds = Field(
        60, description="How long an app may pause within a request's body."
    )
    idle_timeout_seconds: Seconds = Field(
        75, description="How long a connection of an app may be open without a call."
    )
    unread_timeout_seconds: Seconds = Field(
        300, description="How long an app may leave its answer unread; the gateway waits meanwhile."
    )


class Route(Section):
    """One way up."""

    url: Url = Field(
        DEFAULT_GATEWAY_URL,
        title="URL",
        description="The gateway that calls go to; a path in it is put before theirs.",
    )
    helicone: bool | None = Field(
        None,
        description="Set it to true where the URL is a Helicone gateway under a name of your own, "
        "so that the Helicone key may go there.",
    )


class Routes(Section):
    """The ways up; this version has one."""

    default: Route = Route()


class Helicone(Section):
    """Helicone's API, which takes the ratings."""

    api_key: Annotated[SecretStr, AfterValidator(usable_key)] | None = Field(
        None,
        description=f"Your Helicone key, better given as {KEY_NAME}: it goes onto calls that carry none, "
        "and ratings of those calls leave under it.",
    )
    api_url: Url | None = Field(
        None,
        title="URL",
        description="Helicone's API, if it is one of your own; unset means the one of your key's region.",
    )
    timeout_seconds: Seconds = Field(10, description="How long a rating waits for Helicone's API.")

    @property
    def resolved_api_url(self) -> str:
        """The API to post to: as set, else the one of the key's region."""
        return self.api_url or api_url_for(self.api_key.get_secret_value() if self.api_key else None)


class Upstream(Section):
    """Connections to the gateway."""

    via: bool = Field(True, description="Send a Via header to the gateway, which lets us see loops.")  # noqa: FBT003
    connect_timeout_seconds: Seconds = Field(
        10, description="How long connecting to the gateway may take, TLS included."
    )
    idle_timeout_seconds: Seconds = Field(
        15,
        description="How long an unused connection to the gateway is kept; keep it below the gateway's own.",
    )
    first_byte_timeout_seconds: Seconds | None = Field(
        None,
        description="How long the gateway may take to begin its answer; unset means without end, since reasoning "
        "models think long.",
    )
    silence_timeout_seconds: Seconds | None = Field(
        None, description="How long the gateway may pause within an answer; unset means without end."
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        description="How many connections to the gateway may be open; calls above that wait for a free one.",
    )
    max_idle_connections: int = Field(
        256, ge=0, description="How many unused connections to the gateway are kept."
    )
    trust_env: bool = Field(
        False,  # noqa: FBT003
        description="Go through the proxy that HTTPS_PROXY names, except to the hosts in NO_PROXY.",
    )
    ca_file: Annotated[str, AfterValidator(ca_bundle)] | None = Field(
        None,
        title="path",
        description="File with the certificates (PEM) of authorities to trust besides the system's, "
        "for the gateway and for Helicone's API.",
    )


class Calls(Section):
    """What is remembered."""

    capacity: int = Field(
        10_000, ge=1, description="How many calls are remembered; the least recently used one makes room."
    )


class GuardSettings(Section):
    """Who may speak to the sidecar."""

    allowed_hosts: Annotated[
        list[Annotated[str, AfterValidator(allowed_host)]], AfterValidator(each_once)
    ] = Field(
        [],
        description="Names besides localhost under which the sidecar may be called, "
        'such as "host.docker.internal"; exact, without port.',
    )


class Hooks(Section):
    """Headers that the sidecar adds to answers."""

    id: bool = Field(True, description="Add Feedback-Id, the id to rate by, to answers.")  # noqa: FBT003
    url: bool = Field(True, description="Add Feedback-URL, the address to rate at, to answers.")  # noqa: FBT003


class Log(Section):
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
    format: Literal["text", "json"] = Field("text", description="Lines for people, or JSON for programs.")


class Settings(Section):
    """All settings. Build it with `load_settings`, or with keywords in a test."""

    server: Server = Server()
    routes: Routes = Routes()
    helicone: Helicone = Helicone()
    upstream: Upstream = Upstream()
    calls: Calls = Calls()
    guard: GuardSettings = GuardSettings()
    hooks: Hooks = Hooks()
    log: Log = Log()


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting as documents and `check` show it."""

    key: str
    environment: str
    flag: str | None
    type: str
    default: Any
    sentence: str


def describe_settings() -> list[SettingDoc]:
    """Every setting, in the order of the file."""
    return [
        SettingDoc(
            key=key,
            environment=environment_name(key),
            flag=FLAGS.get(key),
            type=_type_in_words(field),
            default=field.get_default(),
            sentence=field.description or "",
        )
        for key, field in declared_settings(Settings).items()
    ]


def _type_in_words(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not NoneType)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(annotation))
    return field.title or _TYPES_IN_WORDS[get_origin(annotation) or annotation]
