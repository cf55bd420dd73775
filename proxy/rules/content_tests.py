"""What a rule asks of an answer's content."""

import msgspec

from proxy.config.rule_problems import compiled, load_engine
from proxy.config.rules import When
from proxy.rules.contents import Content, is_like


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


def is_json(text: str) -> bool:
    """Whether a text is valid JSON."""
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
