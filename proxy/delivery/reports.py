"""What delivery says of itself: in the health answer, and in the log at the beginning and at the end."""

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from proxy.config.problems import IN_MEMORY
from proxy.delivery.courier import Courier
from proxy.delivery.lanes import Lanes
from proxy.errors import OutboxFailed
from proxy.model import RatingState
from proxy.stores.contract import Depth, Outbox

logger = logging.getLogger(__name__)

_NEVER_CURRENT = (RatingState.SUPERSEDED, RatingState.WITHDRAWN)
"""What is counted are current ratings."""


async def report(outbox: Outbox, courier: Courier, lanes: Lanes, now: float) -> Mapping[str, Any]:
    """How delivery and outbox are: depth by state, oldest age, last success, pauses. Times are Unix times."""
    depth = await outbox.depth()
    return {
        "ratings": _by_state(depth, await paused(outbox, courier, lanes)),
        "open": depth.open,
        "refused": depth.by_state.get(RatingState.REFUSED, 0),
        "oldest_age_seconds": None
        if depth.oldest_since is None
        else round(max(0.0, now - depth.oldest_since), 1),
        "last_success_at": courier.errands.tally.last_success_at,
        "keys_not_known": sorted(courier.without_key),
        **lanes.description,
        **outbox.description,
    }


def _by_state(depth: Depth, paused: int) -> dict[str, int]:
    """As people see it: to the store what is paused is queued."""
    seen = {state.value: number for state, number in depth.by_state.items() if state not in _NEVER_CURRENT}
    # It may have left between the two looks.
    seen["queued"] = max(0, seen["queued"] - paused)
    return {**seen, "paused": paused}


async def paused(outbox: Outbox, courier: Courier, lanes: Lanes) -> int:
    """How many ratings wait for their key."""
    fingerprints = {lane.fingerprint for lane in lanes if lane.pause is not None} | courier.without_key
    return await outbox.queued(sorted(fingerprints)) if fingerprints else 0


async def say_what_waits(outbox: Outbox, courier: Courier) -> None:
    """Log what an earlier process left; called at the beginning, when the courier has taken it up."""
    with contextlib.suppress(OutboxFailed):
        depth = await outbox.depth()
        if not depth.open:
            return
        keyless = await outbox.queued(sorted(courier.without_key)) if courier.without_key else 0
        logger.info(
            "%s from before%s",
            _waits(depth.open),
            f"; {keyless} for a key that is not known here: until a call is made with it, or it is configured."
            if keyless
            else ", and delivery goes on.",
        )


async def say_what_is_left(outbox: Outbox) -> None:
    """Log how many ratings have not arrived yet, and where they are; called at the end."""
    with contextlib.suppress(OutboxFailed):
        left = (await outbox.depth()).open
        if not left:
            return
        path = outbox.description["path"]
        goes_on = (
            "the outbox was in memory only, and is gone"
            if path == IN_MEMORY
            else f"delivery goes on at the next start with the outbox {path}"
        )
        logger.info("%d rating%s not verified yet; %s.", left, " is" if left == 1 else "s are", goes_on)


def _waits(number: int) -> str:
    return "1 rating waits" if number == 1 else f"{number} ratings wait"
