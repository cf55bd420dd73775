"""The process that judges what answers say: `python -m proxy.rules.worker`, started by a sidecar, ended with it.

Whatever a pattern, a long answer or somebody's function does, it does it here: no call waits for it.
"""

import gc
import os
import signal
import sys
import threading
from typing import Any, BinaryIO, Final

import msgspec

from proxy.rules.content_tests import ContentTest
from proxy.rules.contents import Content, TooLong, Unreadable, content_of, plain_data
from proxy.rules.functions import Failed, Functions, look_where_it_was_started
from proxy.rules.jobs import LENGTH_BYTES, Asked, Job, Setup, Verdict, framed

_LOOK_SECONDS: Final = 2.0
_NICENESS: Final = 5
"""Calls come first where both share a core: to judge between them, not in their midst, is cheaper, too."""

_Found = tuple[list[int], str, Any]
"""Which rules hold, why none could be asked, and what a function said: see Verdict."""


class Judging:
    """Answers jobs."""

    def __init__(self, rules: list[Asked]) -> None:
        self._tests = [ContentTest(each.when) for each in rules]
        self._rules = rules
        self._functions = Functions()

    def load(self) -> None:
        """Import the functions."""
        self._functions.load_all(rule.call for rule in self._rules if rule.call is not None)

    def judge(self, jobs: list[Job]) -> list[Verdict]:
        """What is to be said of these."""
        verdicts = []
        for number, job in enumerate(jobs):
            holding, why, said = self._judge(job)
            if holding or why:
                verdicts.append(Verdict(number, holding, why, said))
        return verdicts

    def _judge(self, job: Job) -> _Found:
        """What holds of one answer; the text is let go with the end of this."""
        content, why = None, "unreadable"
        if job.body is not None:
            try:
                content = content_of(job.body, streamed=job.streamed, coding=job.coding)
            except TooLong:
                why = "too_long"
            except Unreadable:
                pass
        if job.facts is not None:
            return self._call(job.rules[0], job.facts, content, why)
        if content is None:
            return [], why, None
        return [place for place in job.rules if self._tests[place].why_not(content) is None], "", None

    def _call(self, place: int, facts: dict[str, Any], content: Content | None, why: str) -> _Found:
        """Ask a function."""
        if content is None and (why == "too_long" or self._rules[place].when.has_content):
            return [], why, None
        if content is not None:
            if self._tests[place].why_not(content) is not None:
                return [], "", None
            facts |= plain_data(content)
        try:
            said = self._functions.ask(
                str(self._rules[place].call), facts, None if content is None else content.text
            )
        except Failed as error:
            return [], "failed", str(error)
        return ([] if said is None else [place]), "", said


def read(stream: BinaryIO) -> bytes | None:
    """The next message; None at the end."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    data = stream.read(int.from_bytes(length, "big"))
    return data or None


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """Answer until nothing is asked any more."""
    first = read(asked)
    if first is None:
        return
    judging = Judging(msgspec.msgpack.decode(first, type=Setup).rules)
    judging.load()
    gc.freeze()
    _tell(told, [])
    decode = msgspec.msgpack.Decoder(list[Job]).decode
    while (message := read(asked)) is not None:
        verdicts = judging.judge(decode(message))
        del message
        try:
            _tell(told, verdicts)
        except (TypeError, OverflowError, RecursionError, UnicodeEncodeError):
            # A function gave a dictionary with something in it that is no plain data.
            _tell(told, [Verdict(each.job, [], "failed", "it gave no plain data") for each in verdicts])


def _tell(told: BinaryIO, verdicts: list[Verdict]) -> None:
    told.write(framed(verdicts))
    told.flush()


def main() -> None:
    """Speak to whoever started this. What a function prints goes where the log goes; it has nothing to read."""
    # Where all are told to stop, what is under way is judged yet, and the sidecar ends this. Handled, since what a
    # function starts would inherit that it is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    look_where_it_was_started()
    if sys.platform != "win32":
        os.nice(_NICENESS)
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == 2:
        # The sidecar has no standard error: that is one now.
        nothing = os.dup(nothing)
    asked, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    serve(asked, told)


def _end_with(parent: int) -> None:
    """End this group, which is its own, when the sidecar is gone: a function may never end."""
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(_LOOK_SECONDS)
    if sys.platform == "win32":
        os._exit(1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
