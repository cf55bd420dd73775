"""Host names: looked up off the loop, once for all who ask, and kept for a while."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import Sequence

import pytest

from harness.loops import LoopThread
from proxy.relay.names import (
    KEPT_SECONDS,
    PAUSE_SECONDS,
    STALE_SECONDS,
    Address,
    Found,
    NameCache,
    system_resolve,
)
from relay.loops import on_both_loops

NAME = ("gateway.test", 443)


def address(number: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (f"192.0.2.{number}", 443))


class Resolver:
    """Answers when it is told to: each time with another address, or with a failure."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.fails = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        number = len(self.asked)
        await self.may_answer.wait()
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "not now")
        return [address(number)]


class Bench:
    """A cache before that resolver, with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.resolver = Resolver()
        self.cache = NameCache(self.resolver, lambda: self.now, patience_seconds=0.05)

    async def find(self) -> Found:
        return await self.cache.find(*NAME)

    async def lookups_have_ended(self) -> None:
        if lookups := set(self.cache._lookups.values()):
            await asyncio.wait(lookups)
        await asyncio.sleep(0)
        assert self.cache._lookups == {}
        # A failure at which nobody has looked would be told now.
        del lookups
        gc.collect()


def found(number: int, *, remembered: bool) -> Found:
    return Found((address(number),), remembered)


def test_an_answer_is_kept_for_a_while(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        assert await bench.find() == found(1, remembered=False)
        bench.now += KEPT_SECONDS - 1
        assert await bench.find() == found(1, remembered=True)
        bench.now += 2
        assert await bench.find() == found(2, remembered=False)
        assert bench.resolver.asked == [NAME, NAME]

    loop.run(scenario())


def test_every_name_and_port_has_an_answer_of_its_own(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        names = [("a.test", 1), ("b.test", 1), ("a.test", 2)]
        for name in names * 2:
            await bench.cache.find(*name)
        assert bench.resolver.asked == names

    loop.run(scenario())


def test_a_name_that_was_dropped_is_asked_for_again(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.find()
        bench.cache.drop(*NAME)
        assert await bench.find() == found(2, remembered=False)

    loop.run(scenario())


@on_both_loops
def test_all_who_ask_at_once_share_one_lookup_and_who_leaves_takes_nothing_away(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.resolver.may_answer.clear()
        asking = [asyncio.create_task(bench.find()) for _ in range(5)]
        await asyncio.sleep(0)
        asking[0].cancel()
        asking[3].cancel()
        await asyncio.wait([asking[0], asking[3]])
        bench.resolver.may_answer.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in answers] == [1, 0, 0, 1, 0]
        assert [answers[i] for i in (1, 2, 4)] == [found(1, remembered=False)] * 3
        assert bench.resolver.asked == [NAME]

    loop.run(scenario())


@on_both_loops
@pytest.mark.parametrize("fails", [False, True])
def test_a_lookup_that_everybody_has_left_ends_well(loop: LoopThread, fails: bool) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.resolver.may_answer.clear()
        asking = asyncio.create_task(bench.find())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        bench.resolver.fails = fails
        bench.resolver.may_answer.set()
        await bench.lookups_have_ended()
        bench.resolver.fails = False
        assert await bench.find() == found(2 if fails else 1, remembered=not fails)

    loop.run(scenario())


@on_both_loops
def test_a_failure_is_everybodys_and_is_not_kept(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.resolver.fails = True
        answers = await asyncio.gather(*(bench.find() for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in answers] == [socket.gaierror] * 3
        assert bench.resolver.asked == [NAME]
        bench.resolver.fails = False
        assert await bench.find() == found(2, remembered=False)

    loop.run(scenario())


@pytest.mark.parametrize("slow", [False, True])
def test_an_old_answer_stands_in_for_one_that_cannot_be_had(loop: LoopThread, slow: bool) -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.find()
        bench.now += KEPT_SECONDS + 1
        if slow:
            bench.resolver.may_answer.clear()
        else:
            bench.resolver.fails = True
        assert await bench.find() == found(1, remembered=True)
        assert await bench.find() == found(1, remembered=True)
        assert len(bench.resolver.asked) == 2
        bench.resolver.fails = False
        bench.resolver.may_answer.set()
        await bench.lookups_have_ended()
        bench.now += PAUSE_SECONDS + 1
        # A slow answer is as good as any: it was kept when it came.
        assert await bench.find() == (found(2, remembered=True) if slow else found(3, remembered=False))

    loop.run(scenario())


def test_an_answer_that_is_too_old_stands_in_for_nothing(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.find()
        bench.now += STALE_SECONDS + 1
        bench.resolver.fails = True
        with pytest.raises(socket.gaierror):
            await bench.find()

    loop.run(scenario())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", [(socket.AF_INET, ("192.0.2.7", 443))]),
        ("2001:db8::7", [(socket.AF_INET6, ("2001:db8::7", 443, 0, 0))]),
        ("localhost", [(socket.AF_INET6, ("::1", 443, 0, 0)), (socket.AF_INET, ("127.0.0.1", 443))]),
        ("llm.localhost", [(socket.AF_INET6, ("::1", 443, 0, 0)), (socket.AF_INET, ("127.0.0.1", 443))]),
    ],
)
def test_addresses_and_this_machine_are_not_asked_for(
    loop: LoopThread, host: str, expected: list[object]
) -> None:
    async def scenario() -> None:
        bench = Bench()
        answer = await bench.cache.find(host, 443)
        assert [(family, sockaddr) for family, _, _, _, sockaddr in answer.addresses] == expected
        assert not answer.remembered
        assert bench.resolver.asked == []

    loop.run(scenario())


def test_a_name_without_addresses_is_a_failure(loop: LoopThread) -> None:
    async def nothing(host: str, port: int) -> Sequence[Address]:
        return []

    async def scenario() -> None:
        with pytest.raises(socket.gaierror):
            await NameCache(nothing, lambda: 0.0).find(*NAME)

    loop.run(scenario())


@on_both_loops
@pytest.mark.parametrize("host", ["x" * 64 + ".test", "a..test", "gateway.invalid"])
def test_a_name_that_no_system_resolves_is_a_failure_too(loop: LoopThread, host: str) -> None:
    async def scenario() -> None:
        with pytest.raises(socket.gaierror):
            await NameCache(system_resolve, lambda: 0.0).find(host, 443)

    loop.run(scenario())


@on_both_loops
def test_the_system_gives_addresses_of_tcp(loop: LoopThread) -> None:
    async def scenario() -> None:
        for family, kind, protocol, _, sockaddr in await system_resolve("localhost", 80):
            assert family in (socket.AF_INET, socket.AF_INET6)
            assert (kind, protocol, sockaddr[1]) == (socket.SOCK_STREAM, socket.IPPROTO_TCP, 80)

    loop.run(scenario())


@on_both_loops
def test_closing_gives_up_what_is_being_looked_up(loop: LoopThread) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.resolver.may_answer.clear()
        asking = asyncio.create_task(bench.find())
        await asyncio.sleep(0)
        await bench.cache.close()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        assert asking.cancelled()
        assert bench.cache._lookups == {}

    loop.run(scenario())
