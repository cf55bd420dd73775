"""Long lists, gone through in turns with relayed calls: both planes share one loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 50
"""Items between two turns: a few milliseconds of work at the most."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Give one item after the other; every now and then whatever else is waiting comes first."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
