"""What a stand-in can be told before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEMO_KEY = "sk-helicone-demokey-demokey-demokey-demokey"
"""The Helicone key of the organisation that every stand-in knows unless told otherwise."""

DEMO_ORGANISATION = "org-demo"


@dataclass(frozen=True, slots=True)
class StandInSettings:
    """Frozen: a test that wants another stand-in starts another one."""

    host: str = "127.0.0.1"
    gateway_port: int = 0
    api_port: int = 0

    keys: Mapping[str, str] = field(default_factory=lambda: {DEMO_KEY: DEMO_ORGANISATION}, repr=False)
    """Helicone key -> organisation."""
    read_only_keys: frozenset[str] = field(default=frozenset(), repr=False)
    """Keys of `keys` without the permission to write (`w`)."""

    ingestion_delay_seconds: float = 0.3
    """From the end of an answer until Helicone knows its row. The real one takes 5 to 20 s, sometimes hours."""
    scoring_delay_seconds: float = 0.0
    """From a rating's 201 until it is looked at. Above zero, a newer message for a request drops an older one."""
    replay_seconds: float | None = None
    """A self-hosted Helicone applies every rating again after 600 s; `None` is the cloud, which does not."""

    token_interval_seconds: float = 0.005
    """Between the events of a streamed answer. A demo for people wants about 0.05."""
    download_bytes: int = 65_536
    """The size of a file's content where the query does not say (`?bytes=`)."""
    gzip: bool = False
    """Compress every answer for clients that accept it; `?gzip=1` does it for one."""

    api_budget: int | None = 10_000
    """API calls per organisation and window; `None` is a Helicone without Redis, which has no limiter."""
    api_window_seconds: float = 300.0
    scores_as_strings: bool = False
    """Older ClickHouse servers quote 64-bit integers: scores read `"1"` and `"0"`."""
    unmerged: bool = False
    """ClickHouse merges the versions of a row when it likes: until then a query shows the earlier ones, too."""
    cloud: bool = True
    """The cloud refuses every `Origin` but its own with a 500; a self-hosted API takes any."""
