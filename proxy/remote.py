"""Speaks to a running sidecar, for the commands that ask one."""

import contextlib
import functools
import http.client
import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from proxy.errors import RemoteError

_TIMEOUT_SECONDS = 70.0
"""Longer than the sidecar waits for Helicone, so that its sentence arrives instead of ours."""
LONG_SECONDS = 900.0
"""What is read a page a second may take as long, and be silent as long where a page has nothing that is meant."""
_PIECE_BYTES = 64 * 1024
_SILENT_SECONDS = 40.0
"""A stream has a heartbeat every 15 s."""
_HOST_AND_PORT = re.compile("[^/?#@:]+:[0-9]+/?|\\[[^]/]+\\]:[0-9]+/?")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises for what is none.
    except ValueError:
        return False
    # No path: /v1 is the app's base URL, and what lies below it is the gateway's. No password: the URL is shown.
    alone = bool(parts.hostname) and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return parts.scheme in ("http", "https") and alone and url.isprintable() and " " not in url


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow none."""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, path: str, host: str, *, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _SocketHandler(urllib.request.HTTPHandler):
    """Sends every http request through a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._connect = functools.partial(_SocketConnection, path)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)


class Export(NamedTuple):
    """A long answer: where its calls were found, why not at Helicone, and its bytes."""

    source: str
    why_local: str | None
    pieces: Iterator[bytes]


class RemoteSidecar:
    """A sidecar at `url`, or behind the Unix socket of `unix:/path`.

    It may want a `token`. Configured HTTP proxies are never asked: it is on this machine. No redirect is followed:
    the token would go along.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        scheme, _, path = url.partition(":")
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirects()]
        self._place = url
        if scheme == "unix" and path.startswith("/") and hasattr(socket, "AF_UNIX"):
            handlers.append(_SocketHandler(path))
            self._url = "http://localhost"
        else:
            # As people type it for curl.
            self._place = self._url = (f"http://{url}" if _HOST_AND_PORT.fullmatch(url) else url).rstrip("/")
        if not _is_address(self._url):
            shown = "A URL with a user name or password" if "@" in url else repr(url)
            raise RemoteError(f"{shown} is no address of a sidecar; one looks like http://localhost:8747.")
        self._opener = urllib.request.build_opener(*handlers)
        self._headers = {"Content-Type": "application/json"}
        self._has_token = token is not None
        if token is not None:
            self._headers["Feedback-Proxy-Token"] = token

    def __repr__(self) -> str:
        return f"<RemoteSidecar {self._place}>"

    def get(self, path: str, *, having: str, within: float = _TIMEOUT_SECONDS) -> dict[str, Any]:
        """The JSON at `path`, which has to have a field `having`, `within` so many seconds. Raises RemoteError."""
        return self._having(having, self._ask("GET", path, within=within))

    def post(self, path: str, document: Mapping[str, Any], *, having: str) -> dict[str, Any]:
        """Post `document`; gives the answer's JSON, which has to have a field `having`. Raises RemoteError."""
        return self._having(having, self._ask("POST", path, json.dumps(document).encode()))

    def delete(self, path: str, *, having: str) -> dict[str, Any]:
        """Delete what is at `path`; the answer's JSON has to have a field `having`. Raises RemoteError."""
        return self._having(having, self._ask("DELETE", path))

    @property
    def place(self) -> str:
        """Where it is, as people said it."""
        return self._place

    def events(self, path: str, last_id: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
        """What happens, from now on or behind that event, until the stream ends: name, what it says, id.

        Raises RemoteError, also when the connection breaks or says nothing for longer than it may.
        """
        headers = {**self._headers, "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        request = urllib.request.Request(self._url + path, headers=headers)  # noqa: S310  # it has been looked at
        with self._errors_in_words(), self._opened(request, _SILENT_SECONDS) as answer:
            if answer.headers.get_content_type() != "text/event-stream":
                raise RemoteError(self._not_ours())
            fields: dict[str, str] = {}
            for line in answer:
                name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    yield (
                        fields["event"],
                        self._document(fields.get("data", "").encode()),
                        fields.get("id", ""),
                    )
                if not name:
                    fields = {}

    @contextlib.contextmanager
    def export(self, path: str) -> Iterator[Export]:
        """A long answer, read as it comes. Raises RemoteError, also out of its pieces where it breaks off."""
        request = urllib.request.Request(self._url + path, headers=self._headers)  # noqa: S310  # it has been looked at
        with self._errors_in_words():
            answer = self._opened(request, LONG_SECONDS)
        with answer:
            source = answer.headers.get("Feedback-Source")
            if source is None:
                raise RemoteError(self._not_ours())
            yield Export(source, answer.headers.get("Feedback-Why-Local"), self._pieces(answer))

    def _pieces(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while piece := answer.read1(_PIECE_BYTES):
                yield piece
        except (http.client.HTTPException, OSError):
            raise RemoteError(
                "The export broke off: what has come is not all of it. The sidecar's log says why."
            ) from None

    def _having(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        if name not in document:
            raise RemoteError(self._not_ours())
        return document

    def _ask(
        self, method: str, path: str, body: bytes | None = None, *, within: float = _TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  # the scheme has been looked at
            self._url + path, data=body, headers=self._headers, method=method
        )
        with self._errors_in_words(), self._opened(request, within) as answer:
            return self._document(answer.read())

    @contextlib.contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """Raises RemoteError for whatever keeps us from asking."""
        try:
            yield
        except (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionError):
            raise RemoteError(
                f"The connection to {self._place} ended before the answer had come. What was asked may have been "
                "done: helicone-proxy recent and helicone-proxy outbox list show it."
            ) from None
        except http.client.HTTPException:
            raise RemoteError(self._not_ours()) from None
        except TimeoutError:
            raise RemoteError(
                f"What answers at {self._place} took the request, and has said nothing for too long."
            ) from None
        # What cannot be a host name at all is a UnicodeError.
        except (OSError, UnicodeError):
            raise RemoteError(
                f"No sidecar answers at {self._place}. Start one with helicone-proxy serve, or say where it is "
                "with --url or HELICONE_PROXY_URL."
            ) from None

    def _opened(self, request: urllib.request.Request, timeout_seconds: float) -> http.client.HTTPResponse:
        """An answer that is no error. Raises RemoteError for one that is, with its own sentence."""
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=timeout_seconds)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.UNAUTHORIZED:
                error.close()
                raise RemoteError(self._token_wanted()) from None
            with error:
                said = self._document(error.read()).get("error")
            message = said.get("message") if isinstance(said, dict) else None
            raise RemoteError(message or f"{self._place} answered {error.code}.") from None
        return answer

    def _document(self, body: bytes) -> dict[str, Any]:
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise RemoteError(self._not_ours())
        return document

    def _token_wanted(self) -> str:
        wants = "does not know the token that was sent" if self._has_token else "wants a token"
        return (
            f"The sidecar at {self._place} {wants}. Say it as HELICONE_PROXY_GUARD__TOKEN in the environment, or "
            "name the configuration that has it with --config."
        )

    def _not_ours(self) -> str:
        return f"What answers at {self._place} is no helicone-feedback-proxy."
