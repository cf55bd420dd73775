"""Our own target: the sidecar as people run it, with everything on."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.machine import interpreter
from benchmarks.programs import output_of, version_in
from benchmarks.results import TargetInfo
from benchmarks.targets import Site, Target

_KEY = "sk-helicone-aaaaaaa-bbbbbbb-ccccccc-ddddddd"
_COMMAND = "helicone-proxy"


def sidecar(
    python: str, *, name: str = "sidecar", as_module: bool = False, settings: Mapping[str, str] | None = None
) -> Target:
    """The sidecar under the interpreter `python`, in whose environment the project is installed.

    `settings` go into its environment, by their full names. Raises FileNotFoundError where it is not installed.
    """
    # Not resolved: the interpreter of an environment is a link out of it.
    python = str(Path(python).absolute())
    program = Path(python).parent / _COMMAND
    if not program.exists():
        raise FileNotFoundError(f"{python} has no {_COMMAND} beside it: install the project there first")
    build = interpreter(python)
    said = output_of([str(program), "--version"])
    compiled = "compiled" in said
    how = (", compiled" if compiled else "") + (" by python -m proxy" if as_module else "")
    start = [python, "-m", "proxy"] if as_module else [str(program)]
    return Target(
        TargetInfo(
            name=name,
            title=f"this sidecar{how} ({build.implementation} {build.version}, {build.build})",
            version=version_in(said),
            interpreter=build,
            compiled=compiled,
        ),
        lambda site: [*start, *_arguments(site)],
        # Its memory, its hooks, its guard and its log of calls are on by default; the log goes to a file.
        environment={"HELICONE_API_KEY": _KEY, **(settings or {})},
    )


def _arguments(site: Site) -> list[str]:
    # The outbox lies there, too: a run leaves nothing behind, and finds nothing of an earlier one.
    state = ("--state-dir", str(site.folder / "state"))
    return ["serve", "--port", str(site.port), "--upstream", site.upstream_url, *state]
