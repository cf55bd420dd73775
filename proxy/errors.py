"""What can go wrong, in one small tree. The class says whose fault it is and which status the caller gets.

Every message is a sentence for the person who reads it; none ever holds a key, a prompt or a body.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar


class Remedy(StrEnum):
    """What helps a rating on when Helicone's API did not take it."""

    AGAIN = "again"
    """Send it again, later and later."""
    WAIT = "wait"
    """Send nothing under that key for a while."""
    PAUSE = "pause"
    """Send nothing under that key until it, or the API's address, is another one."""
    INGESTION = "ingestion"
    """Send it again when Helicone knows the call."""
    NONE = "none"
    """It can never arrive."""


class SidecarError(Exception):
    """The root. `status` is the HTTP status of our answer, `code` a word that programs can match."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    details: Mapping[str, Any] = MappingProxyType({})
    """What stands beside the sentence, for programs."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def retry_after_seconds(self) -> int | None:
        """What goes into `Retry-After`, when waiting helps."""
        return None


class ConfigurationError(SidecarError):
    """The configuration cannot be used. `problems` has one sentence each, all found at once."""

    code = "configuration_error"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CallerError(SidecarError):
    """The caller asked for something that cannot be done as asked; asking differently helps."""

    status = 400
    code = "bad_request"


class InvalidRating(CallerError):
    """The body or query holds no rating that we understand."""

    status = 422
    code = "invalid_rating"


class InvalidField(InvalidRating):
    """One field of a rating says what cannot be used; its sentence says all there is to say."""


class JsonRequired(CallerError):
    """A browser sent something that is no JSON, which is how a foreign page's form looks (CSRF)."""

    status = 415
    code = "json_required"


class ReadOnly(CallerError):
    """A GET tried to have an effect."""

    status = 405
    code = "use_post"


class UnknownCall(CallerError):
    """No call is known by that id, or none at all yet."""

    status = 404
    code = "unknown_call"


class NoAnswer(UnknownCall):
    """There is none yet that "last" could mean."""


class Ambiguous(CallerError):
    """More than one conversation could be meant, and nobody is to guess. `details` has the candidates."""

    status = 409
    code = "ambiguous"

    def __init__(self, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.details = details


class UnreadBody(CallerError):
    """Which call is meant cannot be said, since the body of one that could be has not been read."""

    status = 409
    code = "body_unread"


class NotRatable(CallerError):
    """The call is known, and Helicone could never attach a rating to it."""

    status = 409
    code = "not_ratable"


class KeyReused(CallerError):
    """An `Idempotency-Key` came again within a day with another request."""

    status = 422
    code = "idempotency_key_reused"


class UnknownRating(CallerError):
    """There is no rating of that call."""

    status = 404
    code = "unknown_rating"


class AlreadySent(CallerError):
    """A rating cannot be taken back any more: it has left, and Helicone cannot remove one."""

    status = 409
    code = "already_sent"


class OutboxFailed(SidecarError):
    """The outbox cannot be written or read: nothing was taken."""

    status = 503
    code = "outbox_failed"

    @property
    def retry_after_seconds(self) -> int | None:
        """Disks that come back do so slowly."""
        return 5


class OutboxFull(OutboxFailed):
    """There is no room for another rating, on the disk or within the outbox's own bound."""

    status = 507
    code = "outbox_full"


class TooManyStreams(SidecarError):
    """As many streams of events are open as may be."""

    status = 503
    code = "too_many_streams"

    @property
    def retry_after_seconds(self) -> int | None:
        """Pages that are hidden close theirs."""
        return 10


class MissingKey(SidecarError):
    """We hold no Helicone key for that call."""

    status = 503
    code = "helicone_key_missing"


class HeliconeError(SidecarError):
    """Helicone's API did not take what we sent. `remedy`: what helps; `retry_after_seconds` is theirs."""

    status = 502
    code = "helicone_error"
    remedy: ClassVar[Remedy] = Remedy.AGAIN
    may_have_arrived: ClassVar[bool] = True
    """Whether what was sent may have had its effect all the same."""

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self._retry_after_seconds = retry_after_seconds

    @property
    def retry_after_seconds(self) -> int | None:
        """Helicone's own `Retry-After`."""
        return self._retry_after_seconds


class HeliconeUnauthorized(HeliconeError):
    """Helicone refused the key (400 `Invalid token.`, 401, 403)."""

    code = "helicone_unauthorized"
    remedy = Remedy.PAUSE


class HeliconeRejected(HeliconeError):
    """Helicone refused what we sent as malformed (422): our bug, never the caller's."""

    code = "helicone_rejected"
    remedy = Remedy.NONE


class NotIngested(HeliconeError):
    """Helicone does not know the call, or not yet. Only a property is refused for that."""

    code = "helicone_not_ingested"
    remedy = Remedy.INGESTION


class HeliconeBusy(HeliconeError):
    """Helicone's rate limit (429)."""

    status = 429
    code = "helicone_rate_limited"
    remedy = Remedy.WAIT


class HeliconeUnreachable(HeliconeError):
    """No connection to Helicone's API."""

    code = "helicone_unreachable"
    may_have_arrived = False


class HeliconeBroke(HeliconeError):
    """The connection to Helicone's API broke while a request was under way."""

    code = "helicone_unreachable"


class HeliconeTimeout(HeliconeError):
    """Helicone's API did not answer in time."""

    status = 504
    code = "helicone_timeout"


class AnswerTooLong(HeliconeError):
    """An answer is longer than we want to hold."""


class CannotStart(SidecarError):
    """The sidecar cannot begin to serve, for a reason outside of it (a port in use, say)."""

    code = "cannot_start"


class RemoteError(SidecarError):
    """A command found no running sidecar, or it said no."""

    code = "remote_error"
