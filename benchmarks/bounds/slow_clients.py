"""Bound: five hundred slow attackers (slowhttptest) are closed, and nobody else notices."""

import asyncio
import contextlib
import re
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.bounds.stand import Stand
from benchmarks.bounds.wire import open_connections, probe
from benchmarks.goals import Verdict
from benchmarks.processes import LOOPBACK
from benchmarks.programs import find_program
from benchmarks.targets import Running

_CONNECTIONS = 500
_SECONDS = 40
_LIMIT_SECONDS = "6"
"""Of patience: what the sidecar is given for the run, so that it need not last for minutes."""
_LIMITS = ("HEAD_TIMEOUT_SECONDS", "BODY_TIMEOUT_SECONDS", "UNREAD_TIMEOUT_SECONDS")
_PROBE_EVERY_SECONDS = 0.25
_MARGIN_SECONDS = 2
_AVAILABLE = 0.99
_COLOURS = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
_EXIT = re.compile(r"Exit status: (.*)")


@dataclass(frozen=True)
class Attack:
    """One of slowhttptest's."""

    name: str
    flags: tuple[str, ...]
    path: str


_ATTACKS = (
    Attack("slow heads (-H)", ("-H", "-i", "3", "-x", "24"), "/v1/chat/completions"),
    Attack("slow bodies (-B)", ("-B", "-i", "10", "-s", "8192", "-x", "10"), "/v1/chat/completions"),
    Attack("slow readers (-X)", ("-X", "-w", "1", "-y", "1", "-n", "30", "-z", "1", "-k", "1"), "/down/16"),
)


@dataclass
class _Seen:
    """What was seen of the sidecar during an attack."""

    answers: "Counter[int | None]" = field(default_factory=Counter)
    """To other calls, by status; None where none came."""
    open: list[int] = field(default_factory=list)
    """Connections, by its own count: slowhttptest does not see a reset that it does not read."""

    async def watch(self, port: int) -> None:
        """Look on without end; to be stopped before the attackers leave by themselves."""
        while True:
            self.answers[await probe(port)] += 1
            self.open.append(await open_connections(port))
            await asyncio.sleep(_PROBE_EVERY_SECONDS)


async def measure(stand: Stand) -> list[Verdict]:
    """Each attack on a sidecar of its own."""
    program = find_program("slowhttptest")
    if program is None:
        return [Verdict("slow clients", "slowhttptest is not installed", None)]
    target = stand.target({f"HELICONE_PROXY_SERVER__{name}": _LIMIT_SECONDS for name in _LIMITS})
    verdicts = []
    for attack in _ATTACKS[:1] if stand.quick else _ATTACKS:
        async with stand.before_gateway(target) as (running, _):
            stand.say(f"{attack.name}, {_CONNECTIONS} of them, for {_SECONDS} s")
            verdicts += await _attack(program, attack, running)
    return verdicts


async def _attack(program: str, attack: Attack, running: Running) -> list[Verdict]:
    url = f"http://{LOOPBACK}:{running.site.port}{attack.path}"
    slow = await asyncio.create_subprocess_exec(
        *(program, *attack.flags, "-c", str(_CONNECTIONS), "-r", "200", "-l", str(_SECONDS), "-u", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    seen = _Seen()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(seen.watch(running.site.port), _SECONDS - _MARGIN_SECONDS)
    said, _ = await slow.communicate()
    answers, most, left = seen.answers, max(seen.open), min(seen.open[-3:])
    ended = _EXIT.search(_COLOURS.sub("", said.decode("utf-8", "replace")))
    share = answers[200] / max(1, answers.total())
    return [
        Verdict(
            f"{attack.name}: {_AVAILABLE:.0%} of other calls answered",
            f"{share:.1%} of {answers.total()}",
            share >= _AVAILABLE,
        ),
        Verdict(
            f"… and all {_CONNECTIONS} are closed while they would go on",
            f"{most} at most, {left} left; slowhttptest: {'?' if ended is None else ended[1]}",
            most >= _CONNECTIONS and left == 0,
        ),
    ]
