"""Which rules judge a call: those whose conditions on the call itself hold, and that chance has drawn. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from proxy.calls.live_call import LiveCall
from proxy.config.rules import Rule
from proxy.rules.facts import Facts, FactsTest, facts_of

_NO_FACTS: Final = Facts()


class Chosen(NamedTuple):
    """Rules by their places: those that hold already, those that ask what the answer says, and the functions."""

    holding: list[int]
    texts: list[int]
    functions: list[int]
    facts: Facts
    """What is known of the call, as far as rules ask for it."""
    is_texts_alone: bool
    """Whether all that is to be done is to ask what the answer says."""


class Choosing:
    """Chooses rules for calls. `chance` gives numbers from 0 to below 1."""

    def __init__(self, rules: Sequence[Rule], chance: Callable[[], float]) -> None:
        self._rules = rules
        self._chance = chance
        self._tests = [(place, rule.sample, FactsTest(rule.when)) for place, rule in enumerate(rules)]
        self._needs_facts = any(
            rule.call is not None or not test.is_empty
            for rule, (_, _, test) in zip(rules, self._tests, strict=True)
        )
        is_drawn = any(rule.sample < 1.0 for rule in rules)
        self.always = None if self._needs_facts or is_drawn else self._sorted(range(len(rules)), _NO_FACTS)
        """What each call gets, where rules ask for the text alone: then nothing is chosen anew."""

    def __repr__(self) -> str:
        return f"<Choosing among {len(self._rules)} rules>"

    def chosen(self, call: LiveCall) -> Chosen:
        """The rules for a call that is over."""
        facts = facts_of(call) if self._needs_facts else _NO_FACTS
        places = [
            place
            for place, sample, test in self._tests
            if test.why_not(facts) is None and (sample >= 1.0 or self._chance() < sample)
        ]
        return self._sorted(places, facts)

    def _sorted(self, places: Iterable[int], facts: Facts) -> Chosen:
        holding: list[int] = []
        texts: list[int] = []
        functions: list[int] = []
        for place in places:
            rule = self._rules[place]
            if not rule.needs_body:
                holding.append(place)
            elif rule.call is None:
                texts.append(place)
            else:
                functions.append(place)
        return Chosen(holding, texts, functions, facts, bool(texts) and not holding and not functions)
