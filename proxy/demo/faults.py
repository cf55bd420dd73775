"""What a test can make go wrong. A fault applies to the next matching request, or as long as a block lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFault:
    """How one answer of the gateway goes wrong. Fields combine; without any, nothing does.

    On the realtime WebSocket `status`, what comes before the head, and `die_after_events` apply.
    """

    path: str = ""
    """Only requests whose target begins with this."""
    status: int | None = None
    """The provider refuses with this status."""
    headers: tuple[tuple[str, str], ...] = ()
    """Added to the answer's head."""
    drop_helicone_id: bool = False
    not_logged: bool = False
    """Proxied, and never ingested (sampling, a lost log message)."""

    early_hints: bool = False
    """A `103` comes first, at once."""
    latency_seconds: float = 0.0
    """Before the head."""
    die_before_head: bool = False
    silent_before_head: bool = False
    die_after_bytes: int | None = None
    die_after_events: int | None = None
    silent_after_bytes: int | None = None
    silent_after_events: int | None = None
    silence_seconds: float | None = None
    """How long a silence lasts; `None`: until the client leaves."""
    reset: bool = False
    """Dying sends a real RST, not a FIN."""

    chunked: bool = False
    """A body of known length goes out chunked."""
    answer_early: bool = False
    """The answer comes at once, the request's body is not read."""
    stop_reading_after_bytes: int | None = None
    """The upload stalls here, for `silence_seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFault:
    """How one answer of the API goes wrong."""

    path: str = ""
    status: int | None = None
    body: str = '{"message":"Internal Server Error","details":"Internal Server Error"}'
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    latency_seconds: float = 0.0
    silent: bool = False
    """Never answers."""
    reset: bool = False
    """Resets the connection instead of answering; nothing was done."""
    reset_after_work: bool = False
    """Does the work, then resets the connection: the caller cannot know."""
    half_open: bool = False
    """Does the work and sends the head, and never the body."""
    half_head: bool = False
    """Does the work and sends half a status line, and never the rest: the caller cannot know."""


def invalid_token(path: str = "") -> ApiFault:
    """Helicone's authentication code throws: 400 `Invalid token.`."""
    return ApiFault(path=path, status=400, body="Invalid token.", content_type="text/html; charset=utf-8")


def too_many_requests(retry_after_seconds: int, path: str = "") -> ApiFault:
    """Helicone's limiter, whatever the budget says."""
    return ApiFault(
        path=path,
        status=429,
        body='{"error":"Too many requests, please try again later."}',
        headers=(("Retry-After", str(retry_after_seconds)),),
    )


class _Fault(Protocol):
    @property
    def path(self) -> str: ...


F = TypeVar("F", bound=_Fault)


@dataclass(slots=True)
class _Planned(Generic[F]):
    fault: F
    times: int | None


@dataclass(slots=True)
class Plan(Generic[F]):
    """The faults that wait for one side. May be changed from any thread."""

    healthy: F
    _planned: list[_Planned[F]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, *faults: F) -> None:
        """Each fault strikes one matching request, in this order."""
        with self._lock:
            self._planned.extend(_Planned(fault, 1) for fault in faults)

    @contextmanager
    def during(self, fault: F) -> Iterator[None]:
        """Strike every matching request until the block ends."""
        planned = _Planned(fault, None)
        with self._lock:
            self._planned.append(planned)
        try:
            yield
        finally:
            with self._lock:
                # By identity: two equal faults may be planned.
                self._planned = [other for other in self._planned if other is not planned]

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self._planned.clear()

    def take(self, target: str) -> F:
        """The fault for a request to `target`; the healthy one when none waits."""
        with self._lock:
            for planned in self._planned:
                if target.startswith(planned.fault.path):
                    if planned.times is not None:
                        self._planned.remove(planned)
                    return planned.fault
            return self.healthy


@dataclass(slots=True)
class Faults:
    """Both sides' plans."""

    gateway: Plan[GatewayFault] = field(default_factory=lambda: Plan(GatewayFault()))
    api: Plan[ApiFault] = field(default_factory=lambda: Plan(ApiFault()))

    def clear(self) -> None:
        """All is well again, on both sides."""
        self.gateway.clear()
        self.api.clear()
