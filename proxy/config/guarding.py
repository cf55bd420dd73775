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
        raise ValueError('must be a table of tokens by name, such as { ann = "..." }')  # noqa: TRY004  # as every rule
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
        "A token that everybody has to send: apps in the place of their API key, or as Feedback-Proxy-Token.",
    )
    token_file: str | None = setting(
        text(secret_file, "path"), None, "A file that holds the token, in place of token."
    )
    tokens: tuple[NamedToken, ...] = setting(
        Kind("table", _tokens, loads),
        (),
        "Tokens besides, by the name of whoever has one; the name is remembered with their calls.",
    )
    allowed_targets: tuple[str, ...] = setting(
        texts(allowed_target, each_once),
        (),
        "Origins of providers to which a call that gets the sidecar's provider key may tell Helicone to take it.",
    )
    dangerously_bind_all_interfaces: bool = setting(
        truth(),
        False,
        "Allow 0.0.0.0 and :: in server.host: every machine that reaches this one can knock then.",
    )

    @property
    def named_tokens(self) -> dict[str, str]:
        """Every token by its name; "" is that of the one that has none."""
        nameless = {} if self.token is None else {"": self.token.text}
        return nameless | {each.name: each.token.text for each in self.tokens}
