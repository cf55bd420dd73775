"""How a call's question and its answer begin: read only where `[calls] preview` is on, kept in memory alone."""

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from proxy.redaction import MASK, Redact

MOST_CHARACTERS: Final = 200
LOOK_BYTES: Final = 512 * 1024
"""How much of a request's body is looked at: what is asked last stands at its end."""
_GATHERED_CHARACTERS: Final = 600
"""Of a streamed answer: more than is shown, so that a key at the end of that is seen to be one."""
_READ_CHARACTERS: Final = 2048
_READ_BYTES: Final = 4 * _READ_CHARACTERS
_LONGEST_ESCAPE: Final = len(r"\ud83d\udc4d")

_GAP: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Not printable for Python, and yet part of how words and emoji are written."""
_LIKE_A_KEY: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?:[sprw]k|xox[a-z]|gh[a-z]|github_pat|hf|gsk|xai|nvapi|pplx|tgp|r8|key|tok)[-_][\w\-]{12,}"
    r"|AIza[\w\-]{16,}|A[KS]IA[0-9A-Z]{12,}|eyJ[\w\-]{8,}[\w\-.]*"
    r"|\b(?=[A-Za-z_]*+[0-9])(?=[0-9_]*+[A-Za-z])\w{32,}+"
    r")",
    re.ASCII,
)
"""Keys of many vendors, and whatever is as long, and as wild, as only keys and digests are.
These begin with a word: from each underscore of a long line of them, all the rest would be gone through."""
_TEXT: Final = re.compile(
    rb'(?<!\\)"(?:content|text)"[ \t\r\n]*+:[ \t\r\n]*+"((?:[^"\\]++|\\u[0-9A-Fa-f]{4}|\\[^u])++)'
)

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def beginning(text: str, redact: Redact) -> str | None:
    """How a text begins, as it may be shown: in one line, without what is not to be seen, keys as `***`."""
    line = _GAP.sub(" ", text[:_READ_CHARACTERS])
    if not line.isprintable():
        line = "".join([each for each in line if each.isprintable() or each in _JOINERS])
    if len(line) < 2 * MOST_CHARACTERS and len(text) >= _GATHERED_CHARACTERS:
        # Mostly gaps. Where it was cut is near, and the last word may be the beginning of a key.
        line = line.rpartition(" ")[0]
    return _LIKE_A_KEY.sub(MASK, redact(line.strip()))[:MOST_CHARACTERS].rstrip() or None


# --- what was asked ------------------------------------------------------------------------------------------


class _Part(msgspec.Struct):
    """A part of a message: text, or the use of a tool."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None


class _Message(msgspec.Struct):
    """A message, as any of the providers has it."""

    role: str | None = None
    content: str | list[_Part] | None = None
    parts: list[_Part] | None = None


class _Request(msgspec.Struct):
    """Where the messages of a request stand: chats and Anthropic, Responses, completions, Gemini."""

    messages: list[msgspec.Raw] | None = None
    input: str | list[msgspec.Raw] | None = None
    prompt: str | list[msgspec.Raw] | None = None
    contents: list[msgspec.Raw] | None = None


_read_request = msgspec.json.Decoder(_Request).decode
_read_message = msgspec.json.Decoder(str | _Message).decode


def asked_in(body: bytes) -> str | None:
    """What the last message of the user says that has any text; None if there is none, or it cannot be read."""
    try:
        read = _read_request(body)
    except _UNREADABLE:
        return None
    for given in (read.messages, read.input, read.contents, read.prompt):
        if isinstance(given, str):
            return given
        if given is not None:
            return next(filter(None, map(_asked, reversed(given))), None)
    return None


def _asked(raw: msgspec.Raw) -> str | None:
    try:
        message = _read_message(raw)
    except _UNREADABLE:
        return None
    if isinstance(message, str):
        return message
    if message.role not in ("user", None):
        return None
    return _text_of(message.content or message.parts)


def _text_of(content: str | Iterable[_Part] | None) -> str:
    """The words of a content, and the names of the tools that it uses."""
    if content is None or isinstance(content, str):
        return content or ""
    return " ".join([said for part in content if (said := part.text or part.refusal or _tool(part))])


# --- what was answered ---------------------------------------------------------------------------------------


class _Function(msgspec.Struct):
    name: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Spoken(msgspec.Struct):
    """A chat's message, or a piece of one; or Anthropic's."""

    content: str | list[_Part] | None = None
    text: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    parts: list[_Part] | None = None

    def words(self) -> str:
        called = [each.function for each in self.tool_calls or () if each.function is not None]
        if self.function_call is not None:
            called.append(self.function_call)
        tools = "".join([_named(each.name) for each in called if each.name])
        return (_text_of(self.content or self.parts) or self.text or self.refusal or "") + tools


class _Choice(msgspec.Struct):
    """One of several answers: a chat's, a completion's, or Gemini's (which has a content)."""

    index: int = 0
    message: _Spoken | None = None
    delta: _Spoken | None = None
    content: _Spoken | None = None
    text: str | None = None

    def words(self) -> str:
        spoken = self.message or self.delta or self.content
        return (spoken.words() if spoken is not None else "") or self.text or ""


class _Item(msgspec.Struct):
    """What the Responses API puts out: a message, or the call of a function."""

    type: str | None = None
    name: str | None = None
    content: list[_Part] | None = None

    def words(self) -> str:
        return _text_of(self.content) or (_named(self.name) if self.name else "")


class _Answer(msgspec.Struct):
    """An answer's body, or an event of one."""

    type: str | None = None
    choices: list[_Choice] | None = None
    candidates: list[_Choice] | None = None
    content: list[_Part] | None = None
    output: list[_Item] | None = None
    delta: str | _Spoken | None = None
    content_block: _Part | None = None
    item: _Item | None = None

    def words(self) -> str:
        """What it says; of several answers the first."""
        choices = self.choices or self.candidates
        if choices is not None:
            return "".join([each.words() for each in choices if not each.index])
        if self.content is not None:
            return _text_of(self.content)
        if self.output is not None:
            return " ".join(filter(None, [each.words() for each in self.output]))
        return self._words_of_event()

    def _words_of_event(self) -> str:
        if isinstance(self.delta, str):
            is_said = self.type in ("response.output_text.delta", "response.refusal.delta")
            return self.delta if is_said else ""
        if self.delta is not None:
            return self.delta.words()
        if self.content_block is not None:
            return (self.content_block.text or _tool(self.content_block)) + " "
        if self.item is not None and self.type == "response.output_item.added":
            # Behind a paragraph another begins.
            return self.item.words() + " "
        return ""


_read_answer = msgspec.json.Decoder(_Answer | list[_Answer]).decode
_read_text = msgspec.json.Decoder(str).decode


def _named(tool: str) -> str:
    return f" [{tool}]"


def _tool(part: _Part) -> str:
    return _named(part.name) if part.name else ""


def _words_in(data: bytes) -> str | None:
    """What a body or an event says; None if it cannot be read."""
    try:
        read = _read_answer(data)
    except _UNREADABLE:
        return None
    answers: Sequence[_Answer] = read if isinstance(read, list) else (read,)
    return "".join([each.words() for each in answers])


def _first_text(body: bytes) -> str:
    """The first text in a body of which there is but the beginning."""
    found = _TEXT.search(body)
    if found is None:
        return ""
    raw = found[1][:_READ_BYTES]
    for end in range(len(raw), max(0, len(raw) - _LONGEST_ESCAPE), -1):
        # Where it is cut within a character, or within the escape of one, the one before is the last.
        with contextlib.suppress(*_UNREADABLE):
            return _read_text(b'"' + raw[:end] + b'"')
    return ""


class AnswerText:
    """Gathers what an answer says, as far as is needed to show how it begins."""

    def __init__(self) -> None:
        self._gathered: list[str] = []
        self._characters = 0

    def __repr__(self) -> str:
        return f"<AnswerText of {self._characters} characters>"

    @property
    def is_full(self) -> bool:
        """Whether there is enough."""
        return self._characters >= _GATHERED_CHARACTERS

    @property
    def text(self) -> str:
        """What there is."""
        return "".join(self._gathered)

    def add_event(self, data: bytes) -> None:
        """Take what an event says."""
        self._add(_words_in(data) or "")

    def add_body(self, body: bytes) -> None:
        """Take what a body says, or what there is of it."""
        words = _words_in(body)
        self._add(_first_text(body) if words is None else words)

    def _add(self, words: str) -> None:
        if words:
            self._gathered.append(words[:_READ_CHARACTERS])
            self._characters += len(words)


class Previews:
    """Makes previews of calls; `redact` strikes out the secrets that are known."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact

    def prompt(self, body: bytes, *, complete: bool) -> str | None:
        """How the last thing begins that a user says in a request's body. Of a mere beginning nobody knows it."""
        asked = asked_in(body) if complete else None
        return None if asked is None else beginning(asked, self._redact)

    def answer(self, text: AnswerText) -> str | None:
        """How an answer begins."""
        return beginning(text.text, self._redact)
