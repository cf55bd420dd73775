"""GET /feedback/metrics, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families

from harness.benches import Bench, StartBench, request
from harness.wire import wait_until
from proxy.demo import StandInSettings

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(bench: Bench) -> Samples:
    """All samples, by name and labels."""
    answer = bench.get("/feedback/metrics")
    assert answer.status == 200
    assert (answer.value(b"content-type") or b"").startswith(b"text/plain; version=")
    return {
        (sample.name.removeprefix("helicone_proxy_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    """One sample, None where there is none."""
    return samples.get((name, frozenset(labels.items())))


def test_a_sidecar_that_has_done_nothing_has_all_its_figures(bench: Bench) -> None:
    samples = scrape(bench)
    for name in (
        "open_calls", "open_tunnels", "pool_connections", "pool_idle_connections", "pool_waiting_calls",
        "pool_opened_total", "pool_waits_total", "remembered_calls", "evictions_total",
        "first_byte_seconds_count", "duration_seconds_count", "added_seconds_count",
    ):  # fmt: skip
        assert of(samples, name) == 0, name


def test_calls_are_counted_at_once(bench: Bench) -> None:
    bench.chat()
    bench.chat(stream=True)
    bench.chat(stream=True)
    bench.get("/v1/models")
    samples = scrape(bench)
    assert of(samples, "calls_total", route="default", status="2xx", stream="false") == 2
    assert of(samples, "calls_total", route="default", status="2xx", stream="true") == 2
    assert of(samples, "endings_total", ending="complete") == 4
    for name in ("first_byte_seconds", "duration_seconds", "added_seconds"):
        assert of(samples, f"{name}_count") == 4
        assert of(samples, f"{name}_bucket", le="+Inf") == 4
        assert (of(samples, f"{name}_sum") or 0) > 0
    assert (of(samples, "added_seconds_sum") or 9) < (of(samples, "duration_seconds_sum") or 0)
    assert of(samples, "remembered_calls") == 4
    assert of(samples, "open_calls") == 0
    assert (of(samples, "pool_opened_total") or 0) >= 1


def test_buckets_grow_with_their_bounds(bench: Bench) -> None:
    bench.chat()
    samples = scrape(bench)
    buckets = sorted(
        (float(dict(labels)["le"]), value)
        for (name, labels), value in samples.items()
        if name == "duration_seconds_bucket"
    )
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)


def test_an_app_that_leaves_is_counted_and_an_open_call_shown(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(token_interval_seconds=30))
    client = bench.stream()
    client.read_head()
    assert of(scrape(bench), "open_calls") == 1
    client.close()
    wait_until(lambda: of(scrape(bench), "endings_total", ending="left") == 1, "it is counted")
    assert of(scrape(bench), "open_calls") == 0


def test_what_is_refused_is_counted_by_its_code(bench: Bench) -> None:
    client = bench.sidecar.connect()
    client.send(request("GET", "/v1/models", b"", b"Host: attacker.test"))
    assert client.read_answer().status == 403
    assert of(scrape(bench), "refusals_total", code="host_not_allowed") == 1


def test_calls_that_make_room_are_counted(start_bench: StartBench) -> None:
    bench = start_bench(**{"calls.capacity": 2})
    for _ in range(5):
        bench.chat()
    samples = scrape(bench)
    assert (of(samples, "evictions_total"), of(samples, "remembered_calls")) == (3, 2)


def test_metrics_are_no_call_that_could_be_rated(bench: Bench) -> None:
    assert bench.rate("/feedback/metrics").status == 405
