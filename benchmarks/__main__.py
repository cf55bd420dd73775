"""python -m benchmarks: measure, print the tables, draw the picture."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.bench import PARTS, Plan, Run
from benchmarks.peers import PEERS_KNOWN
from benchmarks.picture import draw
from benchmarks.processes import ROOT
from benchmarks.report import markdown
from benchmarks.results import Results
from benchmarks.sidecar import sidecar
from benchmarks.streams import Overloaded
from benchmarks.targets import Target

_RESULTS = ROOT / "benchmarks" / "results.json"
_PICTURE = ROOT / "docs" / "benchmark.png"


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    rounds: int | None
    seconds: int | None
    only: list[str]
    parts: list[str]
    quick: bool
    pythons: Sequence[str]
    picture: Path
    results: Path
    render: Path | None

    def keep(self, measured: Results) -> None:
        """Write down what there is, lest a long run end for nothing."""
        self.results.write_text(measured.model_dump_json(indent=1), "utf-8")


_console = Console(stderr=True, highlight=False, soft_wrap=True)


def _words(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()] if value else []


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(min=1), help="How often everything is measured  [5]")
@click.option("--seconds", type=click.IntRange(min=1), help="How long each measurement takes  [3; streams 2]")
@click.option("--only", callback=_words, help="These targets alone, as in nginx,sidecar; ratios need nginx.")
@click.option("--parts", callback=_words, help=f"These parts alone, of {','.join(PARTS)}.")
@click.option("--quick", is_flag=True, help="One short round, to see that everything works.")
@click.option("--python", "pythons", multiple=True, help="Measure the sidecar under this interpreter, too.")
@click.option("--picture", type=click.Path(path_type=Path), default=_PICTURE, help="Where to draw.")
@click.option("--results", type=click.Path(path_type=Path), default=_RESULTS, help="Where raw results go.")
@click.option("--render", type=click.Path(exists=True, path_type=Path), help="Measure nothing; draw these.")
def main(**given: Any) -> None:  # noqa: ANN401  # Options says what
    """Measure the sidecar beside other proxies, each on one core."""
    options = Options(**given)
    if options.render is not None:
        _show(Results.model_validate_json(options.render.read_text("utf-8")), options.picture)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="helicone-bench-") as folder:
        run = Run(_plan(options), Path(folder), _console.print, options.keep)
        measured = run.measure()
    _show(measured, options.picture)
    for (name, what), why in run.failed.items():
        _console.print(f"{name} is left out of {what}: {why}", style="red", markup=False)
    # That a peer cannot carry so many streams is a result; everything else is a failure.
    sys.exit(any(not isinstance(why, Overloaded) for why in run.failed.values()))


def _plan(options: Options) -> Plan:
    plan = Plan(
        targets=_chosen(options.only, options.pythons),
        parts=_known(options.parts) or PARTS,
        module_start=(
            None if options.only else sidecar(sys.executable, name="sidecar-module", as_module=True)
        ),
    )
    if options.quick:
        plan = replace(
            plan,
            rounds=1,
            call_seconds=1,
            stream_seconds=1.0,
            rating_seconds=3.0,
            memory_calls=5000,
            memory_streams=200,
        )
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    if options.seconds:
        plan = replace(plan, call_seconds=options.seconds, stream_seconds=float(options.seconds))
    return plan


def _known(parts: list[str]) -> list[str]:
    if unknown := set(parts) - set(PARTS):
        raise click.UsageError(f"No such part: {', '.join(sorted(unknown))}")
    return parts


def _chosen(only: list[str], pythons: Sequence[str]) -> list[Target]:
    known = {"sidecar", *(peer.name for peer in PEERS_KNOWN)}
    if unknown := set(only) - known:
        raise click.UsageError(f"No such target: {', '.join(sorted(unknown))}")
    targets: list[Target] = []
    if not only or "sidecar" in only:
        targets.append(sidecar(sys.executable))
        targets += [sidecar(python, name=f"sidecar-{at}") for at, python in enumerate(pythons, 2)]
    for peer in PEERS_KNOWN:
        if only and peer.name not in only:
            continue
        found = peer.find()
        if found is None:
            _console.print(
                f"{peer.name} is not installed and left out; to have it: [bold]{peer.install}[/bold]"
            )
        else:
            targets.append(found)
    return targets


def _show(results: Results, picture: Path) -> None:
    click.echo(markdown(results))
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(results, picture)
    _console.print(f"The picture is {picture}.")


if __name__ == "__main__":
    main()
