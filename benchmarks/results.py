"""What was measured, as plain data that goes to a file and comes back. Times in seconds, memory in bytes."""

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Machine(_Frozen):
    """Where a run took place."""

    processor: str
    cores: int
    kernel: str
    system: str


class Interpreter(_Frozen):
    """How a Python was built: that moves the sidecar's figures more than most changes to it."""

    path: str
    version: str
    implementation: str
    build: str
    compiler: str
    configure_arguments: str
    optimised: bool


class TargetInfo(_Frozen):
    """What was measured. `interpreter` and `compiled` (see `make wheel`) stand for ours alone."""

    name: str
    title: str
    version: str
    interpreter: Interpreter | None = None
    compiled: bool = False


class CallSample(_Frozen):
    """Small calls to one target, for a while. `cpu_seconds` is the proxy's; going direct there is none.

    `others_seconds`: what everybody else took of the proxy's core, the hypervisor included.
    """

    round: int
    target: str
    connections: int
    calls: int
    seconds: float
    cpu_seconds: float
    others_seconds: float
    p50_seconds: float
    p99_seconds: float


class StreamSample(_Frozen):
    """Event streams through one target, in steady state. `expected` is what the mock was to send in that time."""

    round: int
    target: str
    streams: int
    chunks: int
    expected: float
    lost: int
    seconds: float
    cpu_seconds: float
    p50_seconds: float
    p99_seconds: float


class MemorySample(_Frozen):
    """What a target holds in memory. None: was not measured there."""

    target: str
    idle_rss: int
    idle_pss: int
    calls: int
    after_calls_rss: int
    after_calls_pss: int
    streams: int | None
    per_stream: float | None


class StartSample(_Frozen):
    """From exec to the first connection that is taken, and to the first call that is answered."""

    round: int
    target: str
    listening_seconds: float
    answering_seconds: float


class RatingSample(_Frozen):
    """Ratings on a schedule, each answered when it is on disk, and relayed calls meanwhile, whose CPU is included.

    `api`: how Helicone's is. Latencies count from the moment at which the request was due, whether or not it could
    be sent then.
    """

    round: int
    target: str
    api: str
    ratings: int
    seconds: float
    cpu_seconds: float
    p50_seconds: float
    p99_seconds: float
    max_seconds: float
    calls: int
    calls_p50_seconds: float
    calls_p99_seconds: float
    calls_max_seconds: float


class BesideSample(_Frozen):
    """Small calls to one of ours while so many ratings a second come in; `cpu_seconds` is for both."""

    round: int
    target: str
    ratings_per_second: float
    calls: int
    cpu_seconds: float


class DiskSample(_Frozen):
    """One bare commit after the other, on the disk on which the outbox lies."""

    round: int
    commits: int
    p50_seconds: float
    p99_seconds: float
    max_seconds: float


class Results(_Frozen):
    """A whole run."""

    taken_at: str
    machine: Machine
    pinned: bool
    tools: dict[str, str]
    targets: list[TargetInfo]
    calls: list[CallSample] = []
    streams: list[StreamSample] = []
    memory: list[MemorySample] = []
    starts: list[StartSample] = []
    ratings: list[RatingSample] = []
    beside: list[BesideSample] = []
    disk: list[DiskSample] = []
    overloaded: list[tuple[str, int]] = []
    """Targets on which so many streams did not open in time."""

    leaking: list[str] = []
    """Targets that kept streams open to the gateway though their clients had left; they were started anew."""

    def rounds(self) -> set[int]:
        """The rounds that there were, counted from 0."""
        return (
            {it.round for it in self.calls}
            | {it.round for it in self.streams}
            | {it.round for it in self.ratings}
        )

    def measured(self) -> set[str]:
        """The names of the targets of which more than the start was measured."""
        return (
            {sample.target for sample in self.calls}
            | {sample.target for sample in self.streams}
            | {sample.target for sample in self.memory}
            | {sample.target for sample in self.ratings}
        )
