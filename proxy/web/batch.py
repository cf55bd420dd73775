"""POST: many ratings at once."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiohttp import web

from proxy import helicone, ratings
from proxy.delivery.intake import Standing, Submission, Until
from proxy.errors import CallerError, InvalidRating, MissingKey, SidecarError
from proxy.model import Entry, RatingState
from proxy.turns import in_turns
from proxy.web import wishes
from proxy.web.answers import answer, describe_standing, refusal
from proxy.web.context import CONTEXT, Context
from proxy.web.meant import by_name
from proxy.web.query import refuse_unknown_query
from proxy.web.submissions import REPLAYED, how_far, sent_body, submission

_ARRIVED = (RatingState.ACCEPTED, RatingState.VERIFIED)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One item of a batch: what is to be taken, or why it cannot be.

    `is_form`: whatever call it is for. `is_alias`: which call that is depends on what is remembered.
    """

    request_id: str | None
    taken: Submission | SidecarError
    is_form: bool = False
    is_alias: bool = False


async def rate_batch(request: web.Request) -> web.Response:
    """POST /feedback/batch: rate up to 1,000 calls; one result for each, in their order."""
    refuse_unknown_query(request, *wishes.NAMES)
    context = request.app[CONTEXT]
    body = await sent_body(request)
    items = ratings.parse_batch(body)
    wanted = wishes.wishes(request, Until.QUEUED)
    once = wishes.once_only(request, body)
    entries = None if once is None else await context.delivery.recall(once)
    # Nothing may happen from here until they are taken: a call that ends in between would never let its rating go.
    candidates = [_candidate(context, item, wanted.hold_seconds) for item in items]
    is_replayed = entries is not None
    if entries is None:
        taken = [each.taken for each in candidates if isinstance(each.taken, Submission)]
        entries = await context.delivery.take(taken, once) if taken else []
    response = _answer(candidates, await _standings(context, entries, wanted))
    if is_replayed:
        response.headers[REPLAYED] = "true"
    return response


def _candidate(context: Context, item: ratings.BatchItem, hold_seconds: float) -> _Candidate:
    name, rating = item.request_id, item.rating
    request_id = None if name is None else helicone.valid_request_id(name)
    if name is None or isinstance(rating, InvalidRating):
        assert isinstance(rating, InvalidRating)  # noqa: S101  # as is all that comes without an id
        return _Candidate(request_id, rating, is_form=True)
    is_alias = request_id is None
    try:
        meant = by_name(context, name)
        request_id = meant.request_id
        taken = submission(context, request_id, meant.call, rating, hold_seconds)
    except CallerError as error:
        return _Candidate(request_id, error, is_alias=is_alias)
    if taken.key_fingerprint is None:
        # One such call must not keep all the others from being rated.
        without = MissingKey("This call was made under no Helicone key that is known here.")
        return _Candidate(request_id, without, is_alias=is_alias)
    return _Candidate(request_id, taken, is_alias=is_alias)


async def _standings(context: Context, entries: Sequence[Entry], wanted: wishes.Wishes) -> list[Standing]:
    if wanted.until is Until.QUEUED:
        return [context.delivery.standing(entry) async for entry in in_turns(entries)]
    return list(await asyncio.gather(*(how_far(context, entry, wanted) for entry in entries)))


def _answer(candidates: Sequence[_Candidate], standings: Sequence[Standing]) -> web.Response:
    """One result for each item."""
    results: list[dict[str, Any]] = []
    for index, (each, standing) in enumerate(zip(candidates, _matched(candidates, standings), strict=True)):
        if standing is not None:
            said = {"id": standing.entry.request_id, **describe_standing(standing)}
        else:
            error = each.taken
            if isinstance(error, Submission):
                error = CallerError("It could not be taken when this batch first came.")
            said = {"id": each.request_id, "error": {"code": error.code, "message": error.message}}
        results.append({"index": index, **said})
    return _told(results, len(standings))


def _matched(candidates: Sequence[_Candidate], standings: Sequence[Standing]) -> list[Standing | None]:
    """What became of each item. Ratings were taken in the order of the items, with gaps.

    When a batch comes again an alias may name no call any more, or another: such an item was for what was taken
    between its neighbours.
    """
    left, taken_ids = deque(standings), {each.entry.request_id for each in standings}
    matched: list[Standing | None] = [None] * len(candidates)
    vague: list[int] = []

    def settle(number: int) -> None:
        """So many of those that are vague were taken: rather those whose names still mean something."""
        likely = sorted(vague, key=lambda index: candidates[index].request_id is None)
        for index in sorted(likely[:number]):
            matched[index] = left.popleft()
        vague.clear()

    for index, each in enumerate(candidates):
        if each.is_form:
            continue
        if each.is_alias and each.request_id not in taken_ids:
            vague.append(index)
            continue
        ahead = list(islice(left, len(vague) + 1))
        gap = next(
            (gap for gap, other in enumerate(ahead) if other.entry.request_id == each.request_id), None
        )
        if gap is not None:
            settle(gap)
            matched[index] = left.popleft()
    settle(len(left))
    return matched


def _told(results: list[dict[str, Any]], taken: int) -> web.Response:
    if not taken:
        message = "There is nothing in the batch that could be taken; each result says why."
        return refusal(InvalidRating.status, InvalidRating.code, message, details={"results": results})
    states = Counter(result["state"] for result in results if "state" in result)
    said = ", ".join(f"{count} {state}" for state, count in states.items())
    message = f"{taken} of {len(results)} ratings were taken: {said}."
    arrived = sum(states[state] for state in _ARRIVED) == len(results)
    return answer({"message": message, "taken": taken, "results": results}, status=200 if arrived else 202)
