"""The settings of what an answer is given so that it can be rated, and of programs that rate by a webhook."""

import re
from dataclasses import dataclass
from typing import Final

from proxy.config.kinds import Secret, seconds, setting, text, truth
from proxy.config.problems import secret_file, usable_token

SECRET: Final = re.compile(r"[!-~]{32,200}")
"""What tokens are signed with: it has 128 bits of chance at least if it is written in hex."""
_DIFFERENT: Final = 8


def _signing_secret(value: str) -> Secret:
    secret = value.strip()
    if not SECRET.fullmatch(secret) or len(set(secret)) < _DIFFERENT:
        raise ValueError(
            "must be 32 to 200 visible characters without spaces that nobody guesses, as `openssl rand -hex 32` "
            "makes them"
        )
    return Secret(secret)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Headers that the sidecar adds to answers."""

    id: bool = setting(truth(), True, "Add Feedback-Id, the id to rate by, to answers.")
    url: bool = setting(truth(), True, "Add Feedback-URL, the address to rate at, to answers.")
    link: bool = setting(truth(), False, 'Add that address as a Link with rel="feedback", too.')
    token: bool = setting(
        truth(),
        False,
        "Add Feedback-Token, with which an app's own users may rate that one answer and nothing else; pages of "
        "guard.allowed_origins then need one.",
    )
    token_seconds: float = setting(
        seconds(most=31_536_000),
        86_400,
        "How long a Feedback-Token is good, from the beginning of its answer.",
    )
    secret: Secret | None = setting(
        text(_signing_secret, "secret text"),
        None,
        "What Feedback-Tokens are signed with, the same for several sidecars of one app; unset means the file "
        "feedback-secret beside the outbox, made at the first start.",
    )
    secret_file: str | None = setting(
        text(secret_file, "path"),
        None,
        "A file that holds this secret, such as a Docker secret, in place of secret.",
    )


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """Programs that tell the sidecar of ratings by a webhook."""

    open_webui_secret: Secret | None = setting(
        text(usable_token, "secret text"),
        None,
        "What Open WebUI says at /feedback/webhooks/open-webui to be believed; without it nothing is taken there.",
    )
    open_webui_secret_file: str | None = setting(
        text(secret_file, "path"),
        None,
        "A file that holds this secret, such as a Docker secret, in place of open_webui_secret.",
    )
