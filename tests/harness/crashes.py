"""A sidecar that is killed and started anew on the same port and file, and people who rate meanwhile."""

import contextlib
import json
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from harness.benches import JSON, document, request
from harness.clients import Client
from harness.loops import DEADLINE_SECONDS
from harness.programs import Program
from harness.wire import Message, Truncated
from proxy.demo import DEMO_KEY, DEMO_ORGANISATION, RATING, Row, StandIn

_TRY_AGAIN_SECONDS = 0.01


def settled_port() -> int:
    """A port that is free, and that no outgoing connection gets by chance while a sidecar is between two lives."""
    while True:
        # Below the range of ports that systems choose from by themselves.
        port = random.randrange(15_000, 30_000)
        with contextlib.closing(socket.socket()) as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def known_calls(standin: StandIn, number: int) -> list[str]:
    """Calls that Helicone has logged already; their ids."""
    now = time.time()
    ids = [str(uuid.uuid4()) for _ in range(number)]
    for request_id in ids:
        standin.ledger.log(
            Row(
                request_id=request_id,
                organisation=DEMO_ORGANISATION,
                created_at=now - 60,
                finished_at=now - 59,
            )
        )
    return ids


class Ask(Protocol):
    """One request on a connection of its own, and its answer."""

    def __call__(self, method: str, target: str, body: bytes = b"", /, *lines: bytes) -> Message: ...


class Person:
    """Somebody who rates and looks."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    def get(self, target: str) -> dict[str, Any]:
        """A local answer's JSON."""
        return document(self.ask("GET", target))

    def rate(self, request_id: str, body: object = None, query: str = "?wait=queued") -> Message:
        """Rate a call."""
        said = json.dumps({"rating": True} if body is None else body).encode()
        return self.ask("POST", f"/feedback/{request_id}{query}", said, JSON)

    def shown(self, request_id: str) -> dict[str, Any]:
        """The rating of a call."""
        found = self.get(f"/feedback/{request_id}")["rating"]
        assert isinstance(found, dict)
        return found

    def health(self) -> dict[str, Any]:
        """What the health answer says of delivery."""
        found = self.get("/feedback/health")["delivery"]
        assert isinstance(found, dict)
        return found

    def outbox(self) -> dict[str, dict[str, Any]]:
        """All current ratings by the id of their call, page by page."""
        found: dict[str, dict[str, Any]] = {}
        before = ""
        while True:
            page = self.get(f"/feedback/outbox?limit=1000{before}")
            found |= {each["id"]: each for each in page["ratings"]}
            if page["next_before"] is None:
                return found
            before = f"&before={page['next_before']}"


class MortalSidecar(Person):
    """`helicone-proxy serve` with an outbox in `folder`; it may be killed, and started again.

    `key`: the Helicone key that it is given. `dotted`: settings by dotted key.
    """

    def __init__(
        self, standin: StandIn, folder: Path, *, key: str | None = DEMO_KEY, **dotted: object
    ) -> None:
        super().__init__(self._ask)
        self.file = folder / "outbox.db"
        self.port = settled_port()
        self.lives = 0
        self.said = ""
        given = {
            "outbox.path": self.file,
            "server.host": "127.0.0.1",
            "delivery.burst": 100_000,
            "delivery.per_second": 10_000,
            "delivery.first_look_seconds": 0.4,
            **dotted,
        }
        self.environment = {
            "HELICONE_PROXY_" + name.upper().replace(".", "__"): str(value).lower()
            if isinstance(value, bool)
            else str(value)
            for name, value in given.items()
        }
        if key is not None:
            self.environment["HELICONE_API_KEY"] = key
        self.arguments = ("serve", "--upstream", standin.gateway_url, "--api-url", standin.api_url)
        self.program: Program

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.__exit__(kind, error, trace)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def start(self) -> None:
        """Start it, and do not wait until it listens."""
        self.program = Program(*self.arguments, "--port", str(self.port), env=self.environment)
        self.lives += 1

    def wait_until_up(self) -> None:
        """Wait until it listens."""
        self.program.wait_for("listens on")

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.program.signal(signal.SIGKILL)
        self.program.wait()
        self.said += self.program.stderr

    def stop(self) -> int:
        """SIGTERM; gives its exit status."""
        status = self.program.stop()
        self.said += self.program.stderr
        return status

    def _ask(self, method: str, target: str, body: bytes = b"", /, *lines: bytes) -> Message:
        """One request. Raises OSError and Truncated when it dies meanwhile."""
        with Client.connect(self.address) as client:
            return client.ask(request(method, target, body, *lines))

    def files(self) -> Mapping[str, bytes]:
        """All that it has written beside its outbox, and that."""
        return {path.name: path.read_bytes() for path in self.file.parent.iterdir() if path.is_file()}


@dataclass
class Told:
    """What somebody knows of the ratings of one call: what was answered 2xx last, and what was sent after that."""

    answered: dict[str, Any] | None = None
    unanswered: list[dict[str, Any]] = field(default_factory=list)

    @property
    def may_stand(self) -> list[dict[str, Any]]:
        """What Helicone may hold in the end.

        An unanswered rating may have been committed before the kill or not. One that was sent before the last
        answered one lies below it in either case: its process was dead when that one was sent.
        """
        return ([] if self.answered is None else [self.answered]) + self.unanswered


class Crowd:
    """People who rate, each their own calls, one rating after the other, until each call was rated `times` times.

    What was not answered some send again until it is; others give up, and go on with something else.
    """

    def __init__(self, sidecar: MortalSidecar, ids: list[str], *, times: int, people: int) -> None:
        self._sidecar = sidecar
        self._seed = random.randrange(2**32)
        self.told = {request_id: Told() for request_id in ids}
        self.answered = 0
        self.sent = 0
        self.slowest_seconds = 0.0
        self.failure: BaseException | None = None
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(number, ids[number::people], times), daemon=True)
            for number in range(people)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thread in self._threads:
            thread.join()
        if self.failure is not None and error is None:
            raise self.failure

    def has_come_to(self, number: int) -> bool:
        """Whether so many ratings were sent, or all."""
        return self.sent >= number or not self.is_at_work()

    def is_at_work(self) -> bool:
        """Whether anybody still rates."""
        return any(thread.is_alive() for thread in self._threads)

    def _work(self, number: int, ids: list[str], times: int) -> None:
        chance = random.Random(self._seed + number)
        gives_up = number % 2 == 1
        jobs = [request_id for request_id in ids for _ in range(times)]
        chance.shuffle(jobs)
        try:
            for turn, request_id in enumerate(jobs):
                body: dict[str, Any] = {"rating": chance.random() < 0.5}
                # Half of the calls have a score in each rating that tells which one stands.
                if int(request_id[:2], 16) % 2:
                    body["scores"] = {"turn": turn}
                self._rate(self.told[request_id], request_id, body, tries=1 if gives_up else None)
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            self.failure = error

    def _rate(self, told: Told, request_id: str, body: dict[str, Any], tries: int | None) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while tries is None or tries > 0:
            try:
                client = Client.connect(self._sidecar.address)
            except OSError:
                # Nothing was sent: it is between two lives.
                assert time.monotonic() < deadline, "nobody listens any more"
                time.sleep(_TRY_AGAIN_SECONDS)
                continue
            began = time.monotonic()
            with client, contextlib.suppress(OSError, Truncated):
                told.unanswered.append(body)
                self.sent += 1
                said = json.dumps(body).encode()
                answer = client.ask(request("POST", f"/feedback/{request_id}?wait=queued", said, JSON))
                assert answer.status in (200, 202), answer.body
                told.answered, told.unanswered = body, []
                with self._lock:
                    self.answered += 1
                    self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
                return
            tries = None if tries is None else tries - 1


def is_kept(standin: StandIn, request_id: str, told: Told) -> bool:
    """Whether Helicone holds one of the ratings that may stand."""
    row = standin.ledger.find(DEMO_ORGANISATION, request_id)
    assert row is not None
    allowed = [{RATING: int(each["rating"])} | each.get("scores", {}) for each in told.may_stand]
    return row.scores in allowed


@contextlib.contextmanager
def running_mortal(
    standin: StandIn, folder: Path, *, key: str | None = DEMO_KEY, **dotted: object
) -> Iterator[MortalSidecar]:
    """One that listens."""
    with MortalSidecar(standin, folder, key=key, **dotted) as sidecar:
        sidecar.wait_until_up()
        yield sidecar
