"""Judges calls that are over, and has those rated of which a rule holds. No call waits for any of it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from proxy.calls.live_call import LiveCall
from proxy.config.rules import Rule
from proxy.delivery.intake import Submission
from proxy.errors import InvalidRating, SidecarError
from proxy.metrics import Reading
from proxy.model import Entry
from proxy.rules.cases import Case, action_of, rating_of, said_by
from proxy.rules.child import Child, Lost
from proxy.rules.choosing import Choosing, Chosen
from proxy.rules.contents import MOST_BYTES
from proxy.rules.jobs import Asked, Setup, Verdict
from proxy.rules.queue import JobQueue, Waiting

logger = logging.getLogger(__name__)

_TEXTS_SECONDS: Final = 30.0
"""How long a batch of answers may take to be judged: it takes milliseconds, but the process may be starved."""
_START_SECONDS: Final = 20.0
"""How long a process may take to start, besides."""
_BATCH: Final = 256
_GATHERING_SECONDS: Final = 0.01
_SAY_EVERY_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0
_MOST_VERDICTS: Final = 10_000
"""Calls that wait to be rated: more come to that only where the disk stands still."""

COUNTED: Final = (
    ("judged", "Calls that were judged."),
    ("rated", "Calls that a rule has rated."),
    ("overruled", "Calls that a rule would have rated, had not a person."),
    (
        "unratable",
        "Calls of which a rule held and that cannot be rated: Helicone has no log of them, or no key.",
    ),
    ("too_long", "Answers that were too long to judge."),
    ("unreadable", "Answers with nothing in them that could be read."),
    ("dropped", "Calls that were not judged, since too many waited."),
    ("timed_out", "Calls of a function that took too long."),
    ("failed", "Judgments and ratings that failed."),
)

Take = Callable[[Sequence[Submission]], Awaitable[list[Entry]]]


class Judge:
    """Applies rules to calls. `take` has ratings delivered; `chance` gives numbers from 0 to below 1."""

    def __init__(
        self,
        rules: Sequence[Rule],
        take: Take,
        chance: Callable[[], float],
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        """`clock` is a steady one; `pause` waits for so many seconds."""
        self.rules = rules
        self.counts: Counter[str] = Counter({name: 0 for name, _ in COUNTED})
        self.holding: Counter[str] = Counter({rule.name: 0 for rule in rules})
        """How often each rule has held, by its name."""
        self._take = take
        self._clock = clock
        self._pause = pause
        self._choosing = Choosing(rules, chance)
        self._actions = [action_of(rule) for rule in rules]
        texts = Setup([Asked(rule.when) for rule in rules])
        functions = Setup([Asked(rule.when, rule.call) for rule in rules])
        self._texts, self._functions = JobQueue(), JobQueue()
        self._children = Child(texts), Child(functions)
        self._verdicts: list[Case] = []
        self._has_verdicts = asyncio.Event()
        self._open = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._said_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Judge with {len(self.rules)} rules, {self._open} calls under way>"

    @property
    def body_bytes(self) -> int:
        """How long the bodies are that it wants to see; 0: none."""
        return MOST_BYTES if any(rule.needs_body for rule in self.rules) else 0

    # -- at the end of calls

    def calls_ended(self, calls: Sequence[LiveCall]) -> None:
        """These are over."""
        for call in calls:
            body = call.take_body()
            chosen = self._choosing.always or self._choosing.chosen(call)
            if not (chosen.texts or chosen.holding or chosen.functions):
                self.counts["judged"] += 1
            elif call.key_fingerprint is None or call.why_unratable() is not None:
                self.counts["unratable"] += 1
            else:
                if not self._open:
                    self._is_idle.clear()
                self._open += 1
                # A case is made when a rule holds; with most rules that is seldom.
                if body is None or not chosen.is_texts_alone:
                    self._judge(call, body, chosen)
                elif not self._texts.put(Waiting(call, body, chosen.texts)):
                    self._dropped()
                    self._judged(Case(call, {}, 0))

    def _judge(self, call: LiveCall, body: bytes | None, chosen: Chosen) -> None:
        """Have all that is chosen for a call said of it."""
        waiting = [each for each in self._asked(call, body, chosen) if self._put(each)]
        case = Case(call, {place: self._actions[place] for place in chosen.holding}, len(waiting))
        for each in waiting:
            each.case = case
        if not waiting:
            self._judged(case)

    def _put(self, waiting: Waiting) -> bool:
        """Have an answer wait to be judged; False where too many do."""
        queue = self._texts if waiting.facts is None else self._functions
        if not queue.put(waiting):
            self._dropped()
            return False
        return True

    def _dropped(self) -> None:
        self._complain("dropped", "Calls are not judged by rules: more end than can be judged.")

    def _asked(self, call: LiveCall, body: bytes | None, chosen: Chosen) -> list[Waiting]:
        """What others have to judge."""
        texts, functions = chosen.texts, chosen.functions
        if not texts and not functions:
            return []
        if body is None and call.counts_as_last:
            why = _why_no_body(call)
            if why == "dropped":
                self._complain(why, "Answers are not judged by rules: more pass at once than are kept.")
            else:
                self.counts[why] += 1
            if why != "unreadable":
                return []
        asked = [Waiting(call, body, texts)] if texts and body is not None else []
        if not functions:
            return asked
        document = chosen.facts.as_document()
        return asked + [Waiting(call, body, [place], facts=document) for place in functions]

    # -- behind

    async def run(self) -> None:
        """Judge and rate until cancelled."""
        steps = self._judge_texts, self._ask_function, self._rate
        await asyncio.gather(*[self._again_and_again(step) for step in steps])

    async def _again_and_again(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001  # what nobody has foreseen in one answer must not end all rules
                kind = type(error).__name__
                self._complain(
                    "failed", f"Rules have met what nobody has foreseen ({kind}). Please report this."
                )
                await self._pause(_PAUSE_SECONDS)

    async def _judge_texts(self) -> None:
        await self._texts.wait()
        # What ends meanwhile goes along: a message to the process costs more than what stands in it.
        await self._pause(_GATHERING_SECONDS)
        await self._answer(self._children[0], self._texts.take(_BATCH), _TEXTS_SECONDS)

    async def _ask_function(self) -> None:
        """One alone, so that each has a time of its own."""
        await self._functions.wait()
        waiting = self._functions.take(1)
        seconds = self.rules[waiting[0].rules[0]].timeout_seconds
        await self._answer(self._children[1], waiting, seconds)

    async def _answer(self, child: Child, waiting: Sequence[Waiting], seconds: float) -> None:
        try:
            for verdict in await self._verdicts_of(child, waiting, seconds):
                self._note(waiting[verdict.job], verdict)
        finally:
            self._answered(waiting)

    async def _verdicts_of(self, child: Child, waiting: Sequence[Waiting], seconds: float) -> list[Verdict]:
        """What the process says; nothing where it fails."""
        name = self.rules[waiting[0].rules[0]].name
        try:
            await child.ready(_START_SECONDS)
            return await child.ask([each.job() for each in waiting], seconds)
        except TimeoutError:
            what = f"The function of the rule {name}" if child is self._children[1] else "To judge answers"
            self._complain("timed_out", f"{what} took too long, and was ended.")
        except Lost:
            self._complain("failed", "The process that judges answers has ended; another is started.")
            # One that cannot even start must not be started again and again.
            await self._pause(_PAUSE_SECONDS)
        return []

    def _note(self, each: Waiting, verdict: Verdict) -> None:
        """Take what came of one answer."""
        if verdict.why_not == "failed":
            name = self.rules[each.rules[0]].name
            self._complain("failed", f"The function of the rule {name} failed: {verdict.said}.")
        elif verdict.why_not:
            self.counts[verdict.why_not] += 1
        if each.case is None:
            each.case = Case(each.call, {}, 1)
        for place in verdict.holding:
            rule = self.rules[place]
            try:
                each.case.holding[place] = (
                    self._actions[place] if rule.call is None else said_by(rule, verdict.said)
                )
            except InvalidRating:
                # Why not may quote what it gave: that may be the answer's words.
                self._complain("failed", f"What the function of the rule {rule.name} gave is no rating.")

    def _answered(self, waiting: Iterable[Waiting]) -> None:
        """These are judged, all that can be."""
        of_none = 0
        for each in waiting:
            case = each.case
            if case is None:
                of_none += 1
                continue
            case.open -= 1
            if not case.open:
                self._judged(case)
        self.counts["judged"] += of_none
        self._done(of_none)

    def _judged(self, case: Case) -> None:
        self.counts["judged"] += 1
        if not case.holding:
            self._done(1)
            return
        self.holding.update([self.rules[place].name for place in case.holding])
        if len(self._verdicts) >= _MOST_VERDICTS:
            self._complain("dropped", "Calls are not rated by rules: more wait for that than may.")
            self._done(1)
            return
        self._verdicts.append(case)
        self._has_verdicts.set()

    async def _rate(self) -> None:
        await self._has_verdicts.wait()
        self._has_verdicts.clear()
        cases, self._verdicts = self._verdicts[:_BATCH], self._verdicts[_BATCH:]
        if self._verdicts:
            self._has_verdicts.set()
        try:
            entries = await self._take([_submission_of(case) for case in cases])
        except SidecarError as error:
            self._complain("failed", f"Ratings by rules could not be taken: {error.message}", len(cases))
        else:
            rated = sum(entry.rating.is_automated for entry in entries)
            self.counts["rated"] += rated
            self.counts["overruled"] += len(entries) - rated
        finally:
            self._done(len(cases))

    def _done(self, number: int) -> None:
        self._open -= number
        if not self._open:
            self._is_idle.set()

    def _complain(self, what: str, sentence: str, number: int = 1) -> None:
        """Count what went wrong, and say it now and then."""
        self.counts[what] += number
        now = self._clock()
        if now - self._said_at.get(what, -_SAY_EVERY_SECONDS) >= _SAY_EVERY_SECONDS:
            self._said_at[what] = now
            logger.warning("%s (%d so far.)", sentence, self.counts[what])

    # -- the end, and what is told

    async def finish(self, seconds: float) -> None:
        """Judge what is under way, for at most so long; what is left then is given up."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        except TimeoutError:
            logger.warning("Stopping: %d calls are left unjudged by rules.", self._open)

    async def close(self) -> None:
        """End the processes."""
        for child in self._children:
            await child.close()

    def report(self) -> Mapping[str, object]:
        """What has come of rules so far, for the health answer."""
        rules = [{"name": name, "held": held} for name, held in self.holding.items()]
        return {"rules": rules, **self.counts, "waiting": len(self._texts) + len(self._functions)}


def _submission_of(case: Case) -> Submission:
    call = case.call
    return Submission(
        request_id=call.request_id, key_fingerprint=call.key_fingerprint, rating=rating_of(case.holding)
    )


def _why_no_body(call: LiveCall) -> str:
    if call.bytes_down > MOST_BYTES:
        return "too_long"
    return "dropped" if call.body_dropped else "unreadable"


def rule_readings(judge: Judge) -> list[Reading]:
    """What rules have come to, as numbers."""
    return [
        Reading(f"rules_{name}", sentence, lambda name=name: judge.counts[name], only_grows=True)  # type: ignore[misc]
        for name, sentence in COUNTED
    ]
