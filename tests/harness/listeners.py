"""Somebody who listens to events, over a raw connection."""

import json
from dataclasses import dataclass
from typing import Any

from harness.benches import request
from harness.clients import Client
from harness.sidecars import RunningSidecar
from harness.wire import Message

HEARTBEAT = "heartbeat"


@dataclass(frozen=True)
class Told:
    """One event; a comment has the name `heartbeat`."""

    name: str
    data: Any
    id: str | None = None

    @property
    def number(self) -> int:
        """Its place among all events."""
        assert self.id is not None
        return int(self.id.rpartition("-")[2])


def parsed(text: str) -> Told:
    """One event as it stands on the wire, read strictly."""
    if text.startswith(":"):
        return Told(HEARTBEAT, text)
    fields = dict(line.split(": ", 1) for line in text.split("\n"))
    if set(fields) == {"retry"}:
        return Told("retry", int(fields["retry"]))
    assert set(fields) - {"id"} == {"event", "data"}, text
    return Told(fields["event"], json.loads(fields["data"]), fields.get("id"))


class Listening:
    """A stream of events, which is read one by one."""

    def __init__(
        self,
        sidecar: RunningSidecar,
        target: str = "/feedback/events",
        *lines: bytes,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self.client: Client = sidecar.connect(receive_buffer_bytes=receive_buffer_bytes)
        self.client.send(request("GET", target, b"", *lines))
        self.answer = Message(self.client.read_head())
        assert self.answer.status == 200, self.answer
        self._text = ""

    def next(self) -> Told:
        """What comes next, whatever it is. At the end of the stream that is `closed`."""
        while "\n\n" not in self._text:
            chunk = self.client.read_chunk()
            if not chunk:
                assert self._text == ""
                return Told("closed", None)
            self._text += chunk.decode()
        text, _, self._text = self._text.partition("\n\n")
        return parsed(text)

    def until(self, name: str) -> Told:
        """The next of that name; others are passed over."""
        while (told := self.next()).name != name:
            assert told.name != "closed", f"no {name} came"
        return told

    def ready(self) -> Any:  # noqa: ANN401  # JSON
        """What it is told first."""
        assert self.next() == Told("retry", 1000)
        told = self.next()
        assert told.name == "ready"
        return told.data

    def calls(self, count: int) -> list[Told]:
        """The next events of calls."""
        return [self.until("call") for _ in range(count)]

    def rating(self, request_id: str, state: str | None) -> dict[str, Any] | None:
        """Wait until that call's rating is in that state; None: until it has none."""
        while True:
            data = self.until("rating").data
            rating: dict[str, Any] | None = data["rating"]
            if data["id"] == request_id and (None if rating is None else rating["state"]) == state:
                return rating
