"""The event loop of a process that serves: which one, and the signals that end it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run `main` on uvloop, or on asyncio's own loop where uvloop cannot be installed."""
    try:
        import uvloop  # noqa: PLC0415  # it is not to be had everywhere
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def stop_signals(cut_now: Callable[[], None]) -> asyncio.Event:
    """From now on SIGINT and SIGTERM set the event. A second one cuts what the first lets finish."""
    told = asyncio.Event()

    def tell() -> None:
        if told.is_set():
            cut_now()
        told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, tell)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(tell))
    return told
