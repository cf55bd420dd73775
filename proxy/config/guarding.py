"""The settings of the guard."""

import re
from dataclasses import dataclass, field
from json import loads
from typing import Final

from proxy.config.kinds import Kind, Secret, setting, text, texts, truth
from proxy.config.problems import (
    allowed_host,
    allowed_origin,
    allowed_target,
    each_once,
    secret_file,
    shown,
    usable_token,
)

_NAME: Final = re.compile(r"(?![sp]k-)[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A token, and who has it."""

    name: str
    token: Secret = field(repr=False)


def _tokens(value: object) -> tuple[NamedToken, ...]:
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004  # as every rule
            'must be a table of tokens by name, such as { ann = "..." }; in the environment JSON, {"ann": "..."}'
        )
    found, wrong = [], []
    for name, content in value.items():
        if not _NAME.fullmatch(name):
            wrong.append(
                ValueError(f"{shown(name)} must be a name of up to 40 of a-z, 0-9, _ and -, and no key")
            )
        elif not isinstance(content, str):
            wrong.append(ValueError(f"{shown(name)} must have text in quotes as its value"))
        else:
            try:
                found.append(NamedToken(name, usable_token(content)))
            except ValueError as error:
                wrong.append(ValueError(f"{shown(name)} {error}"))
    if len({each.token.text for each in found}) < len(found):
        wrong.append(ValueError("must give each name a token of its own"))
    if wrong:
        raise ExceptionGroup("tokens", wrong)
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class GuardSettings:
    """Who may speak to the sidecar."""

    allowed_hosts: tuple[str, ...] = setting(
        texts(allowed_host, each_once),
        (),
        "Names besides localhost under which the sidecar may be called, "
        'such as "host.docker.internal"; exact, without port.',
    )
    allowed_origins: tuple[str, ...] = setting(
        texts(allowed_origin, each_once),
        (),
        'Origins of pages that may call the sidecar from a browser, such as "https://app.example.com"; exact.',
    )
    token: Secret | None = setting(
        text(usable_token, "secret text"),
        None,
        "A token that everybody has to send, apps in the place of their API key or as Feedback-Proxy-Token; "
        "`openssl rand -hex 24` makes one.",
    )
    token_file: str | None = setting(
        text(secret_file, "path"),
        None,
        "A file that holds the token, such as a Docker secret, in place of token.",
    )
    tokens: tuple[NamedToken, ...] | None = setting(
        Kind("table", _tokens, loads),
        None,
        "Tokens of their own for several, by name; any of them will do, and the name is remembered with the calls "
        "(client).",
    )
    allowed_targets: tuple[str, ...] = setting(
        texts(allowed_target, each_once),
        (),
        "Origins of providers, such as https://api.openai.com, that a call with the sidecar's provider_key may "
        "name to Helicone as its target.",
    )
    dangerously_bind_all_interfaces: bool = setting(
        truth(),
        False,
        "Allow 0.0.0.0 and :: in server.host, as in a container: whoever reaches this machine can knock then.",
    )

    @property
    def named_tokens(self) -> dict[str, str]:
        """Every token by its name; "" is that of the one that has none."""
        nameless = {} if self.token is None else {"": self.token.text}
        return nameless | {each.name: each.token.text for each in self.tokens or ()}
