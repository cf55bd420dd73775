"""The listener before a chat app, as the settings have it: `assembly.py` has it built where there is one."""

from collections.abc import Callable
from dataclasses import replace

from proxy.guard.decisions import Guard
from proxy.inject import refusals
from proxy.inject.observer import PREFIX, Entrance, PageObserver, direction_up
from proxy.relay.front_door import FrontDoor, MakeLocal
from proxy.relay.messages import RequestHead
from proxy.relay.pool import Pool
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Way

MAX_CONNECTIONS = 256
"""Browsers open a few each."""


def pages_door(
    main: FrontDoor,
    pool: Pool,
    guard: Guard,
    make_local: MakeLocal,
    make_nonce: Callable[[], str],
    on_refused: Callable[[bytes, bytes, Refusal], None],
) -> FrontDoor:
    """The door before the app that `pool` leads to; what is not said here is as at the `main` one."""
    way = Way("inject", b"", pool, keeps_host=True)

    def route(head: RequestHead) -> Way:
        del head
        return way

    return FrontDoor(
        gatherer=pool.gatherer,
        admit=Entrance(guard),
        route=route,
        observer=PageObserver(pool.upstream, make_nonce, on_refused),
        clock=main.clock,
        make_local=make_local,
        local_prefix=PREFIX.encode(),
        # Not the main door's name: an app may pass on there what a browser sent, and that is no loop.
        via=None if main.via is None else b"helicone-proxy-pages-" + main.via.rpartition(b"-")[2],
        # How long a gateway may be silent says nothing of an app: its streams of events may be for hours.
        patience=replace(main.patience, first_byte_seconds=None, silence_seconds=None),
        max_connections=min(MAX_CONNECTIONS, main.max_connections),
        up=direction_up(),
        say=refusals.say,
    )
