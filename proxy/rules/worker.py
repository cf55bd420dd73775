"""The process that judges what answers say: `python -m proxy.rules.worker`, started by a sidecar, ended with it.

Whatever a pattern, a long answer or somebody's function does, it does it here: no call waits for it.
"""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from proxy.config.rule_problems import compiled, load_engine
from proxy.config.rules import When
from proxy.rules.contents import Content, TooLong, Unreadable, content_of, is_json, is_like, plain_data
from proxy.rules.jobs import LENGTH_BYTES, Asked, Job, Setup, Verdict, framed

_PLAIN = (bool, str, dict)
Function = Callable[[dict[str, Any], str | None], object]


class ContentTest:
    """What one rule asks of an answer's content. Raises ValueError for a pattern that cannot be."""

    def __init__(self, when: When) -> None:
        self._when = when
        self._pattern = None if when.text_matches is None else compiled(load_engine(), when.text_matches)

    def why_not(self, content: Content) -> str | None:
        """The first condition that does not hold; None if all hold."""
        when, length = self._when, len(content.text)
        if when.text_min_length is not None and length < when.text_min_length:
            return "text_min_length"
        if when.text_max_length is not None and length > when.text_max_length:
            return "text_max_length"
        if when.finish_reason is not None and not is_like(content.finish_reason, when.finish_reason):
            return "finish_reason"
        if when.has_refusal is not None and content.has_refusal is not when.has_refusal:
            return "has_refusal"
        if when.calls_tool is not None and not self._calls(content, when.calls_tool):
            return "calls_tool"
        return self._of_text(content.text)

    def _calls(self, content: Content, wanted: bool | str) -> bool:  # noqa: FBT001
        if isinstance(wanted, bool):
            return bool(content.tools) is wanted
        return any(is_like(name, wanted) for name in content.tools)

    def _of_text(self, text: str) -> str | None:
        if self._when.is_json is not None and is_json(text) is not self._when.is_json:
            return "is_json"
        if self._pattern is not None and self._pattern.search(text.encode("utf-8", "replace")) is None:
            return "text_matches"
        return None


class Judging:
    """Answers jobs."""

    def __init__(self, rules: list[Asked]) -> None:
        self._tests = [ContentTest(each.when) for each in rules]
        self._rules = rules
        self._functions: dict[int, Function] = {}

    def load(self) -> None:
        """Import the functions: what they load takes none of their time."""
        for place, rule in enumerate(self._rules):
            if rule.call is not None:
                # Asked for again when it is called, which says what is wrong with it.
                with contextlib.suppress(Exception):
                    self._function(place)

    def judge(self, job: Job) -> Verdict:
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
            return Verdict([], why)
        return Verdict([place for place in job.rules if self._tests[place].why_not(content) is None])

    def _call(self, place: int, facts: dict[str, Any], content: Content | None, why: str) -> Verdict:
        """Ask a function. Whatever it raises is told by its name alone: its words may be the answer's."""
        if content is None and (why == "too_long" or self._rules[place].when.has_content):
            return Verdict([], why)
        if content is not None:
            if self._tests[place].why_not(content) is not None:
                return Verdict([])
            facts |= plain_data(content)
        try:
            said = self._function(place)(facts, None if content is None else content.text)
        except Exception as error:  # noqa: BLE001  # whatever somebody's function does, the next one is called
            return Verdict([], "failed", type(error).__name__)
        if said is not None and not isinstance(said, _PLAIN):
            return Verdict([], "failed", f"it gave a {type(said).__name__}")
        return Verdict([place] if said is not None else [], said=said)

    def _function(self, place: int) -> Function:
        known = self._functions.get(place)
        if known is None:
            module, _, name = str(self._rules[place].call).partition(":")
            known = self._functions[place] = getattr(importlib.import_module(module), name)
        return known


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
    _tell(told, [])
    decode = msgspec.msgpack.Decoder(list[Job]).decode
    while (message := read(asked)) is not None:
        verdicts = [judging.judge(job) for job in decode(message)]
        del message
        try:
            _tell(told, verdicts)
        except (TypeError, OverflowError, RecursionError, UnicodeEncodeError):
            # A function gave a dictionary with something in it that is no plain data.
            _tell(told, [Verdict([], "failed", "it gave no plain data") for _ in verdicts])


def _tell(told: BinaryIO, verdicts: list[Verdict]) -> None:
    told.write(framed(verdicts))
    told.flush()


def main() -> None:
    """Speak to whoever started this. What a function prints goes where the log goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, told)


if __name__ == "__main__":
    main()
