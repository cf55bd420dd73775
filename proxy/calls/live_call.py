"""A call as it is remembered, while the relay still writes into it."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.calls.attribution import Attributed
from proxy.calls.taps import Tap
from proxy.model import Call, CallState, Preview, Tokens
from proxy.relay.contract import Ending

_STATES: Mapping[Ending | None, CallState] = MappingProxyType(
    {
        None: CallState.STREAMING,
        Ending.COMPLETE: CallState.COMPLETE,
        Ending.CUT: CallState.CUT,
        Ending.LEFT: CallState.LEFT,
        Ending.FAILED: CallState.FAILED,
    }
)


class LiveCall(Attributed):
    """A call as it is remembered: what the relay notes, and what we know besides.

    The relay goes on writing into it while the call runs, so whoever looks sees how it stands; `snapshot`
    gives that as plain data.
    """

    request_id = ""
    started_at = 0.0
    id_is_known = True
    counts_as_last = False
    keyless = ""
    """Why no Helicone key went with it, neither the app's nor ours, as a sentence; empty where one did."""
    passed_raw = False
    makes_content = False
    remembered = False
    streamed = False
    """Whether the answer is one of server-sent events."""
    route = "default"
    key_fingerprint: str | None = None
    aliases: tuple[str, ...] = ()
    coding = b""
    """How its answer's body is compressed, if that is looked at."""
    tap: Tap | None = None
    tokens: Tokens | None = None
    preview: Preview | None = None
    body_dropped = False
    """Whether its answer's body would be kept for rules, were those of fewer calls kept."""
    place = 0
    arrived = 0
    used = 0
    """Where calls are saved, these three are as in `stores.contract.SavedCall`."""

    @property
    def is_streaming(self) -> bool:
        """Whether its answer has begun and not ended."""
        return self.answered is not None and self.ending is None

    def take_body(self) -> bytes | None:
        """The whole body of its answer, as it came, where that was kept for rules; from now on it is not."""
        tail, self.tail = self.tail, None
        return tail[0] if tail else None

    def snapshot(self, now: float) -> Call:
        """The call as it stands; `now` is a reading of the relay's clock."""
        return Call(
            request_id=self.request_id,
            method=self.method.decode("ascii"),
            path=self.path.decode("ascii"),
            model=self.model,
            status=self.status,
            state=_STATES[self.ending],
            started_at=self.started_at,
            age_seconds=now - (self.ended or self.answered or self.started),
            time_to_first_byte_seconds=None if self.answered is None else self.answered - self.started,
            duration_seconds=None if self.ended is None else self.ended - self.started,
            bytes_up=self.bytes_up,
            bytes_down=self.bytes_down,
            key_fingerprint=self.key_fingerprint,
            unratable=self.why_unratable(),
            route=self.route,
            aliases=self.aliases,
            user=self.user,
            session=self.session,
            properties=self.properties,
            client=self.caller or self.client,
            address=self.client,
            user_agent=self.user_agent,
            tokens=self.tokens,
            preview=self.preview,
        )

    def why_unratable(self) -> str | None:
        """Why no rating can ever be attached to it; None if one can."""
        if self.status == 101:
            return "Helicone gives a WebSocket session no id that a rating could name."
        if self.ending is not None and self.sent is None:
            return "It never reached Helicone."
        if self.passed_raw:
            return "Helicone passes audio and files on without logging them."
        if self.keyless:
            return self.keyless
        if not self.id_is_known:
            return (
                "Helicone has it under an id of its own, and did not say which: that gateway makes its ids "
                "itself, or the app's Helicone-Request-Id is no UUID of version 1 to 5."
            )
        return None
