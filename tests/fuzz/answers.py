"""Mutated answers: the client sees what was said, or a break, or our 502; no other call meets the connection."""

import re
from dataclasses import dataclass, field
from random import Random

from fuzz import seeds
from fuzz.campaign import Case, Outcome
from fuzz.model import MOST_FIELDS, downwards
from fuzz.mutations import append_junk, mutate
from fuzz.wires import Arena, GatewayWire, Wire
from harness.loops import LoopThread
from harness.reference import DEBATABLE, Framing, Heard, Lines, Reading, Stop, read_answers
from harness.wire import End, head

_HANDSHAKE = (b"Upgrade: websocket", b"Connection: Upgrade")
_SWITCH = head(b"HTTP/1.1 101 Go on", *_HANDSHAKE)
_HEAD_END = re.compile(rb"\n\r?\n")
_OF_THE_CONNECTION = frozenset({b"connection", b"transfer-encoding", b"upgrade"})


@dataclass(frozen=True)
class Plan:
    """What the gateway says to one request, and what it does then. `reading`: what that means."""

    case: Case
    method: bytes
    http10: bool
    reading: Reading
    closes: bool
    resets: bool

    @classmethod
    def of(cls, case: Case) -> "Plan":
        """`case.what`: the request's method and version, and how the gateway ends when it does."""
        method, version, end = case.what
        verb = b"GET" if method == b"WS" else method
        reading = read_answers(case.raw, [verb], ended=False)
        # The sidecar may wait for the end of half a line; of a whole head it has to see by itself what is wrong.
        closes = reading.stop is Stop.WAITING or (
            reading.stop is Stop.INVALID and reading.broken is None and not _HEAD_END.search(reading.rest)
        )
        if closes:
            reading = read_answers(case.raw, [verb], ended=end == b"close")
        return cls(case, method, version == b"HTTP/1.0", reading, closes, closes and end == b"reset")

    @property
    def final(self) -> Heard | None:
        """The answer, if it is whole; 101 only if it was asked for."""
        last = self.reading.messages[-1] if self.reading.messages else None
        if last is None or not _is_final(last):
            return None
        return last if last.status != 101 or (self.method == b"WS" and last.upgrades) else None

    @property
    def interims(self) -> list[Heard]:
        """What came before it."""
        return [] if self.http10 else [each for each in self.reading.messages if not _is_final(each)]

    @property
    def spoils(self) -> bool:
        """Whether no other call may meet the connection."""
        return self.closes or self.reading.stop is not Stop.CLEAN

    @property
    def may_be_refused(self) -> bool:
        """Whether a refusal is as good: 1xx may not speak of a body (RFC 9110 §8.6), and has none if it does."""
        return any(
            each.values(b"content-length") or each.values(b"transfer-encoding")
            for each in self._heads
            if not _is_final(each)
        )

    @property
    def _heads(self) -> list[Heard]:
        broken = self.reading.broken
        return self.reading.messages if broken is None else [*self.reading.messages, broken]

    @property
    def undecided(self) -> bool:
        """Whether more than one way of dealing with it is right."""
        return (
            self.reading.why in DEBATABLE
            or _TAB.search(self.case.raw) is not None
            or any(len(each.lines) > MOST_FIELDS for each in self._heads)
            # llhttp takes an interim answer at its word, and wants no answer behind it.
            or any(each.status < 200 and each.last for each in self.reading.messages)
        )


_TAB = re.compile(rb"transfer-encoding:[^\r\n]*\t[ \t]*\r", re.IGNORECASE)


@dataclass
class Mutants:
    """Answers `/case/N` as its plan says, and `/after/N` with N."""

    plans: dict[int, Plan] = field(default_factory=dict)
    spoiled: dict[GatewayWire, Plan] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def asked(self, wire: GatewayWire, request: Heard) -> None:
        kind, number = request.target.split(b"/")[1:]
        if wire in self.spoiled:
            self.errors.append(f"the connection was used again after {self.spoiled[wire].case.raw!r}")
        if kind == b"after":
            wire.transport.write(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(number)) + number)
            return
        plan = self.plans[int(number)]
        if plan.spoils:
            self.spoiled[wire] = plan
        wire.tunnelled = plan.final is not None and plan.final.status == 101
        wire.perform(plan.case.pieces, closes=plan.closes, resets=plan.resets)

    def broke(self, wire: GatewayWire, rest: bytes) -> None:
        self.errors.append(f"half a request: {rest!r}")

    def nonsense(self, wire: GatewayWire, why: str) -> None:
        self.errors.append(f"the gateway got what is no HTTP: {why}")
        wire.transport.abort()


class Answers:
    """The campaign against the gateway's side."""

    name = "answers"

    def __init__(self, loop: LoopThread) -> None:
        self.mutants = Mutants()
        self.arena = Arena(loop, self.mutants)
        self._number = 0

    def draw(self, random: Random) -> Case:
        """A case."""
        method = random.choice((b"GET",) * 6 + (b"POST",) * 2 + (b"HEAD",) * 2 + (b"WS",))
        version = b"HTTP/1.0" if method != b"WS" and random.random() < 0.15 else b"HTTP/1.1"
        raw = seeds.answer(random, method)
        if method == b"WS" and random.random() < 0.7:
            raw = _SWITCH
        raw = mutate(random, raw, seeds.answer(random, method))
        if random.random() < 0.1:
            raw = append_junk(random, raw)
        case = Case(raw, (), (method, version, random.choice((b"close", b"close", b"reset"))))
        places = random.choices(range(1, len(raw) + 2), k=random.choice((0, 0, 0, 1, 3)))
        plan = Plan.of(case)
        if plan.final is not None and plan.reading.rest and plan.reading.stop is not Stop.SWITCHED:
            # What comes behind an answer in a read of its own may meet the next call: HTTP/1.1 cannot tell.
            places = []
        return Case(raw, tuple(sorted(set(places))), case.what)

    async def run(self, case: Case) -> Outcome:
        """Ask for it, and look at what comes."""
        plan = Plan.of(case)
        if plan.undecided:
            return Outcome([])
        number = self._number = self._number + 1
        self.mutants.plans[number] = plan
        wire = await self.arena.connect()
        try:
            return await self._ask(plan, number, wire)
        finally:
            wire.transport.abort()

    async def _ask(self, plan: Plan, number: int, wire: Wire) -> Outcome:
        method = b"GET" if plan.method == b"WS" else plan.method
        lines = [b"Host: localhost", seeds.ID]
        if plan.method == b"WS":
            lines += _HANDSHAKE
        if plan.method == b"POST":
            lines.append(b"Content-Length: 0")
        version = b"HTTP/1.0" if plan.http10 else b"HTTP/1.1"
        await wire.send([head(b"%b /case/%d %b" % (method, number, version), *lines)])

        def reading() -> Reading:
            return read_answers(bytes(wire.received), [method], ended=wire.end is End.CLOSED)

        def is_answered() -> bool:
            return any(map(_is_final, reading().messages))

        await wire.until(is_answered)
        seen = reading()
        problems = _judge(plan, seen, wire)
        if not problems and is_answered() and seen.messages[-1].status == 101:
            problems += await _through_the_tunnel(plan, seen, wire)
        elif not problems and is_answered():
            problems += await _goes_on(seen, number, wire)
        ours = bool(seen.messages) and bool(seen.messages[-1].values(b"feedback-error"))
        return Outcome(problems, accepted=int(is_answered() and not ours), refused=ours)

    def strays(self, outcomes: list[Outcome]) -> list[str]:
        """What went wrong at the gateway."""
        mutants = self.mutants
        problems = [
            *mutants.errors,
            *[
                f"the connection is kept after {plan.case.raw!r}"
                for wire, plan in mutants.spoiled.items()
                if wire.end is None
            ],
        ]
        mutants.plans.clear()
        mutants.spoiled.clear()
        mutants.errors.clear()
        return problems


def _judge(plan: Plan, seen: Reading, wire: Wire) -> list[str]:
    """What is wrong with what the client saw."""
    finals = [each for each in seen.messages if _is_final(each)]
    if plan.may_be_refused and finals and _is_ours(finals[0]):
        return []
    if (why := _interims_differ(plan, seen, loose=plan.resets)) is not None:
        return [why]
    if plan.resets and (not finals or _is_ours(finals[0])):
        return []  # A reset may overtake anything.
    if plan.final is None:
        if not finals:
            # An end within a message is a break; of one that ends with its connection, only a reset is.
            broken = wire.end is End.RESET or (seen.stop is Stop.WAITING and seen.broken is not None)
            return [] if broken else [f"neither an answer nor a break: {seen}"]
        return (
            [] if _is_ours(finals[0]) else [f"a whole answer out of a broken one: {bytes(wire.received)!r}"]
        )
    if not finals:
        return [f"no whole answer: {bytes(wire.received)!r}"]
    if _is_ours(finals[0]):
        return [f"a refusal where there was nothing to refuse: {finals[0].body!r}"]
    return differences(plan.final, finals[0], http10=plan.http10)


def _interims_differ(plan: Plan, seen: Reading, *, loose: bool) -> str | None:
    got = [_interim(each) for each in seen.messages if not _is_final(each)]
    meant = [_interim(downwards(each, to_http10=False)) for each in plan.interims]
    if loose:
        meant = meant[: len(got)]
    return None if got == meant else f"interim answers: the client saw {got!r}, said was {meant!r}"


def _is_final(message: Heard) -> bool:
    return message.status >= 200 or message.status == 101


def _interim(message: Heard) -> tuple[int, bytes, Lines]:
    return message.status, message.reason, message.lines


def _is_ours(message: Heard) -> bool:
    return message.status == 502 and len(message.values(b"feedback-error")) == 1


def differences(said: Heard, got: Heard, *, http10: bool) -> list[str]:
    """Where the answer that the client saw is another than the one that the gateway said."""
    said = downwards(said, to_http10=http10)
    pairs = [
        ("status", (got.status, got.reason), (said.status, said.reason)),
        ("fields", _own_lines(got), _own_lines(said)),
        ("body", got.body, said.body),
        ("trailers", got.trailers, said.trailers if got.framing is Framing.CHUNKED else []),
        ("framing", got.framing, _framing_down(said.framing, http10=http10)),
    ]
    return [
        f"{name}: the client saw {saw!r}, said was {meant!r}" for name, saw, meant in pairs if saw != meant
    ]


def _own_lines(message: Heard) -> Lines:
    return [(name, value) for name, value in message.lines if name.lower() not in _OF_THE_CONNECTION]


def _framing_down(framing: Framing, *, http10: bool) -> Framing:
    if http10:
        return Framing.UNTIL_CLOSE if framing is Framing.CHUNKED else framing
    return Framing.CHUNKED if framing is Framing.UNTIL_CLOSE else framing


async def _through_the_tunnel(plan: Plan, seen: Reading, wire: Wire) -> list[str]:
    """What stood behind the 101 comes through as it is."""
    frames = plan.reading.rest
    start = len(wire.received) - len(seen.rest)
    await wire.until(lambda: len(wire.received) - start >= len(frames))
    got = bytes(wire.received[start:])
    return [] if got == frames else [f"the tunnel brought {got!r} instead of {frames!r}"]


async def _goes_on(seen: Reading, number: int, wire: Wire) -> list[str]:
    """Behind its answer, a connection ends in good order, or carries the next call."""
    if seen.stop is Stop.CLOSED:
        await wire.until(lambda: False)
        return [] if wire.end is End.CLOSED else ["the connection ended by a reset"]
    if seen.rest:
        return [f"something behind the answer: {seen.rest!r}"]
    before = len(wire.received)
    await wire.send([head(b"GET /after/%d HTTP/1.1" % number, b"Host: localhost", seeds.ID)])

    def reading() -> Reading:
        return read_answers(bytes(wire.received[before:]), [b"GET"], ended=False)

    await wire.until(lambda: bool(reading().messages))
    messages = reading().messages
    if not messages or messages[0].body != b"%d" % number:
        return [f"the next call got {bytes(wire.received[before:])!r}"]
    return []
