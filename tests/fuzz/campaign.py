"""Cases in batches of many connections at once, and a small reproduction of what fails."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Protocol, Self

from fuzz.wires import PATIENCE_SECONDS, Arena
from harness.reference import Heard

BATCH = 100
ENOUGH_FAILURES = 3
_SHRINKING_SECONDS = 10.0
_SHRINKING_PATIENCE_SECONDS = 0.5


@dataclass(frozen=True)
class Case:
    """Bytes to send, and the places at which they are cut into reads. `what`: what else it depends on."""

    raw: bytes
    places: tuple[int, ...] = ()
    what: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        raw = repr(self.raw) if len(self.raw) < 3000 else f"{self.raw[:1500]!r} ... {self.raw[-1500:]!r}"
        cut = f", cut at {self.places}" if self.places else ""
        return f"{raw}{cut} {b' '.join(self.what).decode('latin-1')}".rstrip()

    @property
    def pieces(self) -> list[bytes]:
        """The bytes of each read."""
        ends = [0, *[place for place in self.places if place < len(self.raw)], len(self.raw)]
        return [self.raw[a:b] for a, b in pairwise(ends) if a < b]


@dataclass(frozen=True)
class Outcome:
    """What came of a case. `claimed`: the numbers of what the gateway saw; `partial`: what it may have seen."""

    problems: list[str]
    accepted: int = 0
    refused: bool = False
    claimed: set[int] = field(default_factory=set)
    partial: Heard | None = None


class Side(Protocol):
    """One side of the sidecar under fire."""

    name: str
    arena: Arena

    def draw(self, random: Random) -> Case:
        """A case."""

    async def run(self, case: Case) -> Outcome:
        """What comes of it."""

    def strays(self, outcomes: list[Outcome]) -> list[str]:
        """What was seen, and belongs to none of these. Forgets what was seen."""


@dataclass
class Figures:
    """What was done."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        what = f"{self.accepted} messages passed, {self.refused} cases refused"
        return f"{self.cases} cases in {self.seconds:.0f} s: {what}"


@dataclass(frozen=True)
class Failure:
    """A case that fails, as small as it was found."""

    case: Case
    problems: list[str]

    def __str__(self) -> str:
        return "\n  ".join([str(self.case), *self.problems])


class Campaign:
    """Runs cases of one side, in an arena that it opens."""

    def __init__(self, side: Side, seed: int) -> None:
        self.figures = Figures()
        self.failures: list[Failure] = []
        self._side = side
        self._seed = seed
        self._batches = 0

    def __enter__(self) -> Self:
        self._side.arena.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._side.arena.__exit__(None, None, None)

    def run(self, enough: Callable[[Figures], bool]) -> None:
        """Run batches until there are enough, or several failures."""
        while not enough(self.figures) and len(self.failures) < ENOUGH_FAILURES:
            random = Random(f"{self._seed} {self._side.name} {self._batches}")
            self._batches += 1
            self._run_batch([self._side.draw(random) for _ in range(BATCH)])

    def _run_batch(self, cases: list[Case]) -> None:
        begun = time.perf_counter()
        outcomes, strays = self._play(cases)
        self.figures.seconds += time.perf_counter() - begun
        self.figures.cases += len(cases)
        self.figures.accepted += sum(outcome.accepted for outcome in outcomes)
        self.figures.refused += sum(outcome.refused for outcome in outcomes)
        suspects = [case for case, outcome in zip(cases, outcomes, strict=True) if outcome.problems]
        for case in suspects or (cases if strays else []):
            problems = self._alone(case)
            if problems:
                self.failures.append(self._shrunk(case, problems))
                return
        if all(problem == _LATE for outcome in outcomes for problem in outcome.problems) and not strays:
            # A machine that was asleep for a while makes everybody late; whoever is late again is late.
            outcomes, strays = self._play(cases) if suspects else (outcomes, strays)
        problems = [
            f"{case}: {outcome.problems}"
            for case, outcome in zip(cases, outcomes, strict=True)
            if outcome.problems
        ]
        if problems or strays:
            self.failures.append(Failure(Case(b""), ["only in company:", *problems, *strays]))

    def _play(
        self, cases: list[Case], patience_seconds: float = PATIENCE_SECONDS
    ) -> tuple[list[Outcome], list[str]]:
        """Run these at the same time. Gives what came of each, and of none."""

        async def play() -> list[Outcome]:
            tasks = [asyncio.create_task(self._side.run(case), name="case") for case in cases]
            await asyncio.wait(tasks, timeout=patience_seconds)
            late = [task for task in tasks if task.cancel()]
            await asyncio.gather(*late, return_exceptions=True)
            return [Outcome([_LATE]) if task.cancelled() else task.result() for task in tasks]

        arena = self._side.arena
        outcomes = arena.loop.run(play())
        arena.wait_until_settled()
        strays = self._side.strays(outcomes)
        strays += arena.errors.found
        arena.errors.found.clear()
        # A line for each call, for as long as one likes: nobody reads them.
        arena.sidecar.forget_log()
        return outcomes, strays

    def _alone(self, case: Case, patience_seconds: float = PATIENCE_SECONDS) -> list[str]:
        (outcome,), strays = self._play([case], patience_seconds)
        return outcome.problems + strays

    def _shrunk(self, case: Case, problems: list[str]) -> Failure:
        """The same failure, with as few bytes as are found in a few seconds."""
        deadline = time.monotonic() + _SHRINKING_SECONDS
        size = len(case.raw) // 2
        while size and time.monotonic() < deadline:
            at = 0
            while at < len(case.raw) and time.monotonic() < deadline:
                smaller = Case(case.raw[:at] + case.raw[at + size :], what=case.what)
                found = self._alone(smaller, _SHRINKING_PATIENCE_SECONDS)
                if found and _kinds(found) == _kinds(problems):
                    case, problems = smaller, found
                else:
                    at += size
            size //= 2
        return Failure(case, problems)


_LATE = "neither an answer nor an end in time"


def _kinds(problems: list[str]) -> set[str]:
    """What kinds of problems these are, whatever the bytes."""
    return {problem.partition(":")[0] for problem in problems}
