"""When ratings under one key may ask something of one API: its budget, its pauses, and whether it lives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.helicone_api import Allowance

NEVER = float("inf")
_PROBE_KEY_SECONDS = 60.0
"""How often a key that Helicone refuses is tried again."""
_LONGEST_OUTAGE_WAIT_SECONDS = 15.0
"""How rarely an API that is down is tried: a backlog should leave soon after it is back."""
_SHARE = 0.5
"""Of what Helicone grants a whole organisation: the dashboard, and others, want their part."""
_DOWN_AFTER = 2
"""Failures in a row until we say that the API is down; already after the first we send one request at a time."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many requests may be made under one key: so many at once, then so many a second."""

    burst: int = 30
    per_second: float = 1.0


class Bucket:
    """Tokens, one for each request."""

    def __init__(self, budget: Budget, now: float) -> None:
        self._budget = budget
        self._tokens = float(budget.burst)
        self._counted_at = now

    def __repr__(self) -> str:
        return f"<Bucket {self._tokens:.1f} of {self._budget.burst}, {self._budget.per_second:g}/s>"

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def give_back(self) -> None:
        """A token was not needed."""
        self._tokens += 1.0

    def ready_at(self, now: float) -> float:
        """When there is a token."""
        self._refill(now)
        return now + max(0.0, 1.0 - self._tokens) / self._budget.per_second

    def narrow(self, allowance: Allowance, configured: Budget) -> None:
        """Never take more than our share of what Helicone has said that it grants."""
        granted = allowance.calls * _SHARE
        self._budget = Budget(
            max(1, min(configured.burst, int(granted))),
            min(configured.per_second, granted / allowance.seconds),
        )
        self._tokens = min(self._tokens, float(self._budget.burst))

    def _refill(self, now: float) -> None:
        passed = max(0.0, now - self._counted_at)
        self._tokens = min(float(self._budget.burst), self._tokens + passed * self._budget.per_second)
        self._counted_at = now


class Breaker:
    """Whether the API answers. As long as that is not known there is one request at a time, and after a failure a
    growing wait between two."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._failures = 0
        self._probe_at = 0.0
        self._is_proven = False
        self._is_probing = False
        self._is_news = False
        self.reason: str | None = None
        """What went wrong last; None while all is well."""

    def __repr__(self) -> str:
        return f"<Breaker after {self._failures} failures>"

    @property
    def is_down(self) -> bool:
        """Whether the API is known not to work."""
        return self._failures >= _DOWN_AFTER

    def ready_at(self, now: float) -> float | None:
        """When a request may be sent; None: not before the one that is under way has ended."""
        if self._is_proven:
            return now
        return None if self._is_probing else max(now, self._probe_at)

    def begun(self) -> None:
        """A request is under way."""
        self._is_probing = not self._is_proven

    def unused(self) -> None:
        """It did not come to that."""
        self._is_probing = False

    def failed(self, now: float, reason: str) -> None:
        """The API did not answer, or with a failure of its own."""
        if not self._is_proven and not self._is_probing:
            return  # It was under way when the first one failed, and tells nothing new.
        self._is_proven = self._is_probing = False
        self._failures += 1
        self.reason = reason
        longest = min(_LONGEST_OUTAGE_WAIT_SECONDS, 2.0 ** min(self._failures, 8))
        self._probe_at = now + 1.0 + self._chance() * (longest - 1.0)

    def answered(self) -> None:
        """The API lives."""
        self._is_news, self._failures = self._is_news or self._failures > 0, 0
        self._is_proven, self._is_probing = True, False
        self.reason = None

    def take_news(self) -> bool:
        """Whether it has come back since somebody asked."""
        news, self._is_news = self._is_news, False
        return news


@dataclass(frozen=True, slots=True)
class Pause:
    """Helicone does not accept a key."""

    since: float
    reason: str
    probe_at: float


class Lane:
    """One key at one API: ratings under it leave here, within its budget."""

    def __init__(self, fingerprint: str, api_url: str, budget: Budget, breaker: Breaker, now: float) -> None:
        self.fingerprint = fingerprint
        self.api_url = api_url
        self.breaker = breaker
        self.pause: Pause | None = None
        self.may_look = True
        """Whether Helicone lets this key ask what is stored."""
        self.work_at = 0.0
        """When something under this key may be due: nothing before."""
        self.look_at = 0.0
        """When the next look may be."""
        self.look_failures = 0
        self.look_refusals = 0
        self.blind_until = 0.0
        """When a key that may not look is asked again whether it may."""
        self._configured = budget
        self._bucket = Bucket(budget, now)
        self._not_before = 0.0
        self._is_careful = False
        self._is_trying = False

    def __repr__(self) -> str:
        return f"<Lane {self.fingerprint} {self._bucket} {self.breaker}{' paused' if self.pause else ''}>"

    @property
    def name(self) -> dict[str, str]:
        """Which key, at which API."""
        return {"key": self.fingerprint, "api": self.api_url}

    @property
    def state(self) -> str:
        """How it stands, in one word: "ok"; "paused", since the key is refused; "down", since the API is."""
        if self.pause is not None:
            return "paused"
        return "down" if self.breaker.is_down else "ok"

    def ready_at(self, now: float) -> float | None:
        """When a request may be sent under this key; None: not before one that is under way has ended."""
        ready = self.breaker.ready_at(now)
        if ready is None or self._is_trying:
            return None
        paused_until = 0.0 if self.pause is None else self.pause.probe_at
        return max(ready, paused_until, self._not_before, self._bucket.ready_at(now))

    def next_at(self, now: float) -> float:
        """When there may be something to do and it may be done; endless while a request under way decides."""
        ready = self.ready_at(now)
        return NEVER if ready is None else max(self.work_at, ready)

    def begin(self, now: float) -> bool:
        """A request is about to be sent, if it may."""
        ready = self.ready_at(now)
        if ready is None or ready > now or not self._bucket.take(now):
            return False
        self.breaker.begun()
        # After a refusal of the key, and after "too many", one request finds out whether others may follow.
        self._is_trying = self._is_careful
        return True

    def unused(self) -> None:
        """The request that was begun is not sent after all."""
        self._bucket.give_back()
        self.breaker.unused()
        self._is_trying = False

    def worked(self, allowance: Allowance | None) -> bool:
        """Helicone took a request. Gives whether that is news, after failures or a pause."""
        was_paused, self.pause = self.pause is not None, None
        self._is_trying = self._is_careful = False
        if was_paused:
            self.may_look = True  # The key may be another one's by now, in what it is allowed.
        if allowance is not None:
            self._bucket.narrow(allowance, self._configured)
        self.breaker.answered()
        return self.breaker.take_news() or was_paused

    def said_no(self) -> None:
        """Helicone answered that this very request cannot be: it lives."""
        self.breaker.answered()
        self._is_trying = False

    def busy(self, now: float, wait_seconds: float) -> None:
        """Helicone's limit is reached."""
        self.breaker.answered()
        self._is_trying, self._is_careful = False, True
        self._not_before = max(self._not_before, now + wait_seconds)

    def broke(self, now: float, reason: str, wait_seconds: float) -> None:
        """Helicone's API failed, and may have said for how long to leave it alone."""
        self._is_trying = False
        self._not_before = max(self._not_before, now + wait_seconds)
        self.breaker.failed(now, reason)

    def key_refused(self, now: float, reason: str) -> bool:
        """Helicone does not accept the key. Gives whether that is news."""
        self.breaker.answered()
        self._is_trying, self._is_careful = False, True
        is_news = self.pause is None
        since = now if self.pause is None else self.pause.since
        self.pause = Pause(since, reason, now + _PROBE_KEY_SECONDS)
        return is_news


class Lanes:
    """All lanes, one for each credential that has come up. Those of one API share its breaker. `chance` spreads
    attempts; it gives numbers from 0 to 1."""

    def __init__(self, budget: Budget, chance: Callable[[], float]) -> None:
        self._budget = budget
        self._chance = chance
        self._lanes: dict[str, Lane] = {}
        self._breakers: dict[str, Breaker] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    @property
    def description(self) -> Mapping[str, Any]:
        """How they stand, for the health answer; keys by their fingerprints."""
        return {
            "api_down": next((lane.breaker.reason for lane in self if lane.breaker.is_down), None),
            "paused_keys": [
                {**lane.name, "since": lane.pause.since, "reason": lane.pause.reason}
                for lane in self
                if lane.pause is not None
            ],
            "keys_that_may_not_look": [lane.fingerprint for lane in self if not lane.may_look],
            "lanes": [{**lane.name, "state": lane.state} for lane in self],
        }

    def get(self, fingerprint: str) -> Lane | None:
        """The lane of that credential, if anything has ever been due under it."""
        return self._lanes.get(fingerprint)

    def open(self, fingerprint: str, api_url: str, now: float) -> Lane:
        """The lane of that credential, which is for that API."""
        lane = self._lanes.get(fingerprint)
        if lane is None:
            breaker = self._breakers.get(api_url)
            if breaker is None:
                breaker = self._breakers[api_url] = Breaker(self._chance)
            lane = self._lanes[fingerprint] = Lane(fingerprint, api_url, self._budget, breaker, now)
        return lane
