"""Rules tried on recorded answers, in this process: what each would say, and why it would not."""

import contextlib
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TextIO

from proxy.config.rules import Rule
from proxy.errors import InvalidRating
from proxy.model import Rating
from proxy.rules.cases import action_of, said_by
from proxy.rules.content_tests import ContentTest
from proxy.rules.contents import plain_data
from proxy.rules.facts import FactsTest
from proxy.rules.functions import Failed, Functions, look_where_it_was_started
from proxy.rules.recorded import Recorded


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one rule. `says` is None where it does not hold; `why_not` has the reason."""

    rule: str
    says: Rating | None
    why_not: str = ""


class Trial:
    """The rules, ready to be tried. Every call is judged: `sample` is for the real ones."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, FactsTest(rule.when), ContentTest(rule.when)) for rule in rules]
        self._functions = Functions()
        look_where_it_was_started()
        with _printing_beside():
            self._functions.load_all(rule.call for rule in rules if rule.call is not None)

    def judge(self, one: Recorded) -> list[Finding]:
        """What each rule would do."""
        return [self._judge(one, *each) for each in self._rules]

    def _judge(self, one: Recorded, rule: Rule, facts: FactsTest, content: ContentTest) -> Finding:
        failing = facts.why_not(one.facts)
        if failing is None and rule.when.has_content:
            if one.content is None:
                return Finding(rule.name, None, one.why_no_content)
            failing = content.why_not(one.content)
        if failing is not None:
            return Finding(rule.name, None, f"{failing} does not hold")
        if rule.call is None:
            return Finding(rule.name, action_of(rule))
        document = one.facts.as_document() | ({} if one.content is None else plain_data(one.content))
        try:
            said = self._ask(rule, document, None if one.content is None else one.content.text)
            return (
                Finding(rule.name, None, "the function said nothing")
                if said is None
                else Finding(rule.name, said_by(rule, said))
            )
        except (Failed, InvalidRating) as error:
            return Finding(rule.name, None, f"the function failed: {error}")
        except TimeoutError:
            return Finding(rule.name, None, f"the function took longer than {rule.timeout_seconds:g} seconds")

    def _ask(self, rule: Rule, document: dict[str, Any], text: str | None) -> object:
        """What a function says, within its time. Raises Failed, and TimeoutError: it goes on then, unheard."""
        answer: Future[object] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._functions.ask(str(rule.call), document, text))
            except Failed as error:
                answer.set_exception(error)

        with _printing_beside():
            # Nobody waits for its end where it has none.
            threading.Thread(target=ask, daemon=True).start()
            return answer.result(rule.timeout_seconds)


def _printing_beside() -> contextlib.redirect_stdout[TextIO]:
    """What functions print stands beside what is found, as in a sidecar it stands in the log."""
    return contextlib.redirect_stdout(sys.stderr)
