"""GET: what is counted, for Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.delivery.errands import Tally
from proxy.errors import OutboxFailed
from proxy.metrics import Histogram, Kind, Metrics
from proxy.model import RatingState
from proxy.web.answers import HEADERS
from proxy.web.context import CONTEXT

_PREFIX = "helicone_proxy"


async def show_metrics(request: web.Request) -> web.Response:
    """GET /feedback/metrics."""
    context = request.app[CONTEXT]
    try:
        ratings = (await context.delivery.depth()).by_state
    except OutboxFailed:
        # What is known without the disk is told all the same.
        ratings = {}
    return web.Response(
        body=generate_latest(_Snapshot(context.metrics, ratings, context.delivery.tally)),
        headers={**HEADERS, "Content-Type": CONTENT_TYPE_LATEST},
    )


class _Snapshot(Collector):
    """The numbers as they stand when somebody asks; until then nobody pays for families and labels."""

    def __init__(self, metrics: Metrics, ratings: Mapping[RatingState, int], tally: Tally) -> None:
        self._metrics = metrics
        self._ratings = ratings
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        metrics.catch_up()
        yield _counter(
            "calls", "Calls that are over.", ("route", "status", "stream"), _by_class(metrics.calls.kinds)
        )
        yield _counter(
            "endings",
            "How calls ended: complete, cut (the gateway broke), left (the app went away), failed (no answer).",
            ("ending",),
            {(ending.value,): number for ending, number in metrics.calls.endings.items()},
        )
        yield _counter(
            "client_calls",
            "Calls that are over, by the name of the token that they came with.",
            ("client",),
            {(client,): number for client, number in metrics.calls.clients.items()},
        )
        yield _counter(
            "refusals",
            "Requests that were not let through.",
            ("code",),
            {(code,): number for code, number in metrics.refusals.items()},
        )
        yield _histogram("first_byte_seconds", "Until the answer's head came.", metrics.calls.first_byte)
        yield _histogram("duration_seconds", "Until the end of the call.", metrics.calls.duration)
        yield _histogram(
            "added_seconds",
            "What the sidecar added to the time to the answer's head, opening a connection included.",
            metrics.calls.added,
        )
        yield from self._of_ratings()
        for reading in metrics.readings:
            family = CounterMetricFamily if reading.only_grows else GaugeMetricFamily
            yield family(f"{_PREFIX}_{reading.name}", reading.sentence, value=reading.value())

    def _of_ratings(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(f"{_PREFIX}_ratings", "Ratings in the outbox.", labels=("state",))
        for state, number in self._ratings.items():
            gauge.add_metric((state.value,), number)
        yield gauge
        tally = self._tally
        yield _counter(
            "deliveries",
            "What was done to deliver ratings: posts and looks, and ratings verified or refused in the end.",
            ("what",),
            {
                ("post",): tally.posts,
                ("look",): tally.looks,
                ("verified",): tally.verified,
                ("refused",): tally.refused,
            },
        )


def _counter(
    name: str, sentence: str, labels: tuple[str, ...], numbers: Mapping[tuple[str, ...], int]
) -> CounterMetricFamily:
    counter = CounterMetricFamily(f"{_PREFIX}_{name}", sentence, labels=labels)
    for values, number in numbers.items():
        counter.add_metric(values, number)
    return counter


def _by_class(kinds: Mapping[Kind, int]) -> Counter[tuple[str, ...]]:
    """Numbers of calls by route, class of status ("2xx"; "none" where no answer came) and stream."""
    found: Counter[tuple[str, ...]] = Counter()
    for (route, status, streamed), number in kinds.items():
        status_class = "none" if status is None else f"{status // 100}xx"
        found[route, status_class, str(streamed).lower()] += number
    return found


def _histogram(name: str, sentence: str, histogram: Histogram) -> HistogramMetricFamily:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(f"{_PREFIX}_{name}", sentence, buckets=buckets, sum_value=histogram.sum)
