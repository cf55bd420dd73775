"""A call that was found, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCall:
    """One call, in the newest version of it. What is not known is None."""

    id: str
    time: float
    """When its request came: a Unix time."""
    model: str | None = None
    provider: str | None = None
    status: int | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    """In US dollars."""
    user: str | None = None
    session: str | None = None
    properties: Mapping[str, str]
    """What was said in words with a rating is among them."""
    scores: Mapping[str, int | float | bool]
    """Without the rating. One that is yes or no has the name that it was given."""
    rating: bool | None = None
    route: str | None = None
    """The name of the way that it went up, known only of a call that is remembered here."""

    def as_document(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "id": self.id,
            "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds"),
            "model": self.model,
            "provider": self.provider,
            "status": self.status,
            "latency_ms": self.latency_ms,
            "first_token_ms": self.first_token_ms,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
            "user": self.user,
            "session": self.session,
            "route": self.route,
            "properties": dict(self.properties),
            "scores": dict(self.scores),
            "rating": None if self.rating is None else "up" if self.rating else "down",
        }
