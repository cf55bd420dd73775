"""Asks a sidecar's own API, as any program would: JSON over HTTP, on a connection of its own."""

import http.client
import json
from dataclasses import dataclass
from typing import Any

from harness.loops import DEADLINE_SECONDS


@dataclass(frozen=True)
class Said:
    """What `/feedback` answered."""

    status: int
    document: dict[str, Any]


class Feedback:
    """The API below `/feedback` of the sidecar at `address`."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def ask(self, method: str, path: str, document: object = None) -> Said:
        """One request for `/feedback` and `path`."""
        connection = http.client.HTTPConnection(*self._address, timeout=DEADLINE_SECONDS)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, "/feedback" + path, body)
            answer = connection.getresponse()
            return Said(answer.status, json.loads(answer.read()))
        finally:
            connection.close()

    def call(self, name: str) -> dict[str, Any]:
        """The call that `name` means: `last` or an id. It has to be remembered."""
        said = self.ask("GET", f"/{name}")
        assert said.status == 200, said
        return said.document

    def rate(self, name: str, *, up: bool) -> dict[str, Any]:
        """Rate `last` or the call with that id; it has to be accepted."""
        patiently = f"{'&' if '?' in name else '?'}wait=accepted&timeout=30s"
        said = self.ask("POST", f"/{name}{patiently}", {"rating": up})
        assert said.status == 200, said
        return said.document

    def session(self, name: object) -> tuple[str | None, list[str]]:
        """The session of the call that `name` means, and the ids of the calls in it, the oldest first."""
        said = self.ask("GET", f"/{name}/session")
        assert said.status == 200, said
        return said.document["session"], [call["id"] for call in reversed(said.document["calls"])]
