"""A client that hides nothing: statuses, header lines and bytes as they come."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from proxy.demo import DEMO_KEY

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "What is a proxy?"}]}
JSON = {"Content-Type": "application/json"}
GATEWAY_AUTH = {"Helicone-Auth": f"Bearer {DEMO_KEY}"}
API_AUTH = {"Authorization": f"Bearer {DEMO_KEY}"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever a test expects there
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        found = self.header("helicone-id")
        assert found is not None
        return found


def ask(
    base_url: str, method: str, target: str, body: object = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request on a connection of its own. A body that is no bytes goes out as JSON."""
    parts = urlsplit(base_url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    added = JSON if body is not None and not isinstance(body, bytes) else {}
    try:
        connection.request(method, target, data, {**added, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def chat(base_url: str, headers: dict[str, str] | None = None, **fields: object) -> Answer:
    """A chat completion under the demo key."""
    return ask(
        base_url, "POST", "/v1/chat/completions", {**CHAT, **fields}, {**GATEWAY_AUTH, **(headers or {})}
    )
