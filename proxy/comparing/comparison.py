"""Compares versions: asks a finder for calls with ratings, and how many calls there are; sums up, and judges.

Thumbs and scores are in the rows of calls, so those that have any are read. How many others there are is asked for
as a number: 100,000 of them would be 100 requests, of a thousand rows each, and a number is one. All requests are
within the budget of searches, and count against the limit that the organisation shares.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.comparing.intervals import Interval
from proxy.comparing.variants import MOST_SHOWN, By, Kind, Tallies, Variant
from proxy.comparing.verdicts import Finding, Verdict, judge
from proxy.search.finder import ROUTES_ARE_OURS, Finder, Source
from proxy.search.wanted import Wanted

MOST_READ: Final = 20_000
"""Calls with ratings or scores: 20 requests. Of two versions that many say to a point which is better."""
_MOST_COUNTED: Final = 10
"""Versions of which it is asked how many calls there are, one request each."""
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What versions come to. `calls`: how many there are in all, rated or not; None: that is not known."""

    source: Source
    why_local: str | None
    variants: list[Variant]
    verdict: Verdict
    without: int
    """How many of the calls that were read do not say which version they are of."""
    left_out: int
    """How many versions are not shown."""
    calls: int | None
    notes: list[str]
    """What has to be known to read it right; sentences."""

    def as_document(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "source": self.source,
            **({} if self.why_local is None else {"why_local": self.why_local}),
            "verdict": _describe_verdict(self.verdict),
            "variants": [_describe_variant(each) for each in self.variants],
            "left_out": self.left_out,
            "without": self.without,
            "calls": self.calls,
            "notes": self.notes,
        }


async def compare(
    finder: Finder,
    by: By,
    wanted: Wanted,
    *,
    most_read: int = MOST_READ,
    has_left: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Compare the versions of the calls that are wanted. Raises HeliconeError where only a part can be had.

    `has_left`: whether nobody waits for it any more, as `Finder.find` has it.
    """
    findings = await finder.find(
        replace(wanted, is_scored=True), most_read, locally=by.kind is Kind.ROUTE, has_left=has_left
    )
    is_local = findings.source == "local"
    if is_local:
        # All that is remembered is at hand: also what nobody has rated.
        why = ROUTES_ARE_OURS if by.kind is Kind.ROUTE else findings.why_local
        findings = replace(await finder.find(wanted, None, locally=True), why_local=why)
    tallies = Tallies(by)
    async with contextlib.aclosing(findings.calls) as found:
        async for call in found:
            tallies.add(call)
    variants, calls = tallies.largest(), tallies.read if is_local else None
    if not is_local:
        variants, calls = await _counted(finder, by, wanted, variants)
    return Comparison(
        source=findings.source,
        why_local=findings.why_local,
        variants=variants,
        verdict=judge(variants) if variants else _nothing(tallies, by, calls),
        without=tallies.without,
        left_out=len(tallies) - len(variants),
        calls=calls,
        notes=_notes(tallies, variants, calls, None if is_local else most_read),
    )


async def _counted(
    finder: Finder, by: By, wanted: Wanted, variants: list[Variant]
) -> tuple[list[Variant], int | None]:
    """The variants with how many calls each has, as far as it is asked for, and how many there are in all."""
    asked = sorted(variants, key=lambda each: -each.thumbs.number)[:_MOST_COUNTED]
    questions = [wanted, *(narrowed(wanted, by, each.value) for each in asked)]
    numbers: list[int | None] = []
    for start in range(0, len(questions), _AT_ONCE):
        numbers += await asyncio.gather(*map(finder.count, questions[start : start + _AT_ONCE]))
    by_value = {each.value: number for each, number in zip(asked, numbers[1:], strict=True)}
    return [replace(each, calls=by_value.get(each.value)) for each in variants], numbers[0]


def narrowed(wanted: Wanted, by: By, value: str) -> Wanted:
    """Of what is wanted the calls of one version. That of a route is known here alone, and never asked for."""
    if by.kind is Kind.MODEL:
        return replace(wanted, model=value)
    if by.kind is Kind.USER:
        return replace(wanted, user=value)
    if by.kind is Kind.SESSION:
        return replace(wanted, session=value)
    others = {name: each for name, each in wanted.properties.items() if name.lower() != by.name.lower()}
    return replace(wanted, properties={**others, by.name: value})


def _notes(tallies: Tallies, variants: list[Variant], calls: int | None, most_read: int | None) -> list[str]:
    """`most_read`: how many calls were read at most, of those that are rated; None: all calls were read."""
    notes: list[str] = []
    if not variants:
        return notes
    if most_read is not None and tallies.read >= most_read:
        notes.append(f"Only the newest {most_read:,} calls with ratings were read.")
    left_out = len(tallies) - len(variants)
    if left_out:
        least = "at least " if tallies.beyond else ""
        notes.append(f"The {MOST_SHOWN} with the most ratings are compared. Left out: {least}{left_out:,}.")
    if tallies.without:
        what = "Calls" if most_read is None else "Rated calls"
        notes.append(f"{what} that do not say which one they are of: {tallies.without:,}.")
    counted = [each.calls for each in variants]
    if most_read is not None and calls is not None and not left_out and None not in counted:
        rest = calls - sum(each or 0 for each in counted) - tallies.without
        if rest > 0:
            notes.append(
                f"Other calls at Helicone, which say nothing, or are of one without ratings there: {rest:,}."
            )
    return notes


def _nothing(tallies: Tallies, by: By, calls: int | None) -> Verdict:
    """What is said where there is no version at all."""
    if tallies.read:
        sentence = f"None of the calls ({tallies.read:,}) says {by}: is that what your app calls it?"
    elif calls:
        sentence = f"None of the calls ({calls:,}) has been rated yet."
    else:
        sentence = "There is no such call." if calls == 0 else "No such call has been rated yet."
    return Verdict(finding=Finding.NOT_COMPARABLE, sentence=sentence)


def _describe_variant(variant: Variant) -> dict[str, Any]:
    thumbs = variant.thumbs
    return {
        "value": variant.value,
        "calls": variant.calls,
        "rated": thumbs.number,
        "up": thumbs.up,
        "down": thumbs.down,
        "share": thumbs.share if thumbs.number else None,
        "interval": _describe_interval(variant.interval) if thumbs.number else None,
        "scores": {name: {"mean": mean, "number": number} for name, (mean, number) in variant.scores.items()},
    }


def _describe_verdict(verdict: Verdict) -> dict[str, Any]:
    difference = verdict.difference
    return {
        "finding": verdict.finding,
        "sentence": verdict.sentence,
        "difference": None
        if difference is None
        else {
            "best": difference.best,
            "second": difference.second,
            "by": difference.by,
            "interval": _describe_interval(difference.interval),
            "confidence": difference.confidence,
            "pairs": difference.pairs,
        },
        "more": None if verdict.more is None else dict(verdict.more),
    }


def _describe_interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}
