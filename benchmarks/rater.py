"""People who rate and apps that call, a program of its own: python -m benchmarks.rater JSON

JSON is an `Order`. It makes as many calls as it will rate, then rates and calls on a schedule that waits for
nobody: a latency counts from the moment at which the request was due, so that a slow answer makes those behind it
late, and not fewer. It says `begin` when the warm-up is over, `end`, and then a `Report` as one line of JSON.
"""

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.figures import percentile
from benchmarks.sdk_call import chat_body, request_bytes

_HOST = "127.0.0.1"
_RATERS = 32
"""Each has one rating under way: a rating may take a sixth of a second at 200/s before the next one is late."""
_CALLERS = 8
_LEAD_SECONDS = 0.2
_TIMEOUT_SECONDS = 30
_MODEL = "gpt-4o-mini"


@dataclass(frozen=True)
class Order:
    """What to do. `calls_per_second`: relayed calls that go on meanwhile."""

    port: int
    ratings_per_second: float
    calls_per_second: float
    seconds: float
    settle_seconds: float = 1.0


@dataclass(frozen=True)
class Report:
    """What came of it, without the warm-up. `failed`: ratings that were not answered with 202."""

    ratings: int
    failed: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    max_seconds: float
    calls: int
    calls_p50_seconds: float
    calls_p99_seconds: float
    calls_max_seconds: float


@dataclass(frozen=True)
class Timetable:
    """`count` moments, `interval` seconds apart from `start` on; those before `counted_from` are the warm-up."""

    start: float
    interval: float
    count: int
    counted_from: float


class Line:
    """Requests that are due at the moments of a timetable, carried out by `workers` threads."""

    def __init__(self, timetable: Timetable, workers: int, make: Callable[[], Callable[[int], bool]]) -> None:
        """`make` gives each worker its own way to carry out a request, which says whether that went well."""
        self._timetable = timetable
        self._make = make
        self._lock = threading.Lock()
        self._next = 0
        self.latencies: list[float] = []
        self.failed = 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        self.latencies.sort()

    def _work(self) -> None:
        table, request = self._timetable, self._make()
        while (number := self._take()) is not None:
            due = table.start + number * table.interval
            time.sleep(max(0.0, due - time.perf_counter()))
            is_fine = request(number)
            took = time.perf_counter() - due
            if due >= table.counted_from:
                with self._lock:
                    self.latencies.append(took)
                    self.failed += not is_fine

    def _take(self) -> int | None:
        with self._lock:
            if self._next >= self._timetable.count:
                return None
            self._next += 1
            return self._next - 1


class Caller:
    """An app with one connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=_TIMEOUT_SECONDS)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request_bytes(f"{_HOST}:{port}", chat_body(_MODEL, stream=False), {})

    def call(self, _number: int = 0) -> bool:
        """Make a call."""
        return self._answer().status == http.HTTPStatus.OK

    def called(self) -> str:
        """Make a call; gives the id to rate it by."""
        return self._answer().headers["Feedback-Id"]

    def _answer(self) -> http.client.HTTPResponse:
        self._connection.sock.sendall(self._request)
        answer = http.client.HTTPResponse(self._connection.sock, method="POST")
        answer.begin()
        answer.read()
        return answer


def rater(port: int, ids: Sequence[str]) -> Callable[[int], bool]:
    """Gives what rates the call with that number, over a connection of its own as the sidecar will have it."""
    requests = [_rating(port, request_id) for request_id in ids]

    def rate(number: int) -> bool:
        with socket.create_connection((_HOST, port), timeout=_TIMEOUT_SECONDS) as connection:
            connection.sendall(requests[number])
            answer = b""
            while data := connection.recv(65536):
                answer += data
        return answer.startswith(b"HTTP/1.1 202 ") and b'"state": "' in answer

    return rate


def _rating(port: int, request_id: str) -> bytes:
    body = b'{"rating": true}'
    return (
        f"POST /feedback/{request_id}?wait=queued HTTP/1.1\r\nHost: {_HOST}:{port}\r\nUser-Agent: rater\r\n"
        f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def carry_out(order: Order) -> Report:
    """Do it."""
    whole = order.settle_seconds + order.seconds
    app = Caller(order.port)
    ids = [app.called() for _ in range(int(order.ratings_per_second * whole))]
    rate = rater(order.port, ids)
    start = time.perf_counter() + _LEAD_SECONDS
    begin = start + order.settle_seconds
    ratings = Line(_timetable(order.ratings_per_second, start, whole, begin), _RATERS, lambda: rate)
    calls = Line(
        _timetable(order.calls_per_second, start, whole, begin),
        _CALLERS,
        lambda: Caller(order.port).call,
    )
    ratings.start()
    calls.start()
    time.sleep(max(0.0, begin - time.perf_counter()))
    _say("begin")
    ratings.join()
    calls.join()
    time.sleep(max(0.0, begin + order.seconds - time.perf_counter()))
    ended = time.perf_counter()
    _say("end")
    if calls.failed:
        raise ConnectionError(f"{calls.failed} relayed calls were not answered with 200")
    return Report(
        len(ratings.latencies),
        ratings.failed,
        ended - begin,
        *_spread(ratings.latencies),
        len(calls.latencies),
        *_spread(calls.latencies),
    )


def _timetable(per_second: float, start: float, seconds: float, counted_from: float) -> Timetable:
    count = int(per_second * seconds)
    return Timetable(start, 1 / per_second if per_second else 0.0, count, counted_from)


def _spread(latencies: Sequence[float]) -> tuple[float, float, float]:
    if not latencies:
        return 0.0, 0.0, 0.0
    return percentile(latencies, 50), percentile(latencies, 99), latencies[-1]


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201


if __name__ == "__main__":
    _say(json.dumps(asdict(carry_out(Order(**json.loads(sys.argv[1]))))))
