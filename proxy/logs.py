"""The log: one line for each call, and whatever else is worth saying. No bodies, no queries, no keys.

Lines of calls are formatted and written in batches (see `journal`): each costs a fifth of a `logging` call. All
that is written goes through a net first, which knows the secrets (see `redaction`).
"""

import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO

from proxy.calls.live_call import LiveCall
from proxy.redaction import Redact, Redaction
from proxy.relay.contract import Ending

LogFormat = Literal["text", "json"]


class CallLog:
    """One line for each call that is over."""

    def __init__(self, stream: TextIO, log_format: LogFormat, redaction: Redaction) -> None:
        self._stream = stream
        self._redact = redaction.lines
        self._line: Callable[[LiveCall], str] = _json_line if log_format == "json" else _text_line

    def write(self, calls: Sequence[LiveCall]) -> None:
        """These are over."""
        line = self._line
        try:
            self._stream.write(self._redact("".join([line(call) for call in calls])))
            self._stream.flush()
        except (OSError, ValueError):
            # A full disk or a closed pipe: there is nobody left to tell, and no call may fail for it.
            return


def _ended_at(call: LiveCall) -> float:
    """When a call was over, as Unix time: what is logged beside it says when that happened, too."""
    return call.started_at if call.ended is None else call.started_at + (call.ended - call.started)


@lru_cache(1)
def _clock(unix_time: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(unix_time))


def _text_line(call: LiveCall) -> str:
    status = "-" if call.status is None else call.status
    ending = "" if call.ending is Ending.COMPLETE or call.ending is None else f" {call.ending.value}"
    started = call.started
    first = "" if call.answered is None else f" first {int((call.answered - started) * 1000 + 0.5)} ms"
    total = "" if call.ended is None else f" total {int((call.ended - started) * 1000 + 0.5)} ms"
    return (
        f"{_clock(int(_ended_at(call)))} {call.method.decode()} {call.path.decode()} {status}{ending} "
        f"{call.model or '-'}{first}{total} {call.request_id}\n"
    )


def _json_line(call: LiveCall) -> str:
    record = {
        "time": datetime.fromtimestamp(_ended_at(call), UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "event": "call",
        "method": call.method.decode(),
        "path": call.path.decode(),
        "status": call.status,
        "ending": call.ending,
        "model": call.model,
        "first_byte_ms": None if call.answered is None else round((call.answered - call.started) * 1000, 3),
        "duration_ms": None if call.ended is None else round((call.ended - call.started) * 1000, 3),
        "bytes_up": call.bytes_up,
        "bytes_down": call.bytes_down,
        "request_id": call.request_id,
        "client": call.caller or None,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": "message",
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        if record.stack_info:
            said["stack"] = self.formatStack(record.stack_info)
        return json.dumps(said, ensure_ascii=False)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to a stream what is left of a record without secrets, its traceback and its stack included."""

    def __init__(self, stream: TextIO, redact: Redact) -> None:
        super().__init__(stream)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name for it
        """One that cannot be written: logging itself would show all of its arguments on standard error."""
        error = type(sys.exc_info()[1]).__name__
        # On a full disk or a closed pipe there is nobody left to tell, as above.
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(
                f"A message of {record.name}, line {record.lineno}, cannot be logged: {error}\n"
            )


def set_up(stream: TextIO, log_format: LogFormat, level: str, redact: Redact) -> None:
    """Send what the program says besides to `stream`, in the same format, Python's warnings included."""
    handler = _Handler(stream, redact)
    handler.setFormatter(
        _JsonFormatter()
        if log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
