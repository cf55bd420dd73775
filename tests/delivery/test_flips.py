"""Ratings change at random moments, Helicone is late, and its API fails now and then: the last rating stands."""

import contextlib
import time
from collections import Counter
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from harness.benches import JSON, Bench, bench_starter, document, id_of
from harness.fast_time import FastTime
from harness.loops import LoopThread
from harness.wire import wait_until
from proxy.demo import ApiFault, StandInSettings
from proxy.demo.faults import too_many_requests

SPEED = 200.0
CALLS = 4
FAULTS = (
    ApiFault(status=500),
    ApiFault(reset=True),
    ApiFault(reset_after_work=True),
    ApiFault(half_head=True),
    too_many_requests(2),
)


class Flips(RuleBasedStateMachine):
    """A few calls, rated again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.scope = contextlib.ExitStack()
        self.last: dict[str, bool] = {}
        self.taken: Counter[str] = Counter()
        self.bench: Bench

    @initialize(ingested_after=st.sampled_from([0.0, 5.0, 60.0]), scored_after=st.sampled_from([0.0, 3.0]))
    def begin(self, ingested_after: float, scored_after: float) -> None:
        """Helicone ingests calls and applies ratings that late."""
        loop = self.scope.enter_context(LoopThread())
        start = bench_starter(loop, self.scope.enter_context)
        standin = StandInSettings(
            ingestion_delay_seconds=ingested_after, scoring_delay_seconds=scored_after, api_budget=None
        )
        given = {"helicone.timeout_seconds": 0.1, "delivery.burst": 500, "delivery.per_second": 50}
        self.bench = start(standin, FastTime(SPEED), **given)
        self.ids = [id_of(self.bench.chat()) for _ in range(CALLS)]

    @rule(number=st.integers(0, CALLS - 1), up=st.booleans())
    def rate(self, number: int, up: bool) -> None:
        """Somebody rates."""
        request_id = self.ids[number]
        body = b'{"rating": true}' if up else b'{"rating": false}'
        answer = self.bench.ask("POST", f"/feedback/{request_id}?wait=queued", body, JSON)
        assert answer.status in (200, 202), answer.body
        self.last[request_id] = up
        self.taken[request_id] += 1

    @rule(number=st.integers(0, CALLS - 1), up=st.booleans())
    def rate_and_take_back(self, number: int, up: bool) -> None:
        """Somebody rates, and thinks better of it."""
        target = f"/feedback/{self.ids[number]}"
        body = b'{"rating": true}' if up else b'{"rating": false}'
        assert self.bench.ask("POST", f"{target}?hold=3600", body, JSON).status == 202
        # What was queued under it and had not left is gone with it, so what stands is for the sidecar to say.
        assert self.bench.ask("DELETE", target).status == 200
        shown = document(self.bench.get(target))["rating"]
        if shown is None:
            self.last.pop(self.ids[number], None)
        else:
            self.last[self.ids[number]] = shown["rating"]

    @rule(fast_seconds=st.sampled_from([0.5, 2.0, 10.0, 30.0]))
    def wait(self, fast_seconds: float) -> None:
        """Time passes."""
        time.sleep(fast_seconds / SPEED)

    @rule(fault=st.sampled_from(FAULTS))
    def fail(self, fault: ApiFault) -> None:
        """The API's next answer goes wrong."""
        self.bench.standin.faults.api.next(fault)

    def teardown(self) -> None:
        """In the end the last rating of every call is stored."""
        with self.scope:
            if not hasattr(self, "ids"):
                return
            self.bench.standin.faults.clear()
            for request_id, up in self.last.items():
                wait_until(partial(self.is_verified, request_id), "it is verified")
                assert self.bench.standin.ledger.rating_of(request_id) is up

    def is_verified(self, request_id: str) -> bool:
        """Whether the sidecar says so."""
        shown = document(self.bench.get(f"/feedback/{request_id}"))["rating"]
        return shown is not None and shown["state"] == "verified"


TestFlips = Flips.TestCase
TestFlips.settings = settings(
    max_examples=12, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
