"""The secrets in a configuration, for those who have to keep them out of a text."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final

from proxy.config.kinds import Secret
from proxy.config.routes import Header

_SECRET_NAME: Final = re.compile(r"key|token|secret|auth|pass|cred|cookie|sign|session|jwt", re.IGNORECASE)
_CHOSEN_BY_CHANCE: Final = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])(?!\S*://)\S{16,}")


def secrets_of(part: object) -> Iterator[str]:
    """Every secret in settings, wherever they stand."""
    if isinstance(part, Secret):
        yield part.text
    elif isinstance(part, Header):
        if may_be_secret(part):
            yield part.value.text
    elif isinstance(part, Mapping):
        for each in part.values():
            yield from secrets_of(each)
    elif isinstance(part, tuple):
        for each in part:
            yield from secrets_of(each)
    elif is_dataclass(part):
        for each in fields(part):
            yield from secrets_of(getattr(part, each.name))


def may_be_secret(header: Header) -> bool:
    """Whether a header that a route adds may hold a secret: by its name, or since nobody would think of its value.

    Not all do, and one that says `production` must not strike that word out of every line.
    """
    text = header.value.text
    return bool(_SECRET_NAME.search(header.name) or _CHOSEN_BY_CHANCE.fullmatch(text))
