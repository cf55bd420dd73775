"""Bound: a rule on what answers say, and calls are relayed nearly as without."""

import json
import statistics

from benchmarks.bounds.stand import Stand, milliseconds
from benchmarks.goals import Verdict
from benchmarks.memory import destination
from benchmarks.small_calls import Load, post_for
from benchmarks.upstreams import small_calls_upstream

_CONNECTIONS = 32
_PAIRS = 25
_SECONDS = 2
_MOST = 1.15
_RULE = {"name": "error marked", "when": {"text_matches": r"\[error\]"}, "rating": "down"}
"""That of Helicone's guide. It holds of no answer here: what ratings cost is measured elsewhere."""


async def measure(stand: Stand) -> list[Verdict]:
    """With and without, turn by turn, so that a machine that grows slower does so for both."""
    pairs, seconds = (1, 1) if stand.quick else (_PAIRS, _SECONDS)
    with_rule = stand.target({"HELICONE_PROXY_RULES": json.dumps([_RULE])})
    judged: list[Load] = []
    alone: list[Load] = []
    with (
        small_calls_upstream(stand.folder, stand.cores) as port,
        stand.before(port) as plain,
        stand.before(port, with_rule) as ruled,
    ):
        for number in range(pairs + 1):
            stand.say(f"a rule on what answers say, pair {number} of {pairs}")
            turns = ((plain, alone), (ruled, judged))
            for running, loads in turns if number % 2 else turns[::-1]:
                loads.append(post_for(destination(running), _CONNECTIONS, seconds, stand.folder, stand.cores))
    # The first pair has what only begins: connections, and the process that judges.
    each = list(zip(judged[1:], alone[1:], strict=True))
    costs = [one.cpu_seconds / one.calls / (two.cpu_seconds / two.calls) for one, two in each]
    p99s = [statistics.median(load.p99_seconds for load in loads[1:]) for loads in (judged, alone)]
    return [
        Verdict(
            f"a rule on what answers say: CPU per call, all processes, ≤ {_MOST:g} × without",
            f"{statistics.median(costs):.2f} × ({min(costs):.2f} to {max(costs):.2f}); "
            f"p99 {milliseconds(p99s[0])}, without {milliseconds(p99s[1])}",
            statistics.median(costs) <= _MOST,
        )
    ]
