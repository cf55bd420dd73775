"""What every bound needs: a folder, cores, an interpreter, and a sidecar before the gateway."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bounds.gateway import Gateway
from benchmarks.processes import Cores, Program
from benchmarks.sidecar import sidecar
from benchmarks.targets import Running, Target, start

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Stand:
    """Where a bound is measured. `quick`: smaller, to see that it works; its verdicts count for nothing."""

    folder: Path
    cores: Cores
    python: str
    quick: bool
    say: Callable[[str], object]

    def target(self, settings: Mapping[str, str] | None = None) -> Target:
        """The sidecar, with settings by their names in the environment."""
        return sidecar(self.python, settings=settings or {})

    @contextlib.contextmanager
    def before(self, upstream_port: int, target: Target | None = None) -> Iterator[Running]:
        """A sidecar before that upstream."""
        running = start(target or self.target(), self.folder, upstream_port, self.cores)
        with running.program:
            yield running

    @contextlib.asynccontextmanager
    async def before_gateway(self, target: Target | None = None) -> AsyncIterator[tuple[Running, Gateway]]:
        """A sidecar before a gateway that runs in this process."""
        async with Gateway() as gateway:
            with self.before(gateway.port, target) as running:
                yield running, gateway


def rss(program: Program) -> int:
    """Resident memory, in bytes."""
    return program.memory().rss_bytes


def mebibytes(count: float) -> str:
    """For people."""
    return f"{count / MEBIBYTE:.1f} MiB"


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1e3:.2f} ms"
