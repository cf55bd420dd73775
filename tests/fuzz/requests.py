"""Mutated requests: what arrives at the gateway is what was said, or visibly never whole, or nothing."""

from dataclasses import dataclass, field
from random import Random

from fuzz import seeds
from fuzz.campaign import Case, Outcome
from fuzz.model import Expected, Fate, expect, without_minted
from fuzz.mutations import mutate
from fuzz.wires import Arena, GatewayWire, Wire
from harness.loops import LoopThread
from harness.reference import Framing, Heard, Reading, Stop, read_answers, read_requests
from harness.wire import End, chunked, head

_SEEN = b"x-seen"


@dataclass(frozen=True)
class Seen:
    """A request that has arrived whole, and the connection that it came on."""

    heard: Heard
    wire: GatewayWire


@dataclass
class Echo:
    """Answers every request with its number, so that each answer tells what the gateway has understood."""

    seen: list[Seen] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def asked(self, wire: GatewayWire, request: Heard) -> None:
        number = len(self.seen)
        self.seen.append(Seen(request, wire))
        if request.upgrades:
            wire.tunnelled = True
            line = b"X-Seen: %d" % number
            wire.transport.write(
                head(b"HTTP/1.1 101 Go on", b"Upgrade: websocket", b"Connection: upgrade", line)
            )
            return
        body = b"#%d" % number
        framing, sent = (
            (b"Content-Length: %d" % len(body), body)
            if number % 3
            else (b"Transfer-Encoding: chunked", chunked(body))
        )
        start = head(b"HTTP/1.1 200 OK", b"X-Seen: %d" % number, framing)
        wire.transport.write(start + (b"" if request.method == b"HEAD" else sent))

    def broke(self, wire: GatewayWire, rest: bytes) -> None:
        self.broken.append(rest)

    def nonsense(self, wire: GatewayWire, why: str) -> None:
        self.errors.append(f"the gateway got what is no HTTP: {why}")
        wire.transport.abort()

    def clear(self) -> None:
        """Forget it all."""
        self.seen.clear()
        self.broken.clear()
        self.errors.clear()


class Requests:
    """The campaign against the client's side."""

    name = "requests"

    def __init__(self, loop: LoopThread) -> None:
        self.echo = Echo()
        self.arena = Arena(loop, self.echo)

    def draw(self, random: Random) -> Case:
        """A case."""
        raw = mutate(random, seeds.pipeline(random), seeds.pipeline(random))
        if random.random() < 0.4:
            # Whoever reads the bytes before it in another way reads this one in another way, too.
            raw += head(b"GET /canary HTTP/1.1", b"Host: localhost")
        places = random.choices(range(1, len(raw) + 2), k=random.choice((0, 0, 0, 1, 3)))
        return Case(raw, tuple(sorted(set(places))))

    async def run(self, case: Case) -> Outcome:
        """Send it, and look at what comes of it."""
        expected = expect(case.raw, self.arena.authority)
        if expected.undecided:
            return Outcome([])
        wire = await self.arena.connect()
        try:
            await self._converse(case, expected, wire)
        finally:
            wire.transport.abort()
        problems, claimed = self._judge(case, expected, wire)
        return Outcome(
            problems,
            accepted=sum(1 for _, heard in expected.answered if heard is not None),
            refused=expected.fate is Fate.REFUSED,
            claimed=claimed,
            partial=expected.partial,
        )

    async def _converse(self, case: Case, expected: Expected, wire: Wire) -> None:
        methods = [method for method, _ in expected.answered]

        def all_are_answered() -> bool:
            reading = read_answers(bytes(wire.received), methods, ended=False)
            return len(reading.messages) >= len(methods)

        ours = any(heard is None for _, heard in expected.answered)
        # Whether we wait for the body of what the sidecar answers by itself depends on how it is cut.
        await wire.send([case.raw] if ours else case.pieces)
        await wire.until(all_are_answered)
        wire.half_close()
        await wire.until(lambda: False)

    def _judge(self, case: Case, expected: Expected, wire: Wire) -> tuple[list[str], set[int]]:
        problems: list[str] = []
        claimed: set[int] = set()
        # A connection of the local application's is not the relay's: what is pipelined there may cost a reset, and
        # behind other requests it is dropped, be it good or bad.
        local = b"/feedback" in case.raw
        if wire.end is not End.CLOSED and not local:
            problems.append(f"the connection ended by {wire.end}")
        methods = [method for method, _ in expected.answered]
        reading = read_answers(bytes(wire.received), methods, ended=True)
        if len(reading.messages) != len(methods):
            problems.append(f"{len(reading.messages)} answers to {len(methods)} requests")
        for answer, (_, heard) in zip(reading.messages, expected.answered, strict=False):
            problems += self._answer_differs(answer, heard, claimed)
        if expected.fate is Fate.TUNNEL and not problems:
            tunnel = self.echo.seen[max(claimed)].wire.received
            if tunnel != expected.frames:
                problems.append(f"the tunnel got {bytes(tunnel)!r} instead of {expected.frames!r}")
        if reading.rest or not local:
            problems += _wrong_end(expected, reading)
        return problems, claimed

    def _answer_differs(self, answer: Heard, heard: Heard | None, claimed: set[int]) -> list[str]:
        """What is wrong with one answer, which tells what the gateway has understood of its request, `heard`."""
        if heard is None:
            return [] if answer.status == 204 else [f"{answer.status} where the sidecar answers by itself"]
        number = b"".join(answer.values(_SEEN))
        if not number:
            return [f"a refusal where there was nothing to refuse: {answer.start!r} {answer.body!r}"]
        claimed.add(int(number))
        problems = differences(self.echo.seen[int(number)].heard, heard)
        if answer.framing is not Framing.NONE and answer.body != b"#" + number:
            problems.append(f"the body of another answer: {answer.body!r}")
        return problems

    def strays(self, outcomes: list[Outcome]) -> list[str]:
        """What the gateway saw and nobody had said."""
        claimed = set().union(*[outcome.claimed for outcome in outcomes])
        problems = [
            f"the gateway saw {each.heard.start!r}, which nobody had said"
            for number, each in enumerate(self.echo.seen)
            if number not in claimed
        ]
        partials = [outcome.partial for outcome in outcomes if outcome.partial is not None]
        for rest in self.echo.broken:
            broken = read_requests(rest).broken
            found = [each for each in partials if broken is not None and _is_part(broken, each)]
            if found:
                partials.remove(found[0])
            else:
                problems.append(f"the gateway saw a broken request that nobody had sent: {rest!r}")
        problems += self.echo.errors
        self.echo.clear()
        return problems


def differences(got: Heard, said: Heard) -> list[str]:
    """Where the request that the gateway saw is another than the one that was said."""
    pairs = [
        ("request line", got.start, said.start),
        ("fields", without_minted(got.lines), without_minted(said.lines)),
        ("body", got.body, said.body),
        ("trailers", got.trailers, said.trailers),
        ("framing", got.framing, said.framing),
    ]
    return [
        f"{name}: the gateway saw {saw!r}, said was {meant!r}" for name, saw, meant in pairs if saw != meant
    ]


def _is_part(broken: Heard, said: Heard) -> bool:
    return (
        broken.start == said.start
        and without_minted(broken.lines) == without_minted(said.lines)
        and said.body.startswith(broken.body)
    )


def _wrong_end(expected: Expected, reading: Reading) -> list[str]:
    """What is wrong with what came behind the last answer."""
    rest = reading.rest
    if expected.fate is Fate.LOCAL or (expected.fate is Fate.UNSURE and not rest):
        return []
    if expected.fate in (Fate.REFUSED, Fate.UNSURE):
        return [] if is_refusal(rest) else [f"no refusal: {rest[:300]!r} ({expected.why})"]
    if expected.announced and reading.messages and b"close" not in reading.messages[-1].tokens(b"connection"):
        return ["the end was not announced"]
    return [f"there was more: {rest[:300]!r}"] if rest else []


def is_refusal(rest: bytes) -> bool:
    """Whether these bytes are one refusal of ours, and nothing else."""
    for method in (b"GET", b"HEAD"):
        reading = read_answers(rest, [method], ended=True)
        if reading.stop is Stop.CLOSED and not reading.rest:
            answer = reading.messages[0]
            return 400 <= answer.status < 600 and len(answer.values(b"feedback-error")) == 1
    return False
