"""What can be measured: a proxy that knows how to be started before an upstream."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import LOOPBACK, Cores, Program, ProgramFailed, free_port
from benchmarks.results import TargetInfo

DIRECT = "direct"
"""The name under which samples without any proxy go."""

_START_SECONDS = 120
"""LiteLLM needs 13 on an idle machine."""


@dataclass(frozen=True)
class Site:
    """Where a proxy is to run: a folder of its own, its port, and the port of its upstream."""

    folder: Path
    port: int
    upstream_port: int

    @property
    def upstream_url(self) -> str:
        """The upstream's base URL."""
        return f"http://{LOOPBACK}:{self.upstream_port}"

    def write(self, name: str, text: str) -> str:
        """Put a file there; gives its path."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return str(path)


@dataclass(frozen=True)
class Target:
    """A proxy. `command` may write configurations into the site's folder; `headers` go onto every call to it."""

    info: TargetInfo
    command: Callable[[Site], list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: Callable[[Site], Mapping[str, str]] = lambda _site: {}
    model: str = "gpt-4o-mini"

    @property
    def name(self) -> str:
        """The word for `--only`."""
        return self.info.name


@dataclass(frozen=True)
class Running:
    """A target that runs."""

    target: Target
    site: Site
    program: Program

    @property
    def name(self) -> str:
        """The target's."""
        return self.target.name

    @property
    def headers(self) -> Mapping[str, str]:
        """What calls to it must carry besides."""
        return self.target.headers(self.site)


def launch(target: Target, folder: Path, upstream_port: int, cores: Cores) -> Running:
    """Start a target on the core for what is measured. It does not listen yet; its program must be stopped."""
    own = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=folder))
    site = Site(own, free_port(), upstream_port)
    program = Program(
        target.command(site),
        log=site.folder / "log",
        cores=cores.measured,
        environment=target.environment,
    )
    return Running(target, site, program)


def start(target: Target, folder: Path, upstream_port: int, cores: Cores) -> Running:
    """Start a target and wait until it listens. Raises ProgramFailed; its program must be stopped."""
    running = launch(target, folder, upstream_port, cores)
    try:
        running.program.wait_until_listening(running.site.port, _START_SECONDS)
    except (ProgramFailed, KeyboardInterrupt):
        running.program.stop()
        raise
    return running
