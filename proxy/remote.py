"""Speaks to a running sidecar, for the commands `rate` and `recent`."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_TIMEOUT_SECONDS = 70.0
"""Longer than the sidecar waits for Helicone, so that its sentence arrives instead of ours."""


class RemoteError(Exception):
    """The sidecar is not there, or it said no; the message is a sentence."""


class RemoteSidecar:
    """A sidecar at `url`. Configured HTTP proxies are never asked: it is on this machine."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __repr__(self) -> str:
        return f"<RemoteSidecar {self._url}>"

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at `path`. Raises RemoteError."""
        return self._ask(urllib.request.Request(self._url + path))  # noqa: S310  # the scheme is checked below

    def post(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Post `document`; gives the JSON of the answer. Raises RemoteError."""
        return self._ask(
            urllib.request.Request(  # noqa: S310
                self._url + path,
                data=json.dumps(document).encode(),
                headers={"Content-Type": "application/json"},
            )
        )

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        if request.type not in ("http", "https"):
            raise RemoteError(f"{self._url} is no http address.")
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return self._document(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                said = self._document(error.read()).get("error")
            message = said.get("message") if isinstance(said, dict) else None
            raise RemoteError(message or f"{self._url} answered {error.code}.") from None
        except (urllib.error.URLError, OSError):
            raise RemoteError(
                f"No sidecar answers at {self._url}. Start one with helicone-proxy serve, or say where it is with "
                "HELICONE_PROXY_URL."
            ) from None

    def _document(self, body: bytes) -> dict[str, Any]:
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise RemoteError(f"What answers at {self._url} is no helicone-feedback-proxy.")
        return document
