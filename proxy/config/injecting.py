"""The settings of the listener before a chat app."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.config.kinds import setting, text, texts, whole
from proxy.config.problems import LOOPBACKS, base_url, header_name, listen_host, listen_hosts


def app_url(value: str) -> str:
    """Accept the URL of an app, which is all of its origin."""
    url = base_url(value)
    if urlsplit(url).path:
        raise ValueError("must be a URL without a path: the app's pages keep their addresses")
    return url


def cookie_name(value: str) -> str:
    """Accept the name of a cookie (RFC 6265 §4.1.1)."""
    if not re.fullmatch(r"(?![sp]k-)[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", value):
        raise ValueError("must be the name of a cookie")
    return value


def said_header(value: str) -> str:
    """Accept the name of a header."""
    if not value:
        raise ValueError("must be the name of a header")
    return header_name(value)


@dataclass(frozen=True, kw_only=True)
class Inject:
    """A listener of its own before a chat app, whose pages get two thumbs."""

    upstream: str | None = setting(
        text(app_url, "URL"),
        None,
        "A chat app to stand in front of, such as http://127.0.0.1:3000: its pages get the widget; unset: none.",
    )
    port: int = setting(
        whole(least=0, most=65_535), 8748, "The port under which that app is then opened; 0 picks a free one."
    )
    host: tuple[str, ...] = setting(
        texts(listen_host, listen_hosts),
        LOOPBACKS,
        "Addresses to listen on for that; others than loopback ones need what they need in server.host.",
    )
    user_cookie: str | None = setting(
        text(cookie_name, "cookie name"),
        None,
        "A cookie of the app's whose value is the user of a person's calls: thumbs are for those alone.",
    )
    user_header: str | None = setting(
        text(said_header, "header name"),
        None,
        "The same in a header that a proxy in front sets, whatever the browser sent, such as X-Forwarded-User.",
    )
    session_cookie: str | None = setting(
        text(cookie_name, "cookie name"),
        None,
        "A cookie of the app's whose value is the session of a person's calls.",
    )
    session_header: str | None = setting(
        text(said_header, "header name"),
        None,
        "The same in a header that a proxy in front sets, whatever the browser sent.",
    )

    @property
    def knows_people(self) -> bool:
        """Whether it is said who is at a page."""
        return any((self.user_cookie, self.user_header, self.session_cookie, self.session_header))
