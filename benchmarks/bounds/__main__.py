"""python -m benchmarks.bounds: measure what the sidecar bears, and print it beside what it should."""

import resource
import signal
import sys
import tempfile
from pathlib import Path

import click
import uvloop
from rich.console import Console

from benchmarks.bounds import (
    big_bodies,
    descriptors,
    exporting,
    heavy_requests,
    judging,
    leaving,
    listening,
    many_streams,
    slow_clients,
    stalled,
)
from benchmarks.bounds.stand import Stand
from benchmarks.goals import Verdict
from benchmarks.machine import interpreter
from benchmarks.processes import Cores, running_on
from benchmarks.report import verdict_table

_BOUNDS = {
    "streams": many_streams.measure,
    "bodies": big_bodies.measure,
    "leaving": leaving.measure,
    "events": listening.measure,
    "rules": judging.measure,
    "export": exporting.measure,
    "stalled": stalled.measure,
    "descriptors": descriptors.measure,
    "slow": slow_clients.measure,
    "heavy": heavy_requests.measure,
}

_console = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", help=f"These alone, of {','.join(_BOUNDS)}.")
@click.option("--python", default=sys.executable, help="Measure the sidecar under this interpreter.")
@click.option("--quick", is_flag=True, help="Smaller, to see that it works.")
def main(only: str | None, python: str, *, quick: bool) -> None:
    """Measure what the sidecar bears."""
    names = only.split(",") if only else list(_BOUNDS)
    if unknown := set(names) - set(_BOUNDS):
        raise click.UsageError(f"No such bound: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores = Cores.of_this_machine()
    with tempfile.TemporaryDirectory(prefix="helicone-bounds-") as folder, running_on(cores.rest):
        stand = Stand(Path(folder), cores, python, quick, _console.print)
        verdicts: list[Verdict] = []
        for name in names:
            verdicts += uvloop.run(_BOUNDS[name](stand))
            _console.print("\n".join(f"  {verdict.goal}: {verdict.measured}" for verdict in verdicts[-3:]))
    build = interpreter(python)
    click.echo(f"{build.implementation} {build.version}, {build.build}\n\n{verdict_table(verdicts)}")
    sys.exit(any(verdict.reached is False for verdict in verdicts))


if __name__ == "__main__":
    main()
