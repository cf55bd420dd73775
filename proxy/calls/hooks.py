"""What an answer is given so that it can be rated: header lines that name its call, and where to rate it."""

from collections.abc import Callable

from proxy.feedback_tokens import FeedbackTokens


class Hooks:
    """Writes these header lines. Each is there if it is wanted; a Feedback-Token where there are `tokens`.

    `now` gives the Unix time from which a token counts.
    """

    def __init__(
        self,
        *,
        id: bool,  # noqa: A002  # as the setting
        url: bool,
        link: bool = False,
        tokens: FeedbackTokens | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._id = id
        self._url = url
        self._link = link
        self._tokens = tokens
        self._now = now
        self._usual = id and url and not link and tokens is None

    def lines(self, host: bytes, request_id: bytes) -> bytes:
        """The lines for one call, each with its end. `host`: the name under which this client reached us; the
        guard has looked at it.
        """
        if self._usual:
            return b"Feedback-Id: %b\r\nFeedback-URL: http://%b/feedback/%b\r\n" % (
                request_id,
                host,
                request_id,
            )
        lines = b"Feedback-Id: %b\r\n" % request_id if self._id else b""
        if self._url:
            lines += b"Feedback-URL: http://%b/feedback/%b\r\n" % (host, request_id)
        if self._link:
            lines += b'Link: <http://%b/feedback/%b>; rel="feedback"\r\n' % (host, request_id)
        if self._tokens is not None and self._now is not None:
            lines += b"Feedback-Token: %b\r\n" % self._tokens.make(request_id, self._now())
        return lines
