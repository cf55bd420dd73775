"""Start-up: from exec to the first connection that is taken, and to the first call that is answered."""

import contextlib
import http.client
import time
from pathlib import Path

from benchmarks.processes import LOOPBACK, Cores, ProgramFailed
from benchmarks.results import StartSample
from benchmarks.sdk_call import HEADERS, PATH, chat_body
from benchmarks.targets import Running, Target, launch

_DEADLINE_SECONDS = 120
_POLL_SECONDS = 0.002


def measure_start(target: Target, number: int, folder: Path, upstream_port: int, cores: Cores) -> StartSample:
    """Start a target once. Raises ProgramFailed where it does not come up."""
    running = launch(target, folder, upstream_port, cores)
    with running.program as program:
        listening = program.wait_until_listening(running.site.port, _DEADLINE_SECONDS)
        answering = _first_answer(running)
    return StartSample(
        round=number, target=target.name, listening_seconds=listening, answering_seconds=answering
    )


def _first_answer(running: Running) -> float:
    program = running.program
    while time.perf_counter() - program.started < _DEADLINE_SECONDS:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _call(running) == 200:
                return time.perf_counter() - program.started
        time.sleep(_POLL_SECONDS)
    raise ProgramFailed(f"{running.name} listens, but answers no call:\n{program.said()}")


def _call(running: Running) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, running.site.port, timeout=10)
    with contextlib.closing(connection):
        body = chat_body(running.target.model, stream=False)
        connection.request("POST", PATH, body, HEADERS | dict(running.headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status
